// The whole of what a shop writes: the client pointed at Freshet, and the widgets as their documentation has them.
const settings = new URLSearchParams(location.search)
const api = new URL(settings.get('api') ?? 'http://127.0.0.1:8080')
const index = settings.get('index') ?? 'milano_it'
const { liteClient } = window['algoliasearch/lite']

const searchClient = liteClient('freshet', 'public', {
  hosts: [{ url: api.host, protocol: api.protocol.slice(0, -1), accept: 'readWrite' }],
})
const search = instantsearch({ indexName: index, searchClient, future: { preserveSharedStateOnUnmount: true } })
const w = instantsearch.widgets
const levels = ['categories.lvl0', 'categories.lvl1', 'categories.lvl2']

// Suggestions below the search box: the first hits, highlighted.
const autocomplete = instantsearch.connectors.connectAutocomplete(({ indices, currentRefinement }, first) => {
  if (first) return
  const hits = currentRefinement ? indices.flatMap((i) => i.hits).slice(0, 3) : []
  const list = document.createElement('ul')
  for (const hit of hits) list.appendChild(document.createElement('li')).textContent = hit.title
  document.querySelector('#autocomplete').replaceChildren(list)
})

search.addWidgets([
  w.configure({ hitsPerPage: 8, maxValuesPerFacet: 50 }),
  w.searchBox({ container: '#searchbox', placeholder: 'Search' }),
  autocomplete({}),
  w.stats({ container: '#stats' }),
  w.currentRefinements({ container: '#current' }),
  w.clearRefinements({ container: '#clear' }),
  w.hierarchicalMenu({ container: '#categories', attributes: levels }),
  w.breadcrumb({ container: '#breadcrumb', attributes: levels }),
  w.refinementList({ container: '#brand', attribute: 'brand', searchable: true }),
  w.refinementList({ container: '#colour', attribute: 'colour', operator: 'and' }),
  w.rangeInput({ container: '#price', attribute: 'price', precision: 2 }),
  w.numericMenu({ container: '#weight', attribute: 'weight', items: [{ label: 'All' }, { label: 'Light', end: 5 }, { label: 'Heavy', start: 5 }] }),
  w.ratingMenu({ container: '#rating', attribute: 'rating' }),
  w.toggleRefinement({ container: '#stock', attribute: 'in_stock', on: true, templates: { labelText: () => 'In stock' } }),
  w.dynamicWidgets({
    container: '#dynamic', facets: ['*'],
    widgets: [(container) => w.menu({ container, attribute: 'material' })],
  }),
  w.sortBy({ container: '#sort', items: [
    { label: 'Relevance', value: index }, { label: 'Cheapest', value: `${index}_price_asc` }, { label: 'Dearest', value: `${index}_price_desc` },
  ] }),
  w.hitsPerPage({ container: '#per-page', items: [{ label: '8 a page', value: 8, default: true }, { label: '4 a page', value: 4 }] }),
  w.hits({ container: '#hits', templates: {
    item: (hit, { html, components }) => html`<article data-id="${hit.objectID}" data-price="${hit.price}">
      ${components.Highlight({ hit, attribute: 'title' })} <small>${hit.brand}</small> <b>${hit.price} ${hit.currency}</b></article>`,
  } }),
  w.pagination({ container: '#pagination' }),
])
search.start()
window.search = search
