import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import type { Target } from '../../src/domain.ts'
import { compareLists, doubtsAbout } from '../../src/prices/compare-lists.ts'
import { readForeignList } from '../../src/prices/foreign-lists.ts'
import { PriceBook } from '../../src/prices/price-book.ts'
import { PriceList, type RawPriceList, readPriceList, writePriceList } from '../../src/prices/price-list.ts'
import { readShippedList } from '../../src/prices/shipped-list.ts'

const raw: RawPriceList = {
  version: 1,
  source: 'a test',
  licence: 'MIT',
  date: '2026-11-01',
  providers: {
    openai: {
      hosts: ['api.openai.com'],
      models: {
        'gpt-5': { input: 1.25, output: 10, names: ['gpt-5-2025-08-07', 'gpt-5-####-##-##'] },
        'gpt-5-mini*': { input: 0.25, output: 2 },
        o1: { input: 15, output: 60 },
      },
    },
    azure: { hosts: ['*.openai.azure.com'], like: ['openai'], models: { own: { input: 1 } } },
    router: {
      hosts: ['router.example.com/a'],
      models: { m: { input: 3 }, '*llama*': { input: 4 }, '*-free': { input: 5 } },
    },
  },
}

const list = new PriceList(raw)

function input(address: string, model: string): number | undefined {
  const provider = list.providerAt(address)
  return provider === undefined ? undefined : list.find(provider, model)?.rates.input
}

suite('a list of prices', () => {
  test('differs from itself in nothing, where two providers share an address, too', () => {
    const shipped = readShippedList()
    const { added, moved, vanished } = compareLists(shipped, shipped, [])
    assert.deepEqual([added, moved, vanished], [0, [], []])
  })

  test('knows servers by their addresses', () => {
    for (const [address, name] of [
      ['api.openai.com/v1', 'openai'],
      ['api.openai.com', 'openai'],
      ['api.openai.com:443/v1', 'openai'],
      ['api.openai.com.evil.example/v1', undefined],
      ['eu.api.openai.com/v1', undefined],
      ['us.openai.azure.com/openai/v1', 'azure'],
      ['a.b.openai.azure.com/openai/v1', undefined],
      ['openai.azure.com/v1', undefined],
      ['router.example.com/a/v1', 'router'],
      ['router.example.com/ab/v1', undefined],
      ['127.0.0.1:11434/v1', undefined],
    ] as const) {
      assert.equal(list.providerAt(address), name, address)
    }
  })

  test('knows models by their names, and guesses nothing', () => {
    for (const [address, model, rate] of [
      ['api.openai.com', 'gpt-5', 1_250_000],
      ['api.openai.com', 'GPT-5', 1_250_000],
      ['api.openai.com', 'gpt-5-2026-01-31', 1_250_000],
      ['api.openai.com', 'gpt-5-20260131', undefined],
      ['api.openai.com', 'gpt-5-pro', undefined],
      ['api.openai.com', 'gpt-5-mini-2026-01-31', 250_000],
      ['api.openai.com', 'models/o1', 15_000_000],
      ['api.openai.com', 'ft:gpt-5:org', undefined],
      ['api.openai.com', '', undefined],
      ['us.openai.azure.com', 'own', 1_000_000],
      ['us.openai.azure.com', 'o1', 15_000_000],
      ['router.example.com/a', 'vendor/llama-9', 4_000_000],
      ['router.example.com/a', 'x-free', 5_000_000],
      ['router.example.com/a', 'constructor', undefined],
      ['router.example.com/a', '__proto__', undefined],
    ] as const) {
      assert.equal(input(address, model), rate, `${address} ${model}`)
    }
  })

  test('is read as it was written', () => {
    const read = readPriceList(JSON.parse(writePriceList(raw)))
    assert.ok(read.ok)
    assert.deepEqual(read.list.raw, raw)
  })

  test('is refused with the place of its fault', () => {
    const withModel = (model: unknown) => ({
      ...raw,
      providers: { p: { hosts: ['h'], models: { m: model } } },
    })
    for (const [value, message] of [
      [undefined, /is not a price list/],
      [[], /is not a price list/],
      [{}, /is not a price list/],
      [{ ...raw, version: 2 }, /is not a price list/],
      [{ ...raw, date: undefined }, /has no date/],
      [{ ...raw, providers: {} }, /has no models/],
      [{ ...raw, providers: { p: { hosts: ['h'], models: {} } } }, /has no models/],
      [{ ...raw, providers: { p: { hosts: 'h', models: {} } } }, /providers\.p: hosts/],
      [withModel(null), /providers\.p\.models\.m: it is not a mapping/],
      [withModel({}), /it has no input/],
      [withModel({ input: -1 }), /\.input: it must be a number from 0/],
      [withModel({ input: 1e308 }), /\.input: it must be/],
      [withModel({ input: 'NaN' }), /\.input: it must be/],
      [withModel({ input: null }), /not a price/],
      [withModel({ input: 1, outptu: 1 }), /unknown key/],
      [withModel({ input: 1, above: [{ input: 1 }] }), /not a price/],
      [withModel({ input: 1, above: [{ input_tokens: 2 }, { input_tokens: 1 }] }), /above\.1\.input_tokens/],
      [withModel({ input: 1, service_tiers: { flex: { output: -1 } } }), /service_tiers\.flex\.output/],
    ] as const) {
      const read = readPriceList(value)
      assert.ok(!read.ok, String(message))
      assert.match(read.message, message)
    }
  })
})

