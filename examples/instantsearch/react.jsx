// The same search in React: results while one types, in a list that grows.
import { liteClient } from 'algoliasearch/lite'
import { useEffect, useRef, useState } from 'react'
import { createRoot } from 'react-dom/client'
import {
  Breadcrumb, ClearRefinements, Configure, CurrentRefinements, DynamicWidgets, HierarchicalMenu, Highlight, InfiniteHits, InstantSearch, RangeInput,
  RefinementList, SearchBox, SortBy, Stats, ToggleRefinement, useInstantSearch, useNumericMenu,
} from 'react-instantsearch'

const settings = new URLSearchParams(location.search)
const api = new URL(settings.get('api') ?? 'http://127.0.0.1:8080')
const index = settings.get('index') ?? '1_it'
const client = liteClient('freshet', 'public', {
  hosts: [{ url: api.host, protocol: api.protocol.slice(0, -1), accept: 'readWrite' }],
  timeouts: { connect: 5_000, read: 10_000, write: 10_000 }, // the server's own is five seconds, and there is no other to ask
})

const levels = ['categories.lvl0', 'categories.lvl1', 'categories.lvl2']
const weights = [{ label: 'All' }, { label: 'Light', end: 500 }, { label: 'Heavy', start: 500 }]
const orders = [
  { label: 'Best match', value: index }, { label: 'Cheapest first', value: `${index}_price_asc` }, { label: 'Dearest first', value: `${index}_price_desc` },
]
const shown = ['brand', 'colour', 'price', 'weight_g', 'in_stock', ...levels]
const named = (attribute) => attribute.replace(/^./, (letter) => letter.toUpperCase()).replaceAll('_', ' ')
const amount = (n, currency) => new Intl.NumberFormat(document.documentElement.lang, { style: 'currency', currency }).format(n)

// Filter is a heading over a widget; the style sheet hides it while there is nothing to choose from.
function Filter({ id, title, children }) {
  return <section className="filter" id={id}><h2>{title}</h2>{children}</section>
}

function NumericMenu(props) {
  const { items, refine } = useNumericMenu(props)
  return (
    <ul className="ais-NumericMenu-list">
      {items.map(({ label, value, isRefined }) => (
        <li key={value}>
          <label className="ais-NumericMenu-label">
            <input className="ais-NumericMenu-radio" type="radio" name={props.attribute} checked={isRefined} onChange={() => refine(value)} />{label}
          </label>
        </li>
      ))}
    </ul>
  )
}

// Header has the box; its form is named apart from the one that finds brands.
function Header() {
  const box = useRef(null)
  useEffect(() => { box.current.querySelector('form').ariaLabel = 'The shop' }, [])
  return <header><h1>Shop</h1><div id="searchbox" ref={box}><SearchBox placeholder="What are you looking for?" /></div></header>
}

// Price names its inputs for those who hear the page; the widget doesn't.
function Price() {
  const box = useRef(null)
  useEffect(() => {
    box.current.querySelector('.ais-RangeInput-input--min').ariaLabel = 'Lowest price'
    box.current.querySelector('.ais-RangeInput-input--max').ariaLabel = 'Highest price'
  }, [])
  return <div ref={box}><RangeInput attribute="price" precision={2} /></div>
}

function OtherFilter({ attribute }) {
  return shown.includes(attribute) ? null : <Filter title={named(attribute)}><RefinementList attribute={attribute} /></Filter>
}

function Filters() {
  const [room] = useState(() => matchMedia('(min-width: 52rem)'))
  const [open, setOpen] = useState(room.matches)
  useEffect(() => {
    const fold = () => setOpen(room.matches)
    room.addEventListener('change', fold)
    return () => room.removeEventListener('change', fold)
  }, [room])
  return (
    <details id="filters" open={open} onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>Filters</summary>
      <Filter id="categories" title="Category"><HierarchicalMenu attributes={levels} /></Filter>
      <div id="stock"><ToggleRefinement attribute="in_stock" on={true} label="In stock" /></div>
      <Filter id="brand" title="Brand"><RefinementList attribute="brand" searchable searchablePlaceholder="Find a brand" /></Filter>
      <Filter id="price" title="Price"><Price /></Filter>
      <Filter id="colour" title="Colour"><RefinementList attribute="colour" operator="and" /></Filter>
      <Filter id="weight" title="Weight"><NumericMenu attribute="weight_g" items={weights} /></Filter>
      <div id="dynamic"><DynamicWidgets facets={['*']} fallbackComponent={OtherFilter} /></div>
    </details>
  )
}

function Hit({ hit }) {
  return (
    <article data-id={hit.objectID}>
      {hit.image ? <img src={hit.image} alt="" loading="lazy" /> : <span className="picture" />}
      <h3><Highlight attribute="title" hit={hit} /></h3>
      <p>{hit.brand}{hit.in_stock ? '' : <> · <em>sold out</em></>}</p>
      <b>{amount(hit.price, hit.currency)}</b>
    </article>
  )
}

// Failure says what the API answered: an error that nobody hears of looks like a shop without products.
function Failure() {
  const { error } = useInstantSearch({ catchError: true })
  return <p id="failure" role="alert">{error && `The search doesn't answer: ${error.name === 'RetryError' ? `nobody is at ${api.origin}` : error.message}`}</p>
}

function Page() {
  return (
    <InstantSearch indexName={index} searchClient={client} future={{ preserveSharedStateOnUnmount: true }}>
      <Configure hitsPerPage={8} maxValuesPerFacet={50} />
      <Header />
      <main>
        <Filters />
        <section aria-label="Results">
          <Failure />
          <Breadcrumb attributes={levels} />
          <div id="bar"><div id="stats"><Stats /></div><div id="sort"><SortBy items={orders} /></div></div>
          <div id="chosen"><div id="current"><CurrentRefinements /></div><div id="clear"><ClearRefinements translations={{ resetButtonText: 'Clear all' }} /></div></div>
          <div id="hits"><InfiniteHits hitComponent={Hit} showPrevious={false} /></div>
        </section>
      </main>
    </InstantSearch>
  )
}

// A picture that can't be loaded gives way to a clear one, so that its ground is seen and not the browser's mark.
const clear = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7'
document.addEventListener('error', ({ target }) => { if (target instanceof HTMLImageElement && target.src !== clear) target.src = clear }, true)
createRoot(document.body.appendChild(document.createElement('div'))).render(<Page />)
