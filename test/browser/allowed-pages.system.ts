// A page of the user's own, on another port of localhost: it streams a chat, reads the headers it needs, and can tell
// what went wrong.
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { TestContext } from 'node:test'

import type { Browser, Page } from 'playwright-core'
import { missing } from '../support/needs.ts'
import { chunk, json, lastChunk, streamHead, wait } from '../support/upstream-script.ts'
import { launchChromium, openPage, servePage } from './chromium.ts'
import { type Running, startGateway } from '../support/app.ts'
import type { Setup } from '../support/gateway-config.ts'

const chatPage = `<!doctype html><title>chat</title><pre id=status></pre><pre id=text></pre>
<script type=module>
  const show = (id, text) => { document.getElementById(id).textContent += text }
  window.chat = async (url, model) => {
    const answer = await fetch(url + '/v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer not-needed', 'x-request-id': 'page-1' },
      body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'hi' }] }),
    })
    const shown = ['x-request-id', 'retry-after', 'x-ratelimit-remaining-requests', 'x-llm-gateway-error', 'server']
    show('status', [answer.status, ...shown.map((name) => answer.headers.get(name))].join(' '))
    if (!answer.ok) return show('text', (await answer.json()).error.message)
    let rest = ''
    for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
      const events = (rest + text).split('\\n\\n')
      rest = events.pop()
      for (const event of events) {
        if (event === 'data: [DONE]') show('text', ' (done)')
        else if (event.startsWith('data: ')) show('text', JSON.parse(event.slice(6)).choices[0].delta.content)
      }
    }
  }
</script>`

const limits = { rate_limit_settings: { limits: { plain: { rpm: 2, tpm: 50000 } } } }

function delta(content: string): string {
  const choices = [{ index: 0, delta: { content }, finish_reason: null }]
  return `data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', model: 'm', choices })}\n\n`
}

suite('a page on http://localhost', { skip: missing('chromium') }, () => {
  let browser: Browser
  before(async () => {
    browser = await launchChromium({})
  })
  after(() => browser.close())

  async function open(t: TestContext, more: Setup<'scripted'> = limits): Promise<Running & { page: Page }> {
    const wired = await startGateway(t, more)
    const page = await openPage(t, browser)
    await page.goto(await servePage(t, chatPage, '127.0.0.1', 'localhost'))
    return Object.assign(wired, { page })
  }

  /** Starts a chat and does not wait for its end. */
  const chat = (page: Page, url: string, model = 'plain') =>
    page.evaluate(
      `void chat(${JSON.stringify(url)}, ${JSON.stringify(model)}).catch((error) => { document.title = String(error) })`,
    )
  const textOf = (page: Page, id: string) => page.locator(`#${id}`).textContent()
  const shows = (page: Page, id: string, text: string) =>
    page.waitForFunction(
      `document.getElementById(${JSON.stringify(id)}).textContent.includes(${JSON.stringify(text)})`,
    )

  test('shows a streamed answer while it is still coming', async (t) => {
    const { gateway, upstream, page } = await open(t)
    const rest = Promise.withResolvers<void>()
    upstream.respond([
      streamHead({ 'access-control-allow-origin': 'https://provider.example', server: 'provider' }),
      chunk(delta('zwei')),
      wait(rest.promise),
      chunk(delta('undvierzig 🙂')),
      chunk('data: [DONE]\n\n'),
      lastChunk,
    ])

    await chat(page, gateway.url)
    await shows(page, 'text', 'zwei')
    assert.equal(await textOf(page, 'text'), 'zwei')
    rest.resolve()
    await shows(page, 'text', '(done)')

    assert.equal(await textOf(page, 'text'), 'zweiundvierzig 🙂 (done)')
    assert.equal(await textOf(page, 'status'), '200 page-1  1  ')
  })

  test('ends the request of the provider when it is closed', async (t) => {
    const { gateway, upstream, page } = await open(t)
    upstream.respond([streamHead(), chunk(delta('zwei')), wait(new Promise(() => {}))])

    await chat(page, gateway.url)
    await shows(page, 'text', 'zwei')
    await page.close()

    assert.equal((await (await upstream.nextRequest()).outcome).kind, 'aborted')
    await gateway.logged({ request_id: 'page-1', status: 499 })
  })

  test('reads when it may come again, and why it was sent away', async (t) => {
    const { gateway, upstream, page } = await open(t)
    upstream.respondAlways(json(200, { choices: [], usage: { prompt_tokens: 1, total_tokens: 1 } }))
    const ask = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"model":"plain"}' }
    for (let call = 0; call < 2; call++) await (await fetch(`${gateway.url}/v1/chat/completions`, ask)).text()

    await chat(page, gateway.url)
    await shows(page, 'text', 'plain')

    assert.match((await textOf(page, 'status'))!, /^429 page-1 (\d+) 0 rate_limit_exceeded $/)
    assert.equal(upstream.requests.length, 2)
  })

  test('reads the error of an unknown model', async (t) => {
    const { gateway, page } = await open(t)

    await chat(page, gateway.url, 'plane')
    await shows(page, 'text', 'plane')

    assert.match((await textOf(page, 'status'))!, /^404 page-1 .*model_not_found/)
    assert.match((await textOf(page, 'text'))!, /"plane" does not exist/)
  })

  for (const [what, status, options] of [
    ['a wrong media type', 415, `{ method: 'POST', body: 'text' }`],
    ['a wrong method', 405, `{ method: 'GET' }`],
    [
      'JSON that is none',
      400,
      `{ method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' }`,
    ],
  ] as const) {
    test(`reads the error of ${what}`, async (t) => {
      const { gateway, page } = await open(t)

      const read = await page.evaluate(
        `fetch(${JSON.stringify(`${gateway.url}/v1/chat/completions`)}, ${options})
          .then(async (answer) => [answer.status, typeof (await answer.json()).error.message])`,
      )

      assert.deepEqual(read, [status, 'string'])
    })
  }

  for (const [name, result] of [
    ['x-own', '[object Response]'],
    ['x-forwarded-for', 'TypeError: Failed to fetch'],
  ] as const) {
    test(`sends ${name} of its own: ${result}`, async (t) => {
      const { gateway, page } = await open(t)

      const read = await page.evaluate(
        `fetch(${JSON.stringify(`${gateway.url}/v1/models`)}, { headers: { '${name}': 'y' } }).then(String, String)`,
      )

      assert.equal(read, result)
    })
  }

  test('gets nothing when only another port is listed', async (t) => {
    const { gateway, upstream, page } = await open(t, { cors: { allowed_origins: ['http://localhost:1'] } })

    await chat(page, gateway.url)

    await page.waitForFunction(`document.title !== 'chat'`)
    assert.equal(await page.title(), 'TypeError: Failed to fetch')
    await gateway.logged({ code: 'origin_not_allowed', method: 'OPTIONS' })
    assert.equal(upstream.connections, 0)
  })
})
