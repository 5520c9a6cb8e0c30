// react.html in a browser: that the widgets of React, too, show what the API answers.
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { visit } from './shopper.mjs'

let shop, $, page

before(async () => {
  shop = await visit('react.html')
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
    await shop.until('the page', async () => await $('#stats').count() > 0 && await shop.total() === 40 && await $('#dynamic li').count() > 0)
  })
  assert.deepEqual(load, { requests: 1, searches: 1 })
})

test('results while one types', async () => {
  await page.getByRole('searchbox').first().pressSequentially('scarpa')
  await shop.sees(20, { query: 'scarpa' })
  assert.deepEqual([...new Set(await $('#hits mark').allTextContents())], ['Scarpe'])
  await page.getByRole('searchbox').first().fill('zzzz')
  await shop.sees(0, { query: 'zzzz' })
})

test('a list that grows to the end has every offer once', async () => {
  await $('#sort select').selectOption('Dearest first')
  const more = page.getByRole('button', { name: 'Show more results' })
  for (let shown = 8; shown <= 40; shown += 8) {
    await shop.sees(40, { indexName: 'widgets_it_price_desc', hitsPerPage: shown })
    if (shown < 40) await more.click()
  }
  assert.equal(await more.isDisabled(), true)
  assert.equal(new Set(await shop.ids()).size, 40)
})

test('refinement lists, and what is chosen', async () => {
  await shop.tick('#brand', 'Alba')
  await shop.tick('#brand', 'Brenta')
  await shop.sees(20, filters(['brand:Alba', 'brand:Brenta']))
  assert.deepEqual(await shop.counts('#brand'), { Alba: 10, Brenta: 10, Cima: 10, Dora: 10 })
  await shop.tick('#colour', 'red')
  await shop.tick('#colour', 'blue')
  await shop.sees(10, filters(['brand:Alba', 'brand:Brenta'], 'colour:red', 'colour:blue'))
  await $('#current .ais-CurrentRefinements-delete').first().click()
  await shop.until('a brand less', async () => await $('#current .ais-CurrentRefinements-category').count() === 3)
  await $('#clear button').click()
  await shop.sees(40)
})

test('searching among the values of a facet', async () => {
  await $('#brand input[type=search]').fill('bren')
  await shop.until('only Brenta', async () => Object.keys(await shop.counts('#brand')).join() === 'Brenta')
})

test('hierarchical menu, numeric menu, range and toggle', async () => {
  await shop.tick('#categories', 'Casa')
  await shop.tick('#categories', 'Cucina')
  await shop.sees(10, filters('categories.lvl1:Casa > Cucina'))
  await shop.tick('#weight', 'Light')
  await shop.sees(6, { ...filters('categories.lvl1:Casa > Cucina'), numericFilters: ['weight_g<=500'] })
  await page.getByLabel('Highest price').fill('4')
  await page.getByLabel('Highest price').press('Enter')
  await shop.sees(4, { ...filters('categories.lvl1:Casa > Cucina'), numericFilters: ['weight_g<=500', 'price<=4'] })
  await shop.tick('#stock', 'In stock')
  await shop.sees(3, { ...filters('categories.lvl1:Casa > Cucina', 'in_stock:true'), numericFilters: ['weight_g<=500', 'price<=4'] })
})

test('an error of the API is shown', async () => {
  await shop.strays()
  await shop.until('the error', async () => /no index "nowhere_it"/.test(await $('#failure').textContent()))
  await shop.returns()
})

test('a picture that can\'t be loaded leaves its place', async () => {
  await shop.missesPictures()
})

test('dynamic widgets', async () => {
  await shop.tick('#dynamic', 'wool')
  await shop.sees(5, filters(['material:wool']))
})

for (const [name, width] of [['wide', 1280], ['narrow', 360]]) {
  test(`nobody is kept out: ${name}`, async () => {
    await page.setViewportSize({ width, height: 800 })
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, 'the page scrolls sideways')
    if (name === 'narrow') await $('summary').click()
    await shop.tick('#brand', 'Alba')
    await shop.sees(10, filters(['brand:Alba']))
    await shop.picture(`react-${name}`)
    assert.deepEqual(await shop.barriers(), [])
  })
}
