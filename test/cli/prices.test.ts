import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, test, type TestContext } from 'node:test'

import { explainCommand } from '../../src/cli/explain.ts'
import { pricesShowCommand } from '../../src/cli/prices-show.ts'
import { pricesUpdateCommand } from '../../src/cli/prices-update.ts'
import { createProgram } from '../../src/cli/program.ts'
import { loadConfig } from '../../src/config/load.ts'
import { type RawPriceList, writePriceList } from '../../src/prices/price-list.ts'
import { recordedIo } from '../support/command-io.ts'
import { ownAccounts, scratchDirectory, writeScratch } from '../support/config-file.ts'

const config = `providers:
  openai: { base_url: https://api.openai.com/v1, price: { input: 3 } }
  router: { base_url: https://openrouter.ai/api/v1 }
  unknown: { base_url: https://a.example/v1 }
  box: { kind: ollama, base_url: "http://127.0.0.1:11434/v1" }
  groq: { base_url: https://api.groq.com/openai/v1 }
models:
  own: { provider: openai, model: gpt-5, price: { input: 1, output: 2, above: [{ input_tokens: 1000, input: 4 }], service_tiers: { flex: { input: 0.5 } } } }
  two: { targets: [{ provider: openai, price: free }, { provider: openai, model: other }] }
  sonnet: { provider: router, model: anthropic/claude-sonnet-4.5 }
  odd: { provider: unknown }
  local: { provider: box }
  llama: { provider: groq, model: llama-3.3-70b-versatile }
  "groq/*": { provider: groq }
`

const groq = (models: RawPriceList['providers'][string]['models'], more: object = {}): RawPriceList => ({
  version: 1,
  source: 'a test',
  licence: 'MIT',
  date: '2026-11-20',
  providers: { groq: { hosts: ['api.groq.com'], models } },
  ...more,
})

function show(t: TestContext, model: string, list?: RawPriceList, json = false) {
  const file = writeScratch(t, config)
  if (list !== undefined)
    writeFileSync(join(dirname(file), 'prices.json'), writePriceList(list), { mode: 0o644 })
  const io = recordedIo()
  const code = pricesShowCommand(io, model, { config: file, json })
  return { code, file, ...io.written }
}

describe('prices show', () => {
  test('shows the price that applies, with its tiers and its place', (t) => {
    const { code, stdout, stderr } = show(t, 'own')
    assert.deepEqual([code, stderr], [0, ''])
    assert.equal(
      stdout,
      `USD per 1,000,000 tokens

openai  gpt-5
   price of the model
      input 1, output 2
      above 1000 tokens: input 4, output 2
      flex: input 0.5, output 2
`,
    )
  })

  test('shows each target', (t) => {
    const { stdout } = show(t, 'two')
    assert.match(
      stdout,
      /openai {2}two\n {3}price of the target\n {6}free\n\nopenai {2}other\n {3}price of the provider\n {6}input 3, output 3\n$/,
    )
  })

  test('shows what counts where the provider reports nothing', (t) => {
    const { stdout } = show(t, 'sonnet')
    assert.match(
      stdout,
      /price of the provider\n {6}as the provider reports it\n {3}otherwise list of 20\d\d-\d\d-\d\d, from genai-prices.*\n {6}input 3, /,
    )
  })

  test('reports that a price is unknown', (t) => {
    assert.match(show(t, 'odd').stdout, /unknown {2}odd\n {3}unknown: set the price/)
    assert.match(show(t, 'local').stdout, /box {2}local\n {3}price of the provider\n {6}free/)
  })

  test('uses the list beside the configuration', (t) => {
    const { stdout } = show(t, 'llama', groq({ 'llama-3.3-70b-versatile': { input: '0.61' } }))
    assert.match(stdout, /list of 2026-11-20, from a test\n {6}input 0\.61, output 0\.61\n/)
  })

  test('finds a model that only the list has', (t) => {
    const { code, stdout } = show(t, 'claude-sonnet-4-5')
    assert.equal(code, 0)
    assert.match(stdout, /is not in the configuration[^]*anthropic\n {6}input 3,/)
    const none = show(t, 'no-such-model')
    assert.equal(none.code, 1)
    assert.match(none.stderr, /Neither the configuration nor the list/)
  })

  test('prints JSON', (t) => {
    const shown = JSON.parse(show(t, 'own', undefined, true).stdout)
    assert.deepEqual(shown.targets[0].prices[0], {
      place: 'model',
      price: {
        input: '1',
        cached_input: '1',
        cache_write: '1',
        cache_write_1h: '1',
        output: '2',
        reasoning: '2',
        request: '0',
        above: [
          {
            input_tokens: 1000,
            input: '4',
            cached_input: '4',
            cache_write: '4',
            cache_write_1h: '4',
            output: '2',
            reasoning: '2',
            request: '0',
          },
        ],
        service_tiers: {
          flex: {
            input: '0.5',
            cached_input: '0.5',
            cache_write: '0.5',
            cache_write_1h: '0.5',
            output: '2',
            reasoning: '2',
            request: '0',
          },
        },
      },
    })
  })
})

