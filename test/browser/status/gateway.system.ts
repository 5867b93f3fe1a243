// The status page of a real gateway in a real browser: its routes, its headers and its stream, with a provider that misbehaves.
import assert from 'node:assert/strict'
import { after, before, suite, test, type TestContext } from 'node:test'

import type { Browser, Page } from 'playwright-core'
import { startGateway } from '../../support/app.ts'
import { chat } from '../../support/calls.ts'
import { delta } from '../../support/chat-content.ts'
import { echo } from '../../support/gateway-config.ts'
import { missing, unless } from '../../support/needs.ts'
import { chunk, hang, json, streamHead } from '../../support/upstream-script.ts'
import { launchChromium } from '../chromium.ts'

const skip = missing('chromium') || unless(process.platform === 'linux', 'needs Linux')

suite('the status page of a gateway', { skip }, () => {
  let browser: Browser
  before(async () => {
    browser = await launchChromium({})
  })
  after(() => browser.close())

  async function open(t: TestContext, url: string): Promise<{ page: Page; complaints: string[] }> {
    const context = await browser.newContext({ reducedMotion: 'reduce' })
    t.after(() => context.close())
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
    })
    await page.goto(url)
    await page.getByText('Live', { exact: true }).waitFor()
    return { page, complaints }
  }

  test('shows a failed call within a second, with its reason', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const { page, complaints } = await open(t, `${gateway.url}/status`)
    await page.getByText('No call has come yet').waitFor()
    const message = '<img src=x onerror="window.pwned=1"> is not a key'
    upstream.respondAlways(json(401, { error: { message, type: 'authentication_error' } }))
    await chat(gateway, 'plain')
    const card = page.locator('article', { hasText: 'last failed call' })
    await card.waitFor()
    assert.match(await card.innerText(), /plain at scripted: key refused[^]*What to do: /)
    assert.equal(await page.evaluate(() => 'pwned' in globalThis), false)
    assert.deepEqual(complaints, [])
  })

  test('reaches the browser in the smaller of the codings', async (t) => {
    const { gateway } = await startGateway(t, echo)
    const context = await browser.newContext()
    t.after(() => context.close())
    const page = await context.newPage()
    const codings = new Map<string, string | undefined>()
    page.on('response', (response) =>
      codings.set(new URL(response.url()).pathname, response.headers()['content-encoding']),
    )
    await page.goto(`${gateway.url}/status`)
    await page.getByText('Live', { exact: true }).waitFor()
    for (const path of ['/status', '/status/app.js', '/status/app.css']) assert.equal(codings.get(path), 'br')
  })

  test('lets its user talk to a model', async (t) => {
    const { gateway } = await startGateway(t, echo)
    const { page, complaints } = await open(t, `${gateway.url}/status`)
    await page.getByLabel('Message').fill('hello from the page')
    await page.getByRole('button', { name: 'Send' }).and(page.locator(':enabled')).click()
    await page.getByRole('log').getByRole('heading', { name: 'plain' }).waitFor()
    await page.locator('#recent tbody tr').waitFor()
    assert.match(
      await page.getByRole('log').innerText(),
      /You\s+hello from the page\s+plain\s+.*hello from the page/s,
    )
    assert.deepEqual(complaints, [])
  })

  test('stops a call, whose client gets an error', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond([streamHead(), chunk(`data: ${delta('first')}\n\n`), hang])
    const { page, complaints } = await open(t, `${gateway.url}/status`)
    const ended = chat(gateway, 'plain', { stream: true })
    await page.getByRole('button', { name: 'Stop the call to plain' }).click()
    await page.getByRole('button', { name: 'Stop it' }).click()
    await page.getByText('No call is under way').waitFor()
    await ended
    assert.deepEqual(complaints, [])
  })

  test('explains where a name leads', async (t) => {
    const { gateway } = await startGateway(t)
    const { page } = await open(t, `${gateway.url}/status`)
    const explain = async (name: string) => {
      await page.locator('#route input').fill(name)
      await page.getByRole('button', { name: 'Explain' }).click()
    }
    await explain('plain')
    await page.locator('#route table').waitFor()
    assert.match(await page.locator('#route tbody').innerText(), /scripted\s+\S+\s+ready/)
    await explain('plan')
    await page.getByText('plan leads nowhere').waitFor()
  })

  test('shows when the gateway is gone', async (t) => {
    const { gateway } = await startGateway(t, echo)
    const { page } = await open(t, `${gateway.url}/status`)
    await gateway.stop()
    await page.getByText(/The gateway restarts|Reconnecting/).waitFor()
  })
})