suite('the list of the package', () => {
  const shipped = readShippedList()

  test('has no faults, a date, a source and its licence', () => {
    const read = readPriceList(shipped.raw)
    assert.ok(read.ok, read.ok ? '' : read.message)
    assert.match(shipped.raw.date, /^20\d\d-\d\d-\d\d$/)
    assert.match(shipped.raw.licence, /MIT License.*Copyright.*Permission is hereby granted/)
    assert.equal([...shipped.entries()].length > 1_500, true)
  })

  test('has the models of well-known servers', () => {
    for (const [address, model] of [
      ['api.openai.com/v1', 'gpt-5'],
      ['api.anthropic.com/v1', 'claude-sonnet-4-5-20250929'],
      ['generativelanguage.googleapis.com/v1beta/openai', 'gemini-2.5-pro'],
      ['api.deepseek.com/v1', 'deepseek-chat'],
      ['api.groq.com/openai/v1', 'llama-3.3-70b-versatile'],
      ['api.mistral.ai/v1', 'mistral-large-latest'],
      ['openrouter.ai/api/v1', 'anthropic/claude-sonnet-4.5'],
      ['bedrock-runtime.eu-central-1.amazonaws.com/v1', 'amazon.nova-pro-v1:0'],
    ] as const) {
      const provider = shipped.providerAt(address)
      assert.ok(provider !== undefined && shipped.find(provider, model) !== undefined, `${address} ${model}`)
    }
  })
})