test('explain shows the price and its place', async (t) => {
  for (const [model, line] of [
    ['own', 'input 1, output 2 USD per 1,000,000 tokens; see llm-gateway prices show (price of the model)'],
    ['odd', 'unknown; to count its cost, set price:, or price: free'],
    ['local', 'free (price of the provider)'],
    ['sonnet', 'as the provider reports it (price of the provider)'],
  ] as const) {
    const io = recordedIo()
    await explainCommand(io, model, { config: writeScratch(t, config), json: false })
    assert.ok(io.written.stdout.includes(`   price         ${line}\n`), io.written.stdout)
  }
})

interface Updated {
  readonly list: unknown
  readonly answer?: string
  readonly yes?: boolean
  readonly force?: boolean
  readonly before?: RawPriceList | string
}

async function update(t: TestContext, { list, answer, yes = false, force = false, before }: Updated) {
  const file = writeScratch(t, config)
  const own = join(dirname(file), 'prices.json')
  if (before !== undefined)
    writeFileSync(own, typeof before === 'string' ? before : writePriceList(before), { mode: 0o644 })
  const from = join(scratchDirectory(t), 'api.json')
  writeFileSync(from, typeof list === 'string' ? list : JSON.stringify(list))
  const stdin = Object.assign(new PassThrough(), { isTTY: answer !== undefined })
  stdin.end(answer)
  const io = { ...recordedIo(), stdin }
  const code = await pricesUpdateCommand(io, { from, config: file, yes, force }, ownAccounts)
  const written = existsSync(own) ? readFileSync(own, 'utf8') : undefined
  return { code, file, own, written, ...io.written }
}

