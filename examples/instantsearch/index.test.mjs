// index.html in a browser, as a shopper uses it: everything shown is compared with what the API answers when asked directly.
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { ask, visit } from './shopper.mjs'

let shop, $, page

before(async () => {
  shop = await visit('index.html')
  page = shop.page
  $ = (selector) => shop.$(selector)
})
after(() => shop?.leave())
beforeEach(async () => {
  await page.goto(shop.address)
  await shop.sees(40)
})
afterEach(() => assert.deepEqual(shop.complaints.splice(0), []))

const filters = (...facetFilters) => ({ facetFilters })

test('a page of widgets is one request and one search', async () => {
  const load = await shop.costs(async () => {
    await page.goto(shop.address)
    await shop.until('the page', async () => await shop.total() === 40 && await $('#dynamic li').count() > 0)
  })
  assert.deepEqual(load, { requests: 1, searches: 1 })
  const refined = await shop.costs(async () => {
    for (const [menu, value, total] of [['#brand', 'Alba', 10], ['#brand', 'Brenta', 20], ['#categories', 'Casa', 10], ['#colour', 'blue', 10]]) {
      await shop.tick(menu, value)
      await shop.until(`${total} of ${value}`, async () => await shop.total() === total)
    }
  })
  assert.deepEqual(refined, { requests: 4, searches: 4 })
  assert.equal(JSON.parse(shop.requests.at(-1)).requests.length, 3) // the hits, the brands and the upper categories
})

test('refinement list: alternatives, counts of the others stay', async () => {
  const brands = (await ask('/1/indexes/*/queries', { requests: [{ indexName: 'widgets_it', facets: ['brand'] }] })).results[0].facets.brand
  assert.deepEqual(brands, { Alba: 10, Brenta: 10, Cima: 10, Dora: 10 })
  await shop.tick('#brand', 'Alba')
  await shop.sees(10, filters(['brand:Alba']))
  assert.deepEqual(await shop.counts('#brand'), brands)
  await shop.tick('#brand', 'Brenta')
  await shop.sees(20, filters(['brand:Alba', 'brand:Brenta']))
  assert.deepEqual(await shop.counts('#brand'), brands)
  const { facets } = await shop.sees(20, { ...filters(['brand:Alba', 'brand:Brenta']), facets: ['colour'] })
  assert.deepEqual(await shop.counts('#colour'), facets.colour)
})

test('refinement list with and', async () => {
  await shop.tick('#colour', 'red')
  await shop.sees(20, filters('colour:red'))
  await shop.tick('#colour', 'blue')
  const { facets } = await shop.sees(10, { ...filters('colour:red', 'colour:blue'), facets: ['colour'] })
  assert.deepEqual(await shop.counts('#colour'), facets.colour)
})

test('current refinements are taken off one by one, or all', async () => {
  await shop.tick('#brand', 'Alba')
  await shop.tick('#colour', 'red')
  await shop.sees(10, filters(['brand:Alba'], 'colour:red'))
  const chosen = $('#current .ais-CurrentRefinements-category')
  assert.deepEqual((await chosen.locator('.ais-CurrentRefinements-categoryLabel').allTextContents()).sort(), ['Alba', 'red'])
  await chosen.filter({ hasText: 'Alba' }).getByRole('button').click()
  await shop.sees(20, filters('colour:red'))
  await $('#clear button').click()
  await shop.sees(40)
  assert.equal(await $('#chosen').isVisible(), false)
})

test('searching among the values of a facet', async () => {
  await $('#brand input[type=search]').fill('bren')
  await shop.until('only Brenta', async () => Object.keys(await shop.counts('#brand')).join() === 'Brenta')
  assert.equal(await $('#brand mark').textContent(), 'Brenta')
  await $('#brand input[type=search]').fill('')
  await shop.until('all brands', async () => Object.keys(await shop.counts('#brand')).length === 4)
})

test('hierarchical menu and breadcrumb', async () => {
  await shop.tick('#categories', 'Casa')
  await shop.sees(20, filters('categories.lvl0:Casa'))
  await shop.tick('#categories', 'Cucina')
  await shop.sees(10, filters('categories.lvl1:Casa > Cucina'))
  assert.deepEqual(await shop.counts('#categories'), { Casa: 20, Cucina: 10, Bagno: 10, Sport: 20 })
  assert.match(await $('#breadcrumb').textContent(), /Casa.*Cucina/)
  await $('#breadcrumb a').filter({ hasText: 'Casa' }).click()
  await shop.sees(20, filters('categories.lvl0:Casa'))
})

test('numeric menu', async () => {
  await shop.tick('#weight', 'Light')
  await shop.sees(24, { numericFilters: ['weight_g<=500'] })
  await shop.tick('#weight', 'Heavy')
  await shop.sees(20, { numericFilters: ['weight_g>=500'] })
})

test('range: its bounds are those of the offers, and it takes what is typed', async () => {
  const { facets_stats: { price } } = await shop.sees(40, { facets: ['price'] })
  const [low, high] = [page.getByLabel('Lowest price'), page.getByLabel('Highest price')]
  assert.deepEqual([Number(await low.getAttribute('placeholder')), Number(await high.getAttribute('placeholder'))], [price.min, price.max])
  await low.fill('10.5')
  await high.fill('20')
  await high.press('Enter')
  await shop.sees(10, { numericFilters: ['price>=10.5', 'price<=20'] })
})

