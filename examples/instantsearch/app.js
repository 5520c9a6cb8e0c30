// The whole of what a shop writes: the client pointed at Freshet, and the widgets as their documentation has them.
const settings = new URLSearchParams(location.search)
const api = settings.get('api') ?? 'http://127.0.0.1:8080'
const index = settings.get('index') ?? '1_it'
const { host, protocol } = new URL(api)
const { liteClient } = window['algoliasearch/lite']
const { history } = instantsearch.routers

const search = instantsearch({
  indexName: index,
  searchClient: liteClient('freshet', 'public', {
    hosts: [{ url: host, protocol: protocol.slice(0, -1), accept: 'readWrite' }],
    timeouts: { connect: 5_000, read: 10_000, write: 10_000 }, // the server's own is five seconds, and there is no other to ask
  }),
  // The address says what is searched for, so that it can be sent to a friend, and the back button goes back.
  routing: {
    stateMapping: instantsearch.stateMappings.singleIndex(index),
    router: history({
      createURL: ({ qsModule, routeState, location }) =>
        `${location.origin}${location.pathname}${qsModule.stringify({ api, index, ...routeState }, { addQueryPrefix: true })}`,
      parseURL: ({ qsModule, location }) => {
        const { api, index, ...routeState } = qsModule.parse(location.search.slice(1), { arrayLimit: 100 })
        return routeState
      },
      cleanUrlOnDispose: false,
    }),
  },
  future: { preserveSharedStateOnUnmount: true },
})

const w = instantsearch.widgets
const levels = ['categories.lvl0', 'categories.lvl1', 'categories.lvl2']
const named = (attribute) => attribute.replace(/^./, (letter) => letter.toUpperCase()).replaceAll('_', ' ')
const amount = (n, currency) => new Intl.NumberFormat(document.documentElement.lang, { style: 'currency', currency }).format(n)
// panel puts a heading above a widget, and hides both when there is nothing to choose from.
const panel = (title, widget) => w.panel({
  templates: { header: (_, { html }) => html`<h2>${title}</h2>` },
  hidden: ({ items, range, canRefine }) => (items ? items.length === 0 : range ? !canRefine : false),
})(widget)
const picture = (hit, html) => (hit.image ? html`<img src="${hit.image}" alt="" loading="lazy" />` : html`<span class="picture"></span>`)

search.addWidgets([
  w.configure({ hitsPerPage: 8, maxValuesPerFacet: 50 }),
  w.autocomplete({
    container: '#searchbox', placeholder: 'What are you looking for?', detachedMediaQuery: '',
    indices: [{
      indexName: index, searchParameters: { hitsPerPage: 4 }, getQuery: (hit) => hit.title,
      templates: {
        header: (_, { html }) => html`Products`,
        item: ({ item, onSelect }, { html, components }) => html`<div class="suggestion" role="gridcell" onClick=${onSelect}>
          ${picture(item, html)} <span>${components.Highlight({ hit: item, attribute: 'title' })}</span> <b>${amount(item.price, item.currency)}</b></div>`,
      },
    }],
  }),
  w.stats({ container: '#stats' }),
  w.currentRefinements({ container: '#current', transformItems: (items) => items.map((i) => ({ ...i, label: named(i.label.replace(/\.lvl\d$/, '')) })) }),
  w.clearRefinements({ container: '#clear', templates: { resetLabel: () => 'Clear all' } }),
  panel('Category', w.hierarchicalMenu)({ container: '#categories', attributes: levels }),
  w.breadcrumb({ container: '#breadcrumb', attributes: levels }),
  panel('Brand', w.refinementList)({ container: '#brand', attribute: 'brand', searchable: true, searchablePlaceholder: 'Find a brand' }),
  panel('Colour', w.refinementList)({ container: '#colour', attribute: 'colour', operator: 'and' }),
  panel('Price', w.rangeInput)({ container: '#price', attribute: 'price', precision: 2 }),
  panel('Weight', w.numericMenu)({
    container: '#weight', attribute: 'weight_g', items: [{ label: 'All' }, { label: 'Light', end: 500 }, { label: 'Heavy', start: 500 }],
  }),
  w.toggleRefinement({ container: '#stock', attribute: 'in_stock', on: true, templates: { labelText: () => 'In stock' } }),
  // What the answer has beyond these, in the order that the shop's merchants gave it.
  w.dynamicWidgets({
    container: '#dynamic', facets: ['*'],
    transformItems: (items) => items.filter((i) => !['brand', 'colour', 'price', 'weight_g', 'in_stock', ...levels].includes(i)),
    fallbackWidget: ({ container, attribute }) => panel(named(attribute), w.refinementList)({ container, attribute }),
    widgets: [],
  }),
  w.sortBy({ container: '#sort', items: [
    { label: 'Best match', value: index }, { label: 'Cheapest first', value: `${index}_price_asc` }, { label: 'Dearest first', value: `${index}_price_desc` },
  ] }),
  w.hitsPerPage({ container: '#per-page', items: [{ label: '8 a page', value: 8, default: true }, { label: '24 a page', value: 24 }] }),
  w.hits({ container: '#hits', templates: {
    item: (hit, { html, components }) => html`<article data-id="${hit.objectID}" data-price="${hit.price}">
      ${picture(hit, html)}
      <h3>${components.Highlight({ hit, attribute: 'title' })}</h3>
      <p>${hit.brand}${hit.in_stock ? '' : html` · <em>sold out</em>`}</p>
      <b>${amount(hit.price, hit.currency)}</b>
    </article>`,
    empty: ({ query }, { html }) => html`<p>Nothing found for <q>${query}</q>. Try fewer words, or clear the filters.</p>`,
  } }),
  w.pagination({ container: '#pagination', padding: 1 }),
])

// Names for those who hear the page, where the widgets give none or a poor one.
const names = {
  '#searchbox form': 'The shop', '#brand form': 'Brands', '.ais-AutocompleteLabel': 'Search', '.ais-AutocompleteSubmitButton': 'Search',
  '.ais-RangeInput-input--min': 'Lowest price', '.ais-RangeInput-input--max': 'Highest price',
  '.ais-HitsPerPage-select': 'Results a page',
}
new MutationObserver(() => {
  for (const [selector, name] of Object.entries(names)) document.querySelector(selector)?.setAttribute('aria-label', name)
  document.querySelector('.ais-AutocompleteIndexList')?.setAttribute('role', 'presentation') // its rows are those of the grid around it
}).observe(document.body, { childList: true, subtree: true })
// An error that nobody hears of looks like a shop without products.
const failure = document.querySelector('#failure')
const reason = (error) => (error.name === 'RetryError' ? `nobody is at ${api}` : error.message)
search.on('error', ({ error }) => { failure.textContent = `The search doesn't answer: ${reason(error)}` })
search.on('render', () => { if (search.status !== 'error') failure.textContent = '' })

// A picture that can't be loaded gives way to a clear one, so that its ground is seen and not the browser's mark.
const clear = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7'
document.addEventListener('error', ({ target }) => { if (target instanceof HTMLImageElement && target.src !== clear) target.src = clear }, true)
search.start()
