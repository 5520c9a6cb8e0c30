// Drives the page's widgets as a shopper would, in jsdom, against the API at FRESHET_API. The catalog is the one that
// TestWidgets in api/read makes: forty offers of known properties.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { JSDOM, VirtualConsole } from 'jsdom'

const api = process.env.FRESHET_API
let dom, $, all

before(async () => {
  const page = fileURLToPath(new URL('index.html', import.meta.url))
  const log = new VirtualConsole()
  log.on('jsdomError', (error) => console.error(error))
  dom = await JSDOM.fromFile(page, {
    url: `http://shop.example/index.html?api=${encodeURIComponent(api)}&index=widgets_it`,
    runScripts: 'outside-only', virtualConsole: log, pretendToBeVisual: true,
  })
  const { readFile } = await import('node:fs/promises')
  dom.window.Element.prototype.scrollIntoView = () => {} // jsdom shows nothing that could be scrolled
  for (const script of [...dom.window.document.scripts].map((s) => s.getAttribute('src'))) {
    dom.window.eval(await readFile(new URL(script, import.meta.url), 'utf8'))
  }
  $ = (selector) => dom.window.document.querySelector(selector)
  all = (selector) => [...dom.window.document.querySelectorAll(selector)]
  await total(40)
})
after(() => { dom?.window.search.dispose(); dom?.window.close() })

// until waits for a condition of the page, which changes when an answer has come.
async function until(what, condition) {
  const deadline = Date.now() + 60_000
  for (;;) {
    const value = condition()
    if (value) return value
    if (Date.now() > deadline) assert.fail(`${what}: the page says ${$('#stats').textContent}; ${hits().map((h) => h.textContent).join(' | ')}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
const total = (n) => until(`${n} results`, () => $('#stats').textContent.match(/^(\d+|No) results?/)?.[0].replace('No', '0').startsWith(`${n} result`))
const hits = () => all('#hits article')
const prices = () => hits().map((h) => Number(h.dataset.price))
const item = (list, label) => until(`${label} in ${list}`, () => all(`${list} label, ${list} a`).find((e) => e.textContent.includes(label)))
const count = async (list, label) => Number((await item(list, label)).querySelector('[class*="count"]').textContent)
const click = async (list, label) => { const e = await item(list, label); (e.querySelector('input') ?? e).click() }
const type = (selector, text) => {
  const input = $(selector)
  input.value = text
  input.dispatchEvent(new dom.window.Event('input', { bubbles: true }))
}
const rendered = () => new Promise((resolve) => dom.window.requestAnimationFrame(() => setTimeout(resolve)))
const clear = async () => { $('#clear button').click(); type('#searchbox input', ''); await total(40) }

test('refinement list: alternatives, counts of the others stay', async () => {
  assert.equal(await count('#brand', 'Alba'), 10)
  await click('#brand', 'Alba')
  await total(10)
  assert.equal(await count('#brand', 'Brenta'), 10)
  await click('#brand', 'Brenta')
  await total(20)
  assert.equal(all('#current .ais-CurrentRefinements-category').length, 2)
  await clear()
})

test('refinement list with and', async () => {
  await click('#colour', 'red')
  await total(20)
  await click('#colour', 'blue')
  await total(10)
  await clear()
})

test('searching among the values of a facet', async () => {
  type('#brand input[type=search]', 'bren')
  await until('only Brenta', () => all('#brand .ais-RefinementList-item').length === 1 && $('#brand').textContent.includes('Brenta'))
  type('#brand input[type=search]', '')
  await until('all brands', () => all('#brand .ais-RefinementList-item').length === 4)
})

test('hierarchical menu and breadcrumb', async () => {
  assert.equal(await count('#categories', 'Casa'), 20)
  await click('#categories', 'Casa')
  await total(20)
  await click('#categories', 'Cucina')
  await total(10)
  assert.equal(await count('#categories', 'Bagno'), 10)
  assert.equal(await count('#categories', 'Sport'), 20)
  assert.match($('#breadcrumb').textContent, /Casa.*Cucina/)
  await clear()
})

test('numeric menu, range and rating', async () => {
  await click('#weight', 'Light')
  await total(24)
  await clear()
  type('#price input.ais-RangeInput-input--min', '10.5')
  type('#price input.ais-RangeInput-input--max', '20')
  await rendered()
  $('#price form').dispatchEvent(new dom.window.Event('submit', { bubbles: true, cancelable: true }))
  await total(10)
  await clear()
  const four = await until('four stars', () => all('#rating a').find((a) => a.getAttribute('aria-label')?.startsWith('4')))
  four.click()
  await total(16)
  await clear()
})

test('toggle', async () => {
  $('#stock input').click()
  await total(30)
  await clear()
})

test('sort by, pagination, hits per page', async () => {
  const select = $('#sort select')
  select.value = 'widgets_it_price_desc'
  select.dispatchEvent(new dom.window.Event('change', { bubbles: true }))
  await until('dearest first', () => prices()[0] === 40)
  await click('#pagination', '2')
  await until('the second page', () => prices()[0] === 32)
  const per = $('#per-page select')
  per.value = '4'
  per.dispatchEvent(new dom.window.Event('change', { bubbles: true }))
  await until('four hits', () => hits().length === 4)
  select.value = 'widgets_it'
  select.dispatchEvent(new dom.window.Event('change', { bubbles: true }))
  per.value = '8'
  per.dispatchEvent(new dom.window.Event('change', { bubbles: true }))
  await until('eight hits', () => hits().length === 8)
})

test('highlight, autocomplete and a misspelling', async () => {
  type('#searchbox input', 'scarpa')
  await total(20)
  assert.equal($('#hits mark').textContent, 'Scarpe')
  assert.equal(all('#autocomplete li').length, 3)
  type('#searchbox input', 'pentolla')
  await total(20)
  await clear()
})

test('dynamic widgets show what the answer has', async () => {
  await until('the menu of materials', () => $('#dynamic').textContent.includes('wool'))
  await click('#dynamic', 'wool')
  await total(5)
  await clear()
})

// The last one: without results the dynamic widgets are taken off the page.
test('nothing found', async () => {
  type('#searchbox input', 'zzzz')
  await total(0)
})
