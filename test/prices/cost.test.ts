import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fc } from '../support/properties.ts'

import type { Usage } from '../../src/domain.ts'
import { costAt, costOf } from '../../src/prices/cost.ts'
import { type RawPrice, readPrice } from '../../src/prices/read-price.ts'

const gpt: RawPrice = {
  input: 1.25,
  cached_input: 0.125,
  output: 10,
  above: [{ input_tokens: 200_000, input: 2.5, cached_input: 0.25, output: 15 }],
  service_tiers: {
    flex: { input: 0.625, cached_input: 0.0625, output: 5 },
    priority: { input: 2.5, output: 20 },
  },
}

function usage(promptTokens: number, completionTokens: number, parts: Partial<Usage> = {}): Usage {
  return { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens, ...parts }
}

function nano(counts: Usage, raw: RawPrice = gpt, tier?: string): number {
  return costOf(counts, readPrice(raw), tier).nano
}

suite('the cost of a call', () => {
  test('is the sum of its parts', () => {
    assert.equal(nano(usage(1000, 500)), 1_250_000 + 5_000_000)
    assert.equal(nano(usage(1000, 500, { cachedTokens: 800 })), 250_000 + 100_000 + 5_000_000)
    const claude = { input: 3, cached_input: 0.3, cache_write: 3.75, output: 15 }
    const counts = usage(3000, 10, { cachedTokens: 1000, cacheWriteTokens: 1500 })
    assert.equal(nano(counts, claude), 500 * 3000 + 1000 * 300 + 1500 * 3750 + 10 * 15_000)
    const hourly = { ...counts, hourCacheWriteTokens: 400 }
    const more = { ...claude, cache_write_1h: 6 }
    assert.equal(nano(hourly, more), 500 * 3000 + 1000 * 300 + 1100 * 3750 + 400 * 6000 + 10 * 15_000)
    assert.equal(nano(hourly, claude), nano(counts, claude))
    assert.equal(nano(usage(10, 0), { input: 1, request: '0.005' }), 10_000 + 5_000_000)
  })

  test('is rounded up once', () => {
    // 3 × 75,000 + 1 × 300,001 pico-USD
    assert.equal(nano(usage(3, 1), { input: 0.075, output: 0.300001 }), 526)
    assert.equal(nano(usage(1, 0), { input: 0.000001 }), 1)
    assert.equal(nano(usage(0, 0)), 0)
  })

  test('of a long prompt follows the tier, for all of its tokens', () => {
    assert.equal(nano(usage(199_999, 10)), 199_999 * 1250 + 10 * 10_000)
    assert.equal(nano(usage(200_000, 10)), 200_000 * 1250 + 10 * 10_000)
    assert.equal(nano(usage(200_001, 10)), 200_001 * 2500 + 10 * 15_000)
    const steps = {
      input: 1,
      above: [
        { input_tokens: 10, input: 2 },
        { input_tokens: 20, output: 5 },
      ],
    }
    assert.equal(nano(usage(20, 1), steps), 20 * 2000 + 2000)
    // What a tier leaves out is as without it.
    assert.equal(nano(usage(21, 1), steps), 21 * 1000 + 5000)
  })

  test('follows the service tier', () => {
    const counts = usage(1000, 100)
    assert.equal(nano(counts, gpt, 'flex'), 625_000 + 500_000)
    for (const tier of ['auto', 'default', 'standard', 'standard_only', 'on_demand', undefined]) {
      const { nano: cost, isEstimated } = costOf(counts, readPrice(gpt), tier)
      assert.deepEqual([cost, isEstimated], [2_250_000, false], String(tier))
    }
    // The dearest where the price does not know the tier.
    for (const [usageOf, tier, expected] of [
      [counts, 'scale', 4_500_000],
      [usage(300_000, 0), 'x', 750_000_000],
    ] as const) {
      const { nano: cost, isEstimated, tariff } = costOf(usageOf, readPrice(gpt), tier)
      assert.deepEqual([cost, isEstimated], [expected, true])
      assert.equal(costAt(tariff, usageOf), cost)
    }
  })

  test('counts reasoning in the output, or beside it', () => {
    const price = { input: 1, output: 10, reasoning: 20 }
    assert.equal(nano(usage(100, 50, { reasoningTokens: 30 }), price), 100_000 + 200_000 + 600_000)
    // xAI: in the total only.
    const beside = { promptTokens: 100, completionTokens: 50, totalTokens: 180, reasoningTokens: 30 }
    assert.equal(nano(beside, price), 100_000 + 500_000 + 600_000)
    const alone = usage(100, 5, { reasoningTokens: 60 })
    assert.equal(nano(alone, price), 100_000 + 50_000 + 1_200_000)
    // Gemini: a total that nothing explains.
    const unexplained = { promptTokens: 100, completionTokens: 50, totalTokens: 180 }
    assert.equal(nano(unexplained, price), 100_000 + 500_000 + 300_000)
  })

  test('pays for no token twice where the parts exceed the whole, and for none of them nothing', () => {
    const price = { input: 1, cached_input: 0.1, cache_write: 2, output: 4 }
    assert.equal(nano(usage(100, 0, { cachedTokens: 500 }), price), 10_000)
    assert.equal(nano(usage(100, 0, { cachedTokens: 60, cacheWriteTokens: 60 }), price), 6_000 + 80_000)
    assert.equal(nano(usage(100, 0, { cachedTokens: 20 }), price), 80_000 + 2_000)
  })

  test('is exact where floating-point numbers are not', () => {
    const price = { input: 10_000, output: 9_999.999999 }
    const counts = usage(99_999_999, 99_999_989)
    const exact = 99_999_999n * 10_000_000_000n + 99_999_989n * 9_999_999_999n
    assert.equal(BigInt(nano(counts, price)), (exact + 999n) / 1000n)
    assert.ok(Number.isSafeInteger(nano(counts, price)))
  })

  test('is never less for more tokens, and never below the exact sum by more than rounding', () => {
    const tokens = fc.integer({ min: 0, max: 100_000_000 })
    const usd = fc.integer({ min: 0, max: 10_000_000_000 }).map((pico) => pico / 1_000_000)
    const written = usd.map((value) => value.toFixed(6))
    fc.assert(
      fc.property(tokens, tokens, tokens, written, written, written, (prompt, output, cached, a, b, c) => {
        const price = readPrice({ input: a, cached_input: b, output: c })
        const counts = usage(prompt, output, { cachedTokens: cached })
        const read = Math.min(cached, prompt)
        const pico = (text: string) => BigInt(text.replace('.', ''))
        const exact = BigInt(prompt - read) * pico(a) + BigInt(read) * pico(b) + BigInt(output) * pico(c)
        const cost = costOf(counts, price, undefined).nano
        assert.equal(BigInt(cost), (exact + 999n) / 1000n)
        assert.ok(costOf(usage(prompt, output + 1, { cachedTokens: cached }), price, undefined).nano >= cost)
      }),
    )
  })
})
