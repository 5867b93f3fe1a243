// DNS rebinding: a page's own name starts to lead to 127.0.0.1. To the browser the gateway is now the page's own server,
// so it sends no foreign Origin and lets the page read the answers. Only the name in Host tells.
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { TestContext } from 'node:test'

import type { Browser, Page } from 'playwright-core'
import { missing } from '../support/needs.ts'
import { launchChromium, startRecorder } from './chromium.ts'
import { type Running, startGateway } from '../support/app.ts'

const name = 'rebound.example'

/** Scripts of the page, and the method that a server sees. Each returns what the page read: a status and a body. */
const attempts: readonly (readonly [name: string, method: string, script: string])[] = [
  ['fetch of the models', 'GET', `return read(await fetch('/v1/models'))`],
  [
    'fetch of the models as a simple request',
    'GET',
    `return read(await fetch('/v1/models', { mode: 'no-cors' }))`,
  ],
  [
    'fetch with JSON, of which the browser thinks that it needs no leave',
    'POST',
    `const headers = { 'content-type': 'application/json', 'x-own': 'y' }
     return read(await fetch('/v1/chat/completions', { method: 'POST', body: '{"model":"plain"}', headers }))`,
  ],
  [
    'fetch in mode same-origin',
    'POST',
    `const headers = { 'content-type': 'application/json' }
     return read(await fetch('/v1/chat/completions', { method: 'POST', mode: 'same-origin', body: '{"model":"plain"}', headers }))`,
  ],
  [
    'a form into a frame, which it can look into',
    'POST',
    `return new Promise((resolve) => {
      document.body.innerHTML =
        '<iframe name=frame></iframe><form method=post action=/v1/chat/completions target=frame enctype=text/plain>' +
        '<input name=a value=b></form>'
      document.querySelector('iframe').onload = ({ target }) => resolve('403 ' + target.contentDocument.body.innerText)
      document.querySelector('form').submit()
    })`,
  ],
  [
    'a WebSocket',
    'GET',
    `return new Promise((resolve) => {
      const socket = new WebSocket('ws://' + location.host + '/v1/chat/completions')
      socket.onopen = () => resolve('open')
      socket.onclose = () => resolve('403 {"error":{"code":"host_not_allowed"}}')
    })`,
  ],
]

/** The page as it was before the name changed: from its own server, at the gateway's port. */
async function openRebound(page: Page, url: string): Promise<void> {
  const start = `http://${name}:${new URL(url).port}/start`
  await page.route(start, (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html><body></body>' }),
  )
  await page.goto(start)
  await page.unroute(start)
}

function run(page: Page, script: string): Promise<string> {
  return page.evaluate(
    `(async () => { const read = async (answer) => answer.status + ' ' + (await answer.text()); ${script} })()`,
  )
}

suite('a page whose name leads to 127.0.0.1', { skip: missing('chromium') }, () => {
  let browser: Browser
  let page: Page
  before(async () => {
    browser = await launchChromium({ [name]: '127.0.0.1' })
    page = await browser.newPage()
  })
  after(() => browser.close())

  async function start(t: TestContext): Promise<Running> {
    const wired = await startGateway(t)
    await openRebound(page, wired.gateway.url)
    return wired
  }

  for (const [what, method, script] of attempts) {
    test(`reads no more than a refusal with ${what}`, async (t) => {
      const careless = await startRecorder(t)
      await openRebound(page, careless.url)
      await run(page, script)
      await careless.received(method)

      const { gateway, upstream } = await start(t)
      const [status, body] = (await run(page, script)).split(/ (.*)/s)

      assert.equal(status, '403')
      assert.equal(JSON.parse(body!).error.code, 'host_not_allowed')
      await gateway.logged({ code: 'host_not_allowed', method })
      assert.equal(upstream.connections, 0)
    })
  }

  test('is refused when it is opened anew', async (t) => {
    const { gateway, upstream } = await start(t)

    const answer = await page.goto(`http://${name}:${new URL(gateway.url).port}/v1/models`)

    assert.equal(answer?.status(), 403)
    assert.equal(upstream.connections, 0)
  })
})