test('an error of the API is shown, and what follows takes it away', async () => {
  await shop.strays()
  await shop.until('the error', async () => /no index "nowhere_it".*like widgets_it_price_asc/.test(await $('#failure').textContent()))
  assert.deepEqual(await shop.barriers(), [])
  await shop.returns()
})

test('a picture that can\'t be loaded leaves its place', async () => {
  await shop.missesPictures()
  const sizes = await $('article img, article .picture').evaluateAll((all) => all.map((e) => Math.round(e.getBoundingClientRect().height)))
  assert.equal(new Set(sizes).size, 1, String(sizes))
  assert.ok(sizes[0] > 50, String(sizes))
})

test('toggle', async () => {
  await shop.tick('#stock', 'In stock')
  await shop.sees(30, filters('in_stock:true'))
})

test('sort by, pagination, hits per page', async () => {
  const dearest = { indexName: 'widgets_it_price_desc' }
  await $('#sort select').selectOption('Dearest first')
  assert.equal((await shop.sees(40, dearest)).hits[0].price, 40)
  await $('#pagination').getByLabel('Page 2').click()
  await shop.sees(40, { ...dearest, page: 1 })
  await $('#pagination').getByLabel('Last Page').click()
  await shop.sees(40, { ...dearest, page: 4 })
  await page.getByLabel('Results a page').selectOption('24 a page')
  await shop.sees(40, { ...dearest, hitsPerPage: 24 })
})

test('dynamic widgets show what the answer has', async () => {
  await shop.until('the materials', async () => (await shop.counts('#dynamic')).wool === 5)
  await shop.tick('#dynamic', 'wool')
  await shop.sees(5, filters(['material:wool']))
})

test('autocomplete: suggestions while typing, results with the return key', async () => {
  const box = page.getByRole('combobox', { name: 'Search' })
  await box.click()
  await box.fill('scarpa') // at once: the widget loses letters that come while it draws an answer on a slow machine
  const options = page.getByRole('row')
  await shop.until('four suggestions of shoes', async () => (await options.allTextContents()).filter((t) => t.includes('Scarpe')).length === 4)
  assert.equal(await shop.total(), 40)
  await box.press('Enter')
  await shop.sees(20, { query: 'scarpa' })
  assert.deepEqual([...new Set(await $('#hits mark').allTextContents())], ['Scarpe'])
})

test('autocomplete by the keyboard alone', async () => {
  await page.keyboard.press('Tab') // the button that sends, which stands before the box
  await page.keyboard.press('Tab')
  await page.keyboard.insertText('pentola')
  await page.getByRole('row').filter({ hasText: 'Pentola' }).first().waitFor()
  await page.keyboard.press('ArrowDown')
  await shop.until('one chosen', async () => await page.locator('[role=row][aria-selected=true]').count() === 1)
  const chosen = (await page.locator('[role=row][aria-selected=true] .ais-Highlight').textContent()).trim()
  await page.keyboard.press('Enter')
  await shop.until(`only ${chosen} first`, async () => (await $('article h3').first().textContent()) === chosen)
})

test('a misspelling is understood, and nothing is said to be nothing', async () => {
  const box = page.getByRole('combobox', { name: 'Search' })
  await box.fill('pentolla')
  await box.press('Enter')
  await shop.sees(20, { query: 'pentolla' })
  await box.fill('zzzz')
  await box.press('Enter')
  await shop.sees(0, { query: 'zzzz' })
  assert.match(await $('#hits').textContent(), /Nothing found for.*zzzz/)
})

test('the address brings the search back', async () => {
  await shop.tick('#brand', 'Alba')
  await shop.sees(10, filters(['brand:Alba']))
  await page.waitForURL(/Alba/)
  await shop.tick('#colour', 'red')
  await shop.sees(10, filters(['brand:Alba'], 'colour:red'))
  await page.waitForURL(/red/)
  await page.reload()
  await shop.sees(10, filters(['brand:Alba'], 'colour:red'))
  await page.goBack()
  await shop.sees(10, filters(['brand:Alba']))
})

test('filters by the keyboard alone', async () => {
  await page.getByLabel('In stock').focus()
  await page.keyboard.press('Space')
  await shop.sees(30, filters('in_stock:true'))
  await $('#brand input[type=checkbox]').first().focus()
  await page.keyboard.press('Space')
  await shop.until('a brand', async () => await shop.total() < 30)
})

for (const [name, width] of [['wide', 1280], ['narrow', 360]]) {
  test(`nobody is kept out: ${name}`, async () => {
    await page.setViewportSize({ width, height: 800 })
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, 'the page scrolls sideways')
    if (name === 'narrow') await $('summary').click()
    await shop.tick('#brand', 'Alba')
    await shop.sees(10, filters(['brand:Alba']))
    await shop.picture(`index-${name}`)
    assert.deepEqual(await shop.barriers(), [])
    await page.getByRole('combobox', { name: 'Search' }).fill('scarpa')
    await page.getByRole('row').first().waitFor()
    await shop.picture(`index-${name}-typing`)
    assert.deepEqual(await shop.barriers(), [])
  })
}