describe('prices update', () => {
  const llama = (price: number) => ({ 'llama-3.3-70b-versatile': { input: price }, other: { input: 1 } })
  const before = groq(llama(0.5))

  test('shows what changes and asks', async (t) => {
    const list = groq({ ...llama(0.6), third: { input: 1 } }, { date: '2026-11-27' })
    for (const [answer, code] of [
      ['y\n', 0],
      ['n\n', 1],
      ['\n', 1],
      ['', 1],
    ] as const) {
      const { code: status, stdout, written } = await update(t, { list, before, answer })
      assert.equal(status, code)
      assert.match(
        stdout,
        /from a test, 2026-11-20\nto {3}a test, 2026-11-27\n2 models so far: 1 new, 0 without a price, 1 with another price\n {2}llama at groq: input 0\.5, output 0\.5 → input 0\.6, output 0\.6\n/,
      )
      assert.match(stdout, /Write .*prices\.json\? \[y\/N\] /)
      assert.equal(written, writePriceList(code === 0 ? list : before))
    }
  })

  test('without a terminal writes only with --yes', async (t) => {
    const list = groq(llama(0.6))
    assert.equal((await update(t, { list, before })).written, writePriceList(before))
    const { code, own, file, written } = await update(t, { list, before, yes: true })
    assert.deepEqual([code, written], [0, writePriceList(list)])
    assert.equal(statSync(own).mode & 0o777, 0o644)
    const loaded = loadConfig(file, { env: {}, accounts: ownAccounts })
    assert.ok(loaded.ok)
    assert.equal(loaded.config.prices.own?.file, own)
  })

  test('refuses a list that looks broken, unless it is forced', async (t) => {
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`m${at}`, { input: 1 }]))
    const whole = groq({ ...llama(0.5), ...many })
    for (const [list, reason] of [
      [groq(llama(0.5)), /30 of 32 models \(93 %\) would lose their prices/],
      [groq({ ...llama(50), ...many }), /The price of llama at groq would change more than 4 times/],
      [groq({ other: { input: 1 }, ...many }), /llama at groq would have no price/],
    ] as const) {
      const refused = await update(t, { list, before: whole, yes: true })
      assert.equal(refused.code, 1)
      assert.match(refused.stderr, reason)
      assert.equal(refused.written, writePriceList(whole))
      const forced = await update(t, { list, before: whole, yes: true, force: true })
      assert.deepEqual([forced.code, forced.written], [0, writePriceList(list)])
    }
  })

  test('reads the file of models.dev', async (t) => {
    const list = {
      groq: {
        models: {
          'llama-3.3-70b-versatile': { cost: { input: 0.59, output: 0.79 } },
          other: { cost: { input: 1, output: 1 } },
        },
      },
    }
    const { code, written } = await update(t, { list, before, yes: true })
    assert.equal(code, 0)
    const { source, date, providers } = JSON.parse(written!)
    assert.match(source, /models\.dev/)
    assert.match(date, /^\d{4}-\d\d-\d\d$/)
    assert.deepEqual(providers.groq.models['llama-3.3-70b-versatile'], { input: 0.59, output: 0.79 })
  })

  test('refuses what is no list, and leaves the old one', async (t) => {
    for (const [list, reason] of [
      ['{', /is not JSON/],
      [{}, /is not a price list/],
      [groq({}), /has no models/],
      [{ groq: { models: {} } }, /has no models/],
    ] as const) {
      const { code, stderr, written } = await update(t, { list, before, yes: true, force: true })
      assert.equal(code, 1)
      assert.match(stderr, reason)
      assert.equal(written, writePriceList(before))
    }
  })

  test('reads no more of a pipe without an end than a list may have', async (t) => {
    const io = { ...recordedIo(), stdin: Object.assign(new PassThrough(), { isTTY: false }) }
    const options = { from: '/dev/zero', config: writeScratch(t, config), yes: true, force: true }
    assert.equal(await pricesUpdateCommand(io, options, ownAccounts), 1)
    assert.match(io.written.stderr, /\/dev\/zero is too large: at most \d+ bytes are allowed/)
  })

  test('mends a list that keeps the configuration from being loaded', async (t) => {
    const { code, stderr, file } = await update(t, {
      list: groq(llama(0.59)),
      before: '{}',
      yes: true,
      force: true,
    })
    assert.equal(code, 0)
    assert.match(stderr, /warning: .*prices\.json is not a price list/)
    assert.ok(loadConfig(file, { env: {}, accounts: ownAccounts }).ok)
  })

  test('is a command', async () => {
    const io = {
      ...recordedIo(),
      stdin: Object.assign(new PassThrough(), { setRawMode: () => undefined, isTTY: false }),
    }
    const status = await createProgram(io as unknown as Parameters<typeof createProgram>[0]).run([
      'prices',
      'update',
    ])
    assert.equal(status, 2)
    assert.match(io.written.stderr, /--from <file>/)
  })
})