suite('lists of others', () => {
  test('models.dev: tiers, the older form of them, service tiers, and no price for what has no price per token', () => {
    const read = readForeignList(
      {
        openai: {
          models: {
            a: {
              cost: {
                input: 5,
                output: 30,
                cache_read: 0.5,
                tiers: [{ input: 10, output: 45, cache_read: 1, tier: { type: 'context', size: 272_000 } }],
                context_over_200k: { input: 10, output: 45 },
              },
              experimental: {
                modes: {
                  fast: {
                    cost: { input: 12.5, output: 75 },
                    provider: { body: { service_tier: 'priority' } },
                  },
                },
              },
            },
            b: { cost: { input: 1, output: 2, context_over_200k: { input: 2, output: 3 } } },
            c: {},
            d: { cost: { output: 1 } },
            e: { cost: { input: -1, output: 1 } },
            f: { cost: { input: 0.00000021, output: 1e9 } },
            g: { cost: { input: 0.0000002, output: 0.1234567, cache_read: 0 } },
            h: { cost: { input: 0, output: 0 } },
          },
        },
        box: { api: 'http://127.0.0.1:1234/v1', models: { a: { cost: { input: 1, output: 1 } } } },
        other: { api: 'https://api.other.example/v1', models: { a: { cost: { input: 1, output: 1 } } } },
        account: { api: 'https://h.example/${ACCOUNT}/v1', models: { a: { cost: { input: 1, output: 1 } } } },
      },
      '2026-11-01',
    )
    assert.deepEqual(read?.providers, {
      openai: {
        hosts: ['api.openai.com'],
        models: {
          a: {
            input: 5,
            cached_input: 0.5,
            output: 30,
            above: [{ input_tokens: 272_000, input: 10, cached_input: 1, output: 45 }],
            service_tiers: { priority: { input: 12.5, output: 75 } },
          },
          b: { input: 1, output: 2, above: [{ input_tokens: 200_000, input: 2, output: 3 }] },
          g: { input: 0.000001, output: 0.123457 },
        },
      },
      other: { hosts: ['api.other.example'], models: { a: { input: 1, output: 1 } } },
      account: { hosts: ['h.example/*'], models: { a: { input: 1, output: 1 } } },
    })
    assert.ok(readPriceList(read).ok)
  })

  test('genai-prices: names, tiers, prices from a date on and by the hour', () => {
    const model = (id: string, prices: unknown, match: unknown = { equals: id }, more = {}) => ({
      id,
      match,
      prices,
      ...more,
    })
    const either = {
      or: [{ equals: 'a' }, { starts_with: 'a-x' }, { regex: '^a-\\d{8}$' }, { regex: '^(?!b)' }],
    }
    const read = readForeignList(
      [
        {
          id: 'openai',
          api_pattern: 'https://api\\.openai\\.com',
          models: [
            model(
              'a',
              {
                input_mtok: { base: 1, tiers: [{ start: 10, price: 2 }] },
                output_mtok: 3,
                requests_kcount: 5,
              },
              either,
              {
                price_variants: [
                  { when: { service_tier: 'flex' }, prices: { input_mtok: 0.5 } },
                  {
                    when: { service_tier: 'late' },
                    prices: { input_mtok: 9 },
                    constraint: { start_date: '2026-12-01' },
                  },
                  { when: { processing: 'batch' }, prices: { input_mtok: 0.1 } },
                ],
              },
            ),
            model('b', [
              { prices: { input_mtok: 1 } },
              { constraint: { start_date: '2026-10-01' }, prices: { input_mtok: 2 } },
              { constraint: { start_date: '2027-01-01' }, prices: { input_mtok: 3 } },
            ]),
            model('c', [
              { prices: { input_mtok: 2, output_mtok: 4 } },
              {
                constraint: { start_time: '00:30:00Z', end_time: '16:30:00Z' },
                prices: { input_mtok: 1, output_mtok: 2 },
              },
            ]),
            model('sound', { input_mchars: 15 }),
          ],
        },
        { id: 'odd', api_pattern: 'https://(a|b)+\\.example', models: [model('a', { input_mtok: 1 })] },
      ],
      '2026-11-01',
    )
    assert.deepEqual(read?.providers, {
      openai: {
        hosts: ['api.openai.com'],
        models: {
          a: {
            input: 1,
            output: 3,
            request: 0.005,
            above: [{ input_tokens: 10, input: 2 }],
            service_tiers: { flex: { input: 0.5 } },
            names: ['a-x*', 'a-########'],
          },
          b: { input: 2 },
          c: { input: 2, output: 4 },
        },
      },
    })
  })

  test('genai-prices: the form in which the providers are a member', () => {
    const models = [{ id: 'a', match: { equals: 'a' }, prices: { input_mtok: 1 } }]
    const providers = [{ id: 'openai', api_pattern: 'https://api\\.openai\\.com', models }]
    const read = readForeignList({ units: {}, providers }, '2026-11-01')
    assert.deepEqual(read?.providers, { openai: { hosts: ['api.openai.com'], models: { a: { input: 1 } } } })
  })

  test('nothing else is one', () => {
    for (const value of [undefined, null, [], {}, 'x', { a: 1 }, [{}], { data: [] }, raw]) {
      assert.equal(readForeignList(value, '2026-11-01'), undefined)
    }
  })
})

