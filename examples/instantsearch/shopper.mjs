// A shopper at a page of this folder: Chromium, the pages served as `npm start` serves them, and the API at FRESHET_API,
// whose catalog is the one that TestWidgets in api/read makes. FRESHET_ASKED says how often Elasticsearch was asked.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { context } from 'esbuild'
import { chromium } from 'playwright-core'

const api = process.env.FRESHET_API
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const patience = 60_000

// visit opens a page. What the browser complains of is kept in complaints, what it asks the API in requests.
export async function visit(file) {
  const build = await context({ entryPoints: ['react.jsx'], bundle: true, jsx: 'automatic', outdir: 'built', write: false, logLevel: 'warning' })
  const { port } = await build.serve({ servedir: '.', host: '127.0.0.1' })
  const profile = await mkdtemp(join(tmpdir(), 'shopper-'))
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, viewport: { width: 1280, height: 900 }, locale: 'en-GB', reducedMotion: 'reduce',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  })
  const page = await browser.newPage() // the first one may still be on its way to where browsers begin
  page.setDefaultTimeout(patience)
  const shopper = new Shopper(page)
  shopper.leave = async () => {
    await browser.close()
    await build.dispose()
    await rm(profile, { recursive: true, force: true })
  }
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) shopper.complaints.push(m.text()) })
  page.on('pageerror', (e) => shopper.complaints.push(String(e)))
  page.on('request', (r) => { if (r.url().startsWith(`${api}/1/`)) shopper.requests.push(r.postData()) })
  shopper.address = `http://127.0.0.1:${port}/${file}?api=${encodeURIComponent(api)}&index=widgets_it`
  await page.goto(shopper.address)
  return shopper
}

class Shopper {
  complaints = []
  requests = []

  constructor(page) { this.page = page }

  $(selector) { return this.page.locator(selector) }

  // sees waits until the page shows what the API answers when asked directly: the total, and these hits in this order.
  async sees(total, parameters = {}) {
    const { results: [direct] } = await ask('/1/indexes/*/queries', { requests: [{ indexName: 'widgets_it', hitsPerPage: 8, ...parameters }] })
    assert.equal(direct.nbHits, total, JSON.stringify(parameters))
    const ids = direct.hits.map((h) => h.objectID)
    await this.until(`${total} results: ${ids}`, async () => [await this.total(), ...await this.ids()].join() === [total, ...ids].join())
    return direct
  }

  async total() { return Number((await this.$('#stats').textContent()).match(/^(\d+|No) results?/)?.[1].replace('No', '0')) }

  ids() { return this.$('article').evaluateAll((all) => all.map((a) => a.dataset.id)) }

  // counts reads a menu as it is shown: each value with the number beside it. While it is drawn a line may have neither yet.
  counts(menu) {
    return this.$(`${menu} li`).evaluateAll((all) => Object.fromEntries(all.map((li) => [
      li.querySelector('[class*="labelText"],[class*="link"] [class*="label"]')?.textContent, Number(li.querySelector('[class*="count"]')?.textContent),
    ])))
  }

  // tick takes a value of a menu, as its label or link is clicked.
  async tick(menu, value) { await this.$(`${menu} label, ${menu} a`).filter({ hasText: value }).first().click() }

  async until(what, condition) {
    const deadline = Date.now() + patience
    for (;;) {
      if (await condition()) return
      if (Date.now() > deadline) assert.fail(`${what}: the page says ${await this.$('#stats').textContent()} and shows ${await this.ids()}`)
      await this.page.waitForTimeout(20)
    }
  }

  // strays opens the page of an index that isn't there, and returns leaves it for the one that is.
  async strays() { await this.page.goto(this.address.replace('widgets_it', 'nowhere_it')) }

  async returns() {
    await this.page.goto(this.address)
    await this.sees(40)
    assert.equal(await this.$('#failure').isVisible(), false)
    this.complaints.splice(0) // the browser's own, of the 404
  }

  // missesPictures waits until pictures that can't be loaded are replaced, and wants none to be shown as broken.
  async missesPictures() {
    await this.until('placeholders', async () => await this.$('article img[src^="data:image/gif"]').count() > 0)
    const broken = await this.$('article img').evaluateAll((all) => all.filter((e) => e.complete && e.naturalWidth === 0).length)
    assert.equal(broken, 0)
  }

  // costs does something and says what it took: requests of the page, and searches of Elasticsearch.
  async costs(deed) {
    const before = [this.requests.length, await asked()]
    await deed()
    return { requests: this.requests.length - before[0], searches: await asked() - before[1] }
  }

  // barriers are what axe finds wrong with the page for those who see, hear or move otherwise. Rows of suggestions are list
  // items in the widget's own markup, which a page can't change.
  async barriers() {
    await this.page.addScriptTag({ path: axe })
    const { violations } = await this.page.evaluate(() => globalThis.axe.run({ rules: { 'aria-allowed-role': { enabled: false } } }))
    return violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.html} ${n.failureSummary}`).join('\n')}`)
  }

  // picture is looked at by people: SCREENSHOTS names the folder that keeps it.
  async picture(name) {
    if (process.env.SCREENSHOTS) await this.page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`), fullPage: true })
  }
}

export async function ask(path, body) {
  const response = await fetch(api + path, { method: 'POST', body: JSON.stringify(body) })
  assert.equal(response.status, 200, path)
  return response.json()
}

async function asked() { return Number(await (await fetch(process.env.FRESHET_ASKED)).text()) }
