// Pages that are none of the user's own, in a real browser: whatever they try, no provider hears of it, no limit counts
// it, and they read nothing. Each attempt is also made on a careless server, to see that the browser lets it out.
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { TestContext } from 'node:test'

import type { Browser, Page } from 'playwright-core'
import { missing } from '../support/needs.ts'
import { json } from '../support/upstream-script.ts'
import { launchChromium, servePage, startRecorder } from './chromium.ts'
import { pageAttacks } from './page-attacks.ts'
import type { PageAttack } from './page-attacks.ts'
import { type Running, startGateway } from '../support/app.ts'

const ask = JSON.stringify({ model: 'plain', messages: [{ role: 'user', content: 'hi' }] })
const limits = { rate_limit_settings: { limits: { plain: { rpm: 100, tpm: 50000 } } } }
const blank = '<!doctype html><title>foreign</title><body></body>'

/** Has the page try it. @returns what the page could read. */
async function attempt(page: Page, attack: PageAttack, target: string): Promise<string> {
  const call = `(async (target, ask) => { ${attack.script} })(${JSON.stringify(target)}, ${JSON.stringify(ask)})`
  if (!attack.navigates) return String(await page.evaluate(`${call}.catch(() => '')`))
  const [answer] = await Promise.all([
    page.waitForResponse((response) => response.url().startsWith(target)),
    page.evaluate(`void ${call}`).catch(() => {}),
  ])
  await answer.finished()
  // The answer is shown, but by the browser: the page that asked is gone, and what comes is no page of its own.
  return ''
}

/** Nothing of what went before has had an effect: the first good call finds the limits untouched. */
async function assertUntouched(t: TestContext, { gateway, upstream }: Running): Promise<void> {
  assert.equal(upstream.connections, 0)
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
  upstream.respond(json(200, { choices: [], usage }))
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: ask,
  })
  t.assert.equal(answer.status, 200)
  t.assert.equal(answer.headers.get('x-ratelimit-remaining-requests'), '99')
  t.assert.equal(upstream.requests.length, 1)
}

suite('a page of a foreign origin', { skip: missing('chromium') }, () => {
  let browser: Browser
  let page: Page
  before(async () => {
    browser = await launchChromium({})
    page = await browser.newPage()
  })
  after(() => browser.close())

  for (const attack of pageAttacks) {
    test(`gets nothing with ${attack.name}`, async (t) => {
      const wired = await startGateway(t, limits)
      const careless = await startRecorder(t)
      const foreign = await servePage(t, blank, '127.0.0.2')

      await page.goto(foreign)
      await attempt(page, attack, careless.url)
      if (attack.method !== undefined) await careless.received(attack.method)
      if (attack.isPreflighted) await careless.received('OPTIONS')
      if (attack.method === undefined) assert.equal(careless.count, 0)

      await page.goto(foreign)
      assert.equal(await attempt(page, attack, wired.gateway.url), '')
      if (attack.method !== undefined) {
        const method = attack.isPreflighted ? 'OPTIONS' : attack.method
        const refused = await wired.gateway.logged({ code: 'origin_not_allowed', method })
        assert.equal(refused['status'], 403)
      }
      await assertUntouched(t, wired)
    })
  }
})