suite('a new list', () => {
  const used = [{ name: 'gpt at openai', address: 'api.openai.com/v1', model: 'gpt-5' }]
  const many = (count: number, price = 1): RawPriceList => ({
    ...raw,
    providers: {
      openai: {
        hosts: ['api.openai.com'],
        models: Object.fromEntries(
          Array.from({ length: count }, (_, at) => [at === 0 ? 'gpt-5' : `m${at}`, { input: price }]),
        ),
      },
    },
  })
  const doubts = (next: RawPriceList) =>
    doubtsAbout(compareLists(new PriceList(many(100)), new PriceList(next), used))

  test('that lacks more than a tenth of the old one is doubted', () => {
    assert.deepEqual(doubts(many(90)), [])
    assert.deepEqual(doubts(many(50)), ['50 of 100 models (50 %) would lose their prices.'])
  })

  test('that moves a price in use more than four times is doubted', () => {
    assert.deepEqual(doubts(many(100, 4)), [])
    assert.deepEqual(doubts(many(100, 0.25)), [])
    for (const price of [100, 4.1, 0.2, 0]) {
      assert.deepEqual(doubts(many(100, price)), [
        'The price of gpt at openai would change more than 4 times.',
      ])
    }
  })

  test('that lacks a price in use is doubted', () => {
    const { 'gpt-5': _, ...others } = many(100).providers['openai']!.models
    const next = { ...raw, providers: { openai: { hosts: ['api.openai.com'], models: others } } }
    assert.deepEqual(doubts(next), ['gpt at openai would have no price.'])
  })

  test('may call the providers by other names', () => {
    const { openai } = many(100).providers
    assert.deepEqual(doubts({ ...raw, providers: { 'open-ai': openai! } }), [])
  })
})

suite('the price of a target', () => {
  const target: Target = { provider: 'p', model: 'gpt-5', tier: 1, weight: 1 }
  const usage = { promptTokens: 1000, completionTokens: 0, totalTokens: 1000, isEstimated: false }
  const pricing = { ofModel: undefined, requestedTier: undefined, hasOutputTokens: true }

  test('is that of the list, by the address of its provider', () => {
    let reads = 0
    const read = () => {
      reads += 1
      return list
    }
    const book = new PriceBook(new Map([['p', { address: 'api.openai.com/v1' }]]), read)
    assert.equal(reads, 0)
    for (const _ of [1, 2]) {
      const charge = book.charge(usage, target, pricing)
      assert.deepEqual([charge?.nano, charge?.source, charge?.isEstimated], [1_250_000, 'list', false])
      assert.equal(charge?.tariff?.rates.input, 1_250_000)
    }
    assert.equal(book.charge(usage, { ...target, model: 'x' }, pricing), undefined)
    assert.equal(book.charge({ ...usage, totalTokens: 0, promptTokens: 0 }, target, pricing), undefined)
    assert.equal(reads, 2)
  })

  test('stays bounded in memory, whatever names clients choose', () => {
    const book = new PriceBook(new Map([['p', { address: 'api.openai.com/v1' }]]), () => list)
    for (let at = 0; at < 5_000; at += 1)
      book.charge(usage, { ...target, model: `gpt-5-mini-${at}` }, pricing)
    assert.equal(book.charge(usage, { ...target, model: 'gpt-5-mini-7' }, pricing)?.nano, 250_000)
  })
})
