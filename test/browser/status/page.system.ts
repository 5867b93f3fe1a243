// The status page in a real browser, against a scripted gateway: what it shows, that text of others stays text, that nothing
// leaves the origin, and that people get by with a keyboard, a small screen and a screen reader.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, suite, test, type TestContext } from 'node:test'

import type { AxeResults } from 'axe-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import type { StatusReport } from '../../../src/status/status-report.ts'
import { shownStore } from '../../../src/status/shared-store-text.ts'
import { missing } from '../../support/needs.ts'
import { launchChromium } from '../chromium.ts'
import { type Answers, type PageServer, servePage } from './page-server.ts'
import {
  brokenReport,
  busyReport,
  emptyReport,
  hostile,
  servicesReport,
  sharedReport,
  wordyReport,
} from './reports.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface Opened extends PageServer {
  readonly page: Page
  /** Errors of scripts, refusals of the policy, and requests to other origins. */
  readonly complaints: readonly string[]
}

suite('the status page', { skip: missing('chromium') }, () => {
  let browser: Browser
  before(async () => {
    browser = await launchChromium({})
  })
  after(() => browser.close())

  async function open(
    t: TestContext,
    report: StatusReport,
    { answers, ...options }: BrowserContextOptions & { readonly answers?: Answers } = {},
  ): Promise<Opened> {
    const server = await servePage(t, report, answers)
    const context = await browser.newContext({
      timezoneId: 'Europe/Berlin',
      reducedMotion: 'reduce',
      ...options,
    })
    t.after(() => context.close())
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
    })
    await context.route('**', (route) => {
      const url = route.request().url()
      if (url.startsWith(server.url)) return route.continue()
      complaints.push(`request to ${url}`)
      return route.abort()
    })
    await page.goto(`${server.url}/status`)
    await page.getByText('Live', { exact: true }).waitFor()
    return Object.assign(server, { page, complaints })
  }

  test('has why the last call failed and what to do on the first screen', async (t) => {
    const { page, complaints } = await open(t, brokenReport, { viewport: { width: 1280, height: 720 } })
    const card = page.locator('article', { hasText: 'last failed call' })
    assert.match(await card.innerText(), /claude-sonnet-5 at anthropic: key refused/)
    assert.match(await card.innerText(), /401 authentication_error: invalid x-api-key/)
    assert.match(
      await card.innerText(),
      /What to do: Set the key again: llm-gateway credential set anthropic/,
    )
    assert.match(await card.innerText(), /15:02:47/)
    const { y, height } = (await card.boundingBox())!
    assert.ok(y + height <= 720)
    assert.deepEqual(complaints, [])
  })

  test('shows each section, in the order of what matters', async (t) => {
    const { page } = await open(t, busyReport)
    assert.deepEqual(await page.locator('h2').allInnerTexts(), [
      'Needs attention',
      'Calls under way',
      'Providers',
      'Limits and budgets',
      'Usage and cost',
      'Last calls',
      'Failures in 24 hours',
      'Where does a name lead?',
      'Try a model',
    ])
    assert.equal(await page.locator('header').count(), 1, 'nothing is left of what stood there before')
    const calls = await page.locator('#calls tbody tr').allInnerTexts()
    assert.match(calls[0]!, /qwen3:8b.*streaming.*14\.3 s.*412.*38\.4/s)
    assert.match(calls[3]!, /in line.*8\.2 s/s)
    assert.match(calls[4]!, /attempt 2$/m)
    assert.match(await page.locator('#limits').innerText(), /60 of 60\s+–\s+in 7\.4 s/)
    assert.equal(await page.locator('#recent tbody tr').count(), 15)
    await page.getByRole('button', { name: 'Show all 120' }).click()
    assert.equal(await page.locator('#recent tbody tr').count(), 120)
  })

  test('shows model servers where there are any, and which one a call waits for', async (t) => {
    const { page, complaints } = await open(t, servicesReport)
    const rows = await page.locator('#services tbody tr').allInnerTexts()
    assert.match(rows[0]!, /whisper\s+llm-gateway-run-whisper\.service\s+failed\s+exit-code 1/)
    assert.match(rows[1]!, /gemma.*stopped.*1 waiting.*6\.4 s.*gpu0/s)
    assert.equal(await page.locator('nav a[href="#services"]').innerText(), 'Services')
    assert.match(rows[2]!, /qwen.*draining.*2.*19\.4/s)
    const [call] = await page.locator('#calls tbody tr').allInnerTexts()
    assert.match(call!, /waiting for its turn in gpu0 \(qwen runs\)/)
    assert.deepEqual(complaints, [])
  })

  test('shows the machines that share limits, and what is in force while their store is away', async (t) => {
    const { page, send, complaints } = await open(t, sharedReport)
    const section = page.locator('#limits')
    await section.getByText('2 of at most 3 machines share limits over Valkey 8.0.1').waitFor()
    const rows = await section.locator('table').last().locator('tbody tr').allInnerTexts()
    assert.match(rows[0]!, /box-a\s+this one\s+here\s+gpt-5\.2-mini: 38 requests, 41200 tokens, 1 under way/)
    assert.match(rows[1]!, /box-b\s+here\s+.*; claude-sonnet-5: 4 requests/)
    assert.match(rows[2]!, /box-c\s+silent/)
    await section.getByText('2 gateways have the same machine id').waitFor()
    // Between the sections stands nothing.
    const strays = await page
      .locator('main')
      .evaluate((main) =>
        [...main.childNodes].map(({ nodeName }) => nodeName).filter((name) => name === '#text'),
      )
    assert.deepEqual(strays, [])
    const isAway = { up: false, fault: 'db.example: no reply', in_force: 'share' } as const
    const store = shownStore({ ...sharedReport.store!, ...isAway })
    send('change', { store })
    await section
      .getByText('the store is away (db.example: no reply): this machine has its part of each limit')
      .waitFor()
    assert.deepEqual(complaints, [])
  })

  test('says what to type while there is nothing to show', async (t) => {
    const { page, url } = await open(t, emptyReport)
    const card = await page.locator('#attention .card').innerText()
    assert.ok(card.includes(`curl -N ${url}/v1/chat/completions`))
    assert.ok(card.includes('"model":"echo"'))
    assert.ok(card.includes(`OPENAI_BASE_URL=${url}/v1`))
    const { page: warned } = await open(t, { ...emptyReport, attention: brokenReport.attention })
    const section = await warned.locator('#attention').innerText()
    assert.match(section, /anthropic refuses its key.*No call has come yet/s)
  })

  test('takes each change in, and keeps filters, focus and open details', async (t) => {
    const { page, send } = await open(t, brokenReport)
    const filter = page.getByRole('searchbox')
    await filter.fill('anthropic')
    const first = page.locator('#recent tbody button').first()
    await first.click()
    await filter.focus()
    send('change', {
      calls: busyReport.calls,
      calls_unshown: 0,
      recent: [{ ...busyReport.recent[1], id: 'req_new' }, ...brokenReport.recent],
    })
    await page.getByText('5 calls, 1 in line').waitFor()
    assert.equal(await page.locator('#recent tr:not(.more) button').count(), 2)
    assert.match(await page.locator('#recent .more').innerText(), /invalid x-api-key/)
    assert.equal(
      await page.locator('#recent .more a').getAttribute('href'),
      'https://traces.example/4bf92f3577b34da6a3ce929d0e0e4736',
    )
    assert.equal(await filter.evaluate((element) => element.matches(':focus')), true)
    assert.match(await page.locator('#providers').innerText(), /cooling down/)
  })

  test('says that no call matches a filter', async (t) => {
    const { page } = await open(t, busyReport)
    await page.getByRole('searchbox').fill('nothing has this')
    await page.locator('#recent').getByText('No call matches.').waitFor()
  })

  test('shows the bars of the days that are chosen', async (t) => {
    const { page } = await open(t, busyReport)
    const bars = page.locator('#usage svg .track')
    assert.equal(await bars.count(), 7)
    await page.getByRole('radio', { name: '30 days' }).check()
    assert.equal(await bars.count(), 30)
    await page.getByRole('radio', { name: 'Today' }).check()
    assert.equal(await bars.count(), 0)
    const { page: empty } = await open(t, emptyReport, { viewport: { width: 320, height: 640 } })
    assert.deepEqual(await empty.locator('figcaption span').allInnerTexts(), ['22 Nov', 'none', 'today'])
    const { page: narrow } = await open(t, busyReport, { viewport: { width: 320, height: 640 } })
    const tops = await narrow
      .locator('figcaption span')
      .evaluateAll((all) => all.map((each) => each.getBoundingClientRect().top))
    assert.equal(new Set(tops).size, 1)
  })

  test('explains a name with what is wrong at its targets, and one that leads nowhere with those that do', async (t) => {
    const target = { provider: 'ollama', model: 'qwen3:8b', tier: 0, weight: 1, trouble: null, in_flight: 0 }
    const route = { rule: 'model', entry: 'gpt', targets: [{ ...target, state: 'failing' }], fallbacks: [] }
    let answer: unknown = { model: 'gpt', route, suggestion: null }
    const { page } = await open(t, busyReport, {
      answers: { '/status/explain': (response) => json(200, answer)(response) },
    })
    const explain = async (name: string) => {
      await page.locator('#route input').fill(name)
      await page.getByRole('button', { name: 'Explain' }).click()
    }
    await explain('gpt')
    assert.match(await page.locator('#route tbody .warn').innerText(), /failing/)
    answer = { model: 'nosuch', route: null, suggestion: null }
    await explain('nosuch')
    await page.getByText('nosuch leads nowhere. Names: echo, qwen3:8b, claude-sonnet-5').waitFor()
  })

  test('takes markup in any text as text', async (t) => {
    for (const report of [busyReport, brokenReport]) {
      const answers = {
        '/status/explain': json(200, hostile({ model: 'm', route: null, suggestion: 'n' })),
        '/v1/models': json(200, hostile({ data: [{ id: 'echo' }] })),
      }
      const { page, complaints } = await open(t, hostile(report), { answers })
      for (const row of (await page.locator('#recent tbody button').all()).slice(0, 3)) await row.click()
      await page.locator('#route input').fill('<img src=x onerror="window.pwned=1">')
      await page.getByRole('button', { name: 'Explain' }).click()
      await page.getByText('leads nowhere').waitFor()
      assert.equal(await page.evaluate(() => 'pwned' in globalThis), false)
      assert.equal(await page.locator('main :is(img, script, iframe, a)').count(), 0)
      const text = await page.locator('main').innerText()
      assert.ok(text.includes('<img src=x onerror='))
      assert.ok(text.includes('\\u202egnp.exe\\u0007'))
      assert.doesNotMatch(text, /[[\u202e\p{Cc}]--[\n\t]]/v)
      assert.deepEqual(complaints, [])
    }
  })

  test('shows the answers of a model as text', async (t) => {
    const piece = (content: string) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`
    const { page, complaints, posted } = await open(t, busyReport, {
      answers: {
        '/v1/chat/completions': (response) => {
          response.writeHead(200, { 'content-type': 'text/event-stream', 'x-request-id': 'req_000000' })
          response.write(piece('<img src=x onerror="window.pwned=1"> ![](http://192.0.2.1/leak)'))
          response.end(`${piece(' **bold**')}data: [DONE]\n\n`)
        },
      },
    })
    await page.getByLabel('Message').fill('hello')
    await page.getByLabel('Message').press('Enter')
    await page.getByText('**bold**').waitFor()
    await page.getByRole('button', { name: 'Send' }).and(page.locator(':enabled')).waitFor()
    assert.match(await page.getByRole('log').innerText(), /<img src=x onerror="window.pwned=1"> !\[\]/)
    assert.match(await page.locator('#try').innerText(), /240 tokens, 41\.2 tokens\/s, the first after/)
    assert.equal(await page.evaluate(() => 'pwned' in globalThis), false)
    assert.deepEqual(complaints, [])
    const { model, stream, messages } = JSON.parse(posted[0]!.body) as Record<string, unknown>
    assert.deepEqual([model, stream, messages], ['echo', true, [{ role: 'user', content: 'hello' }]])
  })

  test('says while there is no answer where to look, and has names no speed of one piece', async (t) => {
    const wanted = Promise.withResolvers<void>()
    const { page } = await open(t, busyReport, {
      answers: {
        '/v1/chat/completions': (response) => {
          response.writeHead(200, { 'content-type': 'text/event-stream' })
          response.flushHeaders()
          void wanted.promise.then(() =>
            response.end('data: {"choices":[{"delta":{"content":"one"}}]}\n\ndata: [DONE]\n\n'),
          )
        },
      },
    })
    await page.getByLabel('Message').fill('count')
    await page.getByRole('button', { name: 'Send' }).click()
    await page.getByText('No answer yet.').waitFor()
    wanted.resolve()
    await page.getByText(/^about 1 token, the first after /).waitFor()
    assert.equal(await page.getByText('No answer yet.').count(), 0)
  })

  test('stops an answer, and reports why there is none', async (t) => {
    const gone = Promise.withResolvers<void>()
    let answer = (response: Parameters<Answers[string]>[0]): void => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: {"choices":[{"delta":{"content":"one"}}]}\n\n')
      response.once('close', gone.resolve)
    }
    const { page, posted } = await open(t, busyReport, {
      answers: { '/v1/chat/completions': (response) => answer(response) },
    })
    await page.getByLabel('Message').fill('count')
    await page.getByRole('button', { name: 'Send' }).click()
    await page.getByText('one', { exact: true }).waitFor()
    await page.locator('#try').getByRole('button', { name: 'Stop' }).click()
    await gone.promise
    answer = json(429, { error: { message: 'qwen3:8b is over its limit.' } })
    await page.getByLabel('Message').fill('again')
    await page.getByRole('button', { name: 'Send' }).click()
    assert.equal(await page.getByRole('alert').innerText(), 'qwen3:8b is over its limit.')
    answer = (response) => response.end('data: {"choices":[{"delta":{"content":"two"}}]}\n\ndata: [DONE]\n\n')
    await page.locator('#try select').selectOption('qwen3:8b')
    await page.getByLabel('Message').fill('once more')
    await page.getByRole('button', { name: 'Send' }).click()
    await page.getByText('two', { exact: true }).waitFor()
    // The reason stays with its question, and the question goes to no model again.
    assert.match(
      await page.getByRole('log').innerText(),
      /You\s+again\s+echo\s+qwen3:8b is over its limit\.\s+You/,
    )
    assert.deepEqual(await page.locator('.turn h3').allInnerTexts(), [
      'You',
      'echo',
      'You',
      'echo',
      'You',
      'qwen3:8b',
    ])
    const { messages } = JSON.parse(posted.at(-1)!.body) as {
      readonly messages: { readonly content: string }[]
    }
    assert.deepEqual(
      messages.map(({ content }) => content),
      ['count', 'one', 'once more'],
    )
  })

  test('stops a call only after a second look, and by a request that no other page can make', async (t) => {
    const { page, posted } = await open(t, busyReport, {
      answers: { '/status/cancel': json(404, { error: { message: 'gone' } }) },
    })
    const stop = page.getByRole('button', { name: 'Stop the call to qwen3:8b' }).first()
    await stop.focus()
    await page.keyboard.press('Enter')
    // The harmless answer has the focus.
    await page.keyboard.press('Enter')
    await stop.waitFor()
    assert.equal(posted.length, 0)
    await stop.click()
    await page.getByRole('button', { name: 'Stop it' }).click()
    await page.getByText('has ended').waitFor()
    const [{ path, headers, body }] = posted as [(typeof posted)[number]]
    assert.deepEqual([path, JSON.parse(body)], ['/status/cancel', { id: 'req_a' }])
    assert.equal(headers['content-type'], 'application/json')
    assert.equal(headers['x-llm-gateway-page'], '1')
  })

  test('keeps the focus of a keyboard near a call that it stops, whose button has a name of its own', async (t) => {
    const { page, send } = await open(t, busyReport, {
      answers: { '/status/cancel': json(200, { cancelled: true }) },
    })
    const names = await page
      .locator('#calls tbody button')
      .evaluateAll((all) => all.map(({ ariaLabel }) => ariaLabel))
    assert.equal(new Set(names).size, busyReport.calls.length)
    assert.equal(names[2], 'Stop the call to qwen3:8b of bob, req_c')
    const focused = () => page.evaluate('document.activeElement.ariaLabel')
    for (const [at, next] of [
      [0, names[1]],
      [4, names[3]],
    ] as const) {
      await page.getByRole('button', { name: names[at]! }).focus()
      await page.keyboard.press('Enter')
      await page.keyboard.press('Shift+Tab')
      await page.keyboard.press('Enter')
      assert.equal(await focused(), next)
    }
    send('change', { calls: [busyReport.calls[0]!] })
    await page.getByText('1 call', { exact: true }).waitFor()
    send('change', { calls: [busyReport.calls[1]!] })
    const only = page.getByRole('button', { name: names[1]! })
    await only.focus()
    await page.keyboard.press('Enter')
    await page.keyboard.press('Shift+Tab')
    await page.keyboard.press('Enter')
    assert.equal(await focused(), 'Calls under way')
  })

  test('offers neither to stop calls nor to try a model where the viewer may not', async (t) => {
    const { page } = await open(t, brokenReport)
    assert.equal(await page.getByRole('button', { name: /^Stop/ }).count(), 0)
    assert.equal(await page.locator('#try').count(), 0)
  })

  test('asks for the usage of other days by its one stream', async (t) => {
    const { page, streamsAre } = await open(t, busyReport)
    await streamsAre('/status/events?days=7&zone=Europe%2FBerlin')
    await page.getByRole('radio', { name: '30 days' }).check()
    await streamsAre('/status/events?days=30&zone=Europe%2FBerlin')
    await page.getByRole('radio', { name: 'By client' }).check()
    assert.match(await page.locator('#usage tbody').innerText(), /ci-runner\s+787/)
  })

  test('holds no stream while its tab is hidden', async (t) => {
    const { page, streamsAre } = await open(t, busyReport)
    const setHidden = (isHidden: boolean) =>
      page.evaluate(`
        Object.defineProperty(document, 'hidden', { value: ${isHidden}, configurable: true })
        document.dispatchEvent(new Event('visibilitychange'))`)
    await setHidden(true)
    await streamsAre()
    await setHidden(false)
    await streamsAre('/status/events?days=7&zone=Europe%2FBerlin')
  })

  test('leaves connections to others, with however many tabs in view', async (t) => {
    const path = '/status/events?days=7&zone=Europe%2FBerlin'
    const answers = { '/v1/chat/completions': json(200, { choices: [] }) }
    const { page: first, url, streamsAre } = await open(t, busyReport, { answers })
    const context = first.context()
    await context.clock.install()
    const tabs = [first]
    while (tabs.length < 8) {
      const tab = await context.newPage()
      await tab.goto(`${url}/status`)
      await tab.getByText(tabs.length < 3 ? 'Live' : 'Every 5 s', { exact: true }).waitFor()
      await tab.locator('#providers table').waitFor()
      tabs.push(tab)
    }
    assert.deepEqual(
      await Promise.all(tabs.map((tab) => tab.evaluate('document.visibilityState'))),
      tabs.map(() => 'visible'),
    )
    await streamsAre(path, path, path)
    const status = await tabs[7]!.evaluate(
      `fetch('/v1/chat/completions', { method: 'POST', body: '{}' }).then(({ status }) => status)`,
    )
    assert.equal(status, 200)
    for (const tab of tabs.slice(0, 2)) await tab.close()
    await streamsAre(path)
    for (const tab of tabs.slice(3)) await tab.clock.fastForward(5000)
    await streamsAre(path, path, path)
  })

  test('shows that the gateway stops and since when it is away, and connects again', async (t) => {
    const { page, send, streamsAre } = await open(t, busyReport)
    await page.clock.install()
    send('bye', {})
    await page.getByText('The gateway stops').waitFor()
    await streamsAre()
    const state = page.locator('.surroundings')
    assert.match(await state.innerText(), /unreachable since \d\d:\d\d:\d\d/)
    assert.doesNotMatch(await state.innerText(), /serving|Up/)
    await page.clock.fastForward(3000)
    await page.getByText('Live', { exact: true }).waitFor()
    await state.getByText('serving').waitFor()
  })

  test('greys what is old', async (t) => {
    const { page, refuseStreams } = await open(t, busyReport)
    refuseStreams()
    await page.getByText('Reconnecting').waitFor()
    const [delayMs, opacity] = await page.evaluate<unknown[]>(`
      const main = document.querySelector('main')
      const [fading] = main.getAnimations()
      const { delay } = fading.effect.getTiming()
      fading.finish()
      ;[delay, getComputedStyle(main).opacity]`)
    assert.deepEqual([delayMs, opacity], [5000, '0.6'])
  })

  test('fits a screen of 320 pixels without scrolling sideways', async (t) => {
    for (const report of [emptyReport, sharedReport, brokenReport, servicesReport, hostile(brokenReport)]) {
      const { page } = await open(t, report, { viewport: { width: 320, height: 640 } })
      await page
        .locator('#recent tbody button')
        .first()
        .click({ timeout: 1000 })
        .catch(() => undefined)
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320)
      // Nor do its tables: a reason stands below its call, with nothing of it cut.
      const isCut = await page.evaluate(
        `[...document.querySelectorAll('.scroll, .text small')].filter((each) =>
          each.scrollWidth > each.clientWidth || each.scrollHeight > each.clientHeight).map(({ outerHTML }) => outerHTML)`,
      )
      assert.deepEqual(isCut, [])
    }
  })

  test('cuts no column of a table on a desktop, whatever the reasons say', async (t) => {
    for (const width of [1200, 1280, 1366, 1440, 1920]) {
      const { page } = await open(t, wordyReport, { viewport: { width, height: 900 } })
      const isCut = await page.evaluate(
        `[...document.querySelectorAll('.scroll')].filter((each) => each.scrollWidth > each.clientWidth)
          .map((each) => each.ariaLabel + ': ' + (each.scrollWidth - each.clientWidth) + ' px')`,
      )
      assert.deepEqual(isCut, [], `at ${width}`)
    }
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`passes the rules of axe in ${colorScheme}`, async (t) => {
      for (const report of [emptyReport, busyReport, brokenReport]) {
        const { page } = await open(t, report, { colorScheme, bypassCSP: true })
        if (report.recent.length > 0) await page.locator('#recent tbody button').first().click()
        await page.evaluate(axe)
        const { violations } = await page.evaluate(() =>
          (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
        )
        assert.deepEqual(
          violations.map(({ id, nodes }) => [
            id,
            ...nodes.map(({ html, failureSummary }) => [html, failureSummary]),
          ]),
          [],
        )
      }
    })
  }

  test('names the command where no script runs', async (t) => {
    const { url } = await servePage(t, emptyReport)
    const context = await browser.newContext({ javaScriptEnabled: false })
    t.after(() => context.close())
    const page = await context.newPage()
    await page.goto(`${url}/status`)
    assert.match(await page.locator('body').innerText(), /llm-gateway status/)
  })
})

function json(status: number, body: unknown): Answers[string] {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
}
