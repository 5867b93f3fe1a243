import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../support/properties.ts'
import { Calibration } from '../../src/admission/estimate.ts'
import type { RequestSize } from '../../src/domain.ts'

function size(of: Partial<RequestSize> = {}): RequestSize {
  const none = { textBytes: 0, mediaCount: 0, messageCount: 1, tokenIdCount: 0, promptCount: 0, choices: 1 }
  return { ...none, maxOutputTokens: undefined, ...of }
}

function estimate(of: Partial<RequestSize>, tpm?: number): ReturnType<Calibration['estimate']> {
  return new Calibration().estimate('m', 'p', size(of), tpm)
}

test('text is guessed at a bit over a quarter of its bytes, with a margin on both sides', () => {
  const { promptTokens, minTokens } = estimate({ textBytes: 10_000 })
  assert.ok(promptTokens > 3000 && promptTokens < 4000)
  assert.ok(minTokens > 1500 && minTokens < 2500)
})

test('tokens that the client sent as numbers are counted exactly', () => {
  const { promptTokens, minTokens } = estimate({ tokenIdCount: 500, messageCount: 0 })
  assert.deepEqual([promptTokens, minTokens], [503, 503])
})

test('a high cap is not reserved whole, and a low one is', () => {
  assert.equal(estimate({ maxOutputTokens: 10_000 }, 40_000).outputTokens, 256)
  assert.equal(estimate({ maxOutputTokens: 1 }, 40_000).outputTokens, 1)
})

test('an agent that asks for 32,000 tokens of output does not lock a model of 40,000 a minute', () => {
  const { tokens } = estimate({ textBytes: 4000, maxOutputTokens: 32_000 }, 40_000)
  assert.ok(tokens < 2000)
})

test('predicted output grows with what was seen, up to a quarter of the limit', () => {
  const calibration = new Calibration()
  const ask = size({ textBytes: 100 })
  const usage = { promptTokens: 30, completionTokens: 20_000 }
  for (let count = 0; count < 5; count++) calibration.learn('m', 'p', ask, usage)
  assert.equal(calibration.estimate('m', 'p', ask, 40_000).outputTokens, 10_000)
  assert.equal(calibration.estimate('m', 'p', size({ maxOutputTokens: 9000 }), 40_000).outputTokens, 9000)
})

test('each answer of each prompt is predicted by itself', () => {
  assert.equal(estimate({ choices: 8, maxOutputTokens: 100 }, 40_000).outputTokens, 800)
  assert.equal(estimate({ choices: 2, promptCount: 3, maxOutputTokens: 100 }, 40_000).outputTokens, 600)
})

test('a dialect without output reserves none', () => {
  assert.equal(estimate({ textBytes: 100, maxOutputTokens: 0 }, 40_000).outputTokens, 0)
})

test('a call without max_tokens fits a tiny limit', () => {
  const { tokens, outputTokens } = estimate({ textBytes: 10 }, 100)
  assert.equal(outputTokens, 25)
  assert.ok(tokens <= 100)
})

test('output never makes a call larger than the limit that its prompt fits into', () => {
  fc.assert(
    fc.property(
      fc.record({
        textBytes: fc.nat(1_000_000),
        mediaCount: fc.nat(5),
        messageCount: fc.nat(50),
        choices: fc.nat(10),
        maxOutputTokens: fc.option(fc.nat(100_000), { nil: undefined }),
      }),
      fc.integer({ min: 1, max: 100_000 }),
      (of, tpm) => {
        const { tokens, promptTokens, outputTokens, minTokens } = estimate(of, tpm)
        assert.ok(tokens <= Math.max(tpm, promptTokens))
        assert.equal(tokens, promptTokens + outputTokens)
        assert.ok(outputTokens >= 0 && minTokens <= promptTokens)
        assert.ok(Number.isSafeInteger(tokens) && Number.isSafeInteger(minTokens))
      },
    ),
  )
})

test('the guess converges to within 5 % of the truth in 50 samples', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.1, max: 0.9, noNaN: true }),
      fc.array(fc.integer({ min: 200, max: 20_000 }), { minLength: 50, maxLength: 50 }),
      (tokensPerByte, samples) => {
        const calibration = new Calibration()
        for (const textBytes of samples) {
          const promptTokens = Math.round(tokensPerByte * textBytes) + 7
          calibration.learn('m', 'p', size({ textBytes }), { promptTokens, completionTokens: 10 })
        }
        const learnt = calibration.describe('m')[0]!.tokensPerByte
        assert.ok(Math.abs(learnt - tokensPerByte) <= 0.05 * tokensPerByte, `${learnt}, not ${tokensPerByte}`)
      },
    ),
  )
})

test('as guesses get better the margin gets smaller', () => {
  const calibration = new Calibration()
  const ask = size({ textBytes: 10_000 })
  for (let count = 0; count < 50; count++) {
    calibration.learn('m', 'p', ask, { promptTokens: 3007, completionTokens: 1 })
  }
  const { promptTokens, minTokens } = calibration.estimate('m', 'p', ask, undefined)
  assert.ok(promptTokens < 3150 && minTokens > 2850)
})

test('usage that cannot be true teaches nothing', () => {
  const calibration = new Calibration()
  for (const absurd of [1e12, -5, '7', null, undefined, NaN, 0, 1.5]) {
    calibration.learn('m', 'p', size({ textBytes: 100 }), { promptTokens: absurd, completionTokens: absurd })
  }
  assert.deepEqual(calibration.describe(), [])
})

test('one outlier does not move the rate out of its bounds', () => {
  const calibration = new Calibration()
  calibration.learn('m', 'p', size({ textBytes: 1000 }), { promptTokens: 9_000_000, completionTokens: 1 })
  const { tokensPerByte, error } = calibration.describe()[0]!
  assert.ok(tokensPerByte <= 1 && error <= 1)
})

test('images are counted apart from text, and their cost is learnt', () => {
  const calibration = new Calibration()
  const ask = size({ textBytes: 100, mediaCount: 2 })
  assert.ok(calibration.estimate('m', 'p', ask, undefined).promptTokens < 2100)
  for (let count = 0; count < 50; count++) {
    calibration.learn('m', 'p', ask, { promptTokens: 34 + 2 * 300, completionTokens: 1 })
  }
  const { promptTokens } = calibration.estimate('m', 'p', ask, undefined)
  assert.ok(promptTokens > 600 && promptTokens < 700)
  assert.equal(calibration.describe()[0]!.tokensPerByte, 0.27)
})

test('models and providers are learnt apart', () => {
  const calibration = new Calibration()
  calibration.learn('m', 'p', size({ textBytes: 1000 }), { promptTokens: 900, completionTokens: 1 })
  assert.deepEqual(
    calibration.estimate('m', 'q', size({ textBytes: 1000 }), undefined),
    new Calibration().estimate('m', 'q', size({ textBytes: 1000 }), undefined),
  )
})

test('what was learnt survives saving, and numbers out of range are brought into it', () => {
  const before = new Calibration()
  before.learn('m', 'p', size({ textBytes: 1000 }), { promptTokens: 400, completionTokens: 900 })
  const after = new Calibration()
  after.restore(before.describe())
  assert.deepEqual(after.describe(), before.describe())
  after.restore([{ ...before.describe()[0]!, tokensPerByte: 1e9, error: 7 }])
  const { tokensPerByte, error } = after.describe()[0]!
  assert.deepEqual([tokensPerByte, error], [1, 1])
})

/** A calibration that has seen answers of these lengths, in this order. */
function taught(...answers: readonly number[]): Calibration {
  const calibration = new Calibration()
  for (const completionTokens of answers) {
    calibration.learn('m', 'p', size({ textBytes: 100 }), { promptTokens: 30, completionTokens })
  }
  return calibration
}

function predicted(calibration: Calibration, of: Partial<RequestSize> = {}, tpm?: number): number {
  return calibration.estimate('m', 'p', size(of), tpm).outputTokens
}

function longest(calibration: Calibration): number {
  return calibration.estimate('m', 'p', size(), undefined).longOutputTokens
}

test('answers of all lengths are predicted a little above their mean, long ones at two mean deviations above it', () => {
  const calibration = taught(...Array.from({ length: 100 }, (_, index) => (index % 2 ? 3000 : 1000)))
  const [usual, long] = [predicted(calibration), longest(calibration)]
  assert.ok(usual > 2000 && usual < 2600, `${usual}`)
  assert.ok(long > 3700 && long < 4500, `${long}`)
})

test('answers of one length are predicted with hardly a margin', () => {
  const output = predicted(taught(...Array.from({ length: 50 }, () => 1000)))
  assert.ok(output >= 1000 && output < 1050, `${output}`)
})

test('three long answers after many short ones are enough to expect the next', () => {
  const short = Array.from({ length: 200 }, () => 30)
  assert.ok(predicted(taught(...short)) <= 40)
  assert.equal(longest(taught(...short)), 256)
  assert.ok(predicted(taught(...short, 1200, 1200, 1200)) >= 600)
  assert.ok(longest(taught(...short, 1200, 1200, 1200)) >= 1200)
})

test('however much answers vary, an agent that asks for 32,000 tokens leaves room for others in 40,000', () => {
  const calibration = taught(200, 9000, 150, 30_000, 80, 30_000)
  assert.equal(predicted(calibration, { maxOutputTokens: 32_000 }, 40_000), 10_000)
})

test('no prediction is above the cap of the client or a quarter of the limit', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 100_000 }), { maxLength: 20 }),
      fc.nat(50_000),
      fc.integer({ min: 1, max: 100_000 }),
      (answers, maxOutputTokens, tpm) => {
        const output = predicted(taught(...answers), { maxOutputTokens }, tpm)
        assert.ok(Number.isSafeInteger(output) && output >= 0)
        assert.ok(output <= Math.min(maxOutputTokens, Math.ceil(tpm / 4)))
      },
    ),
  )
})

test('a long answer that was cut teaches its length so far, a short one nothing', () => {
  const calibration = taught(1000, 1000)
  const before = calibration.describe()
  calibration.learnCut('m', 'p', size(), 700)
  assert.deepEqual(calibration.describe(), before)
  calibration.learnCut('m', 'p', size(), 5000)
  assert.ok(calibration.describe()[0]!.outputTokens > 1000)
})

test('cut answers alone teach nothing: there is no counted one to compare them with', () => {
  const calibration = new Calibration()
  calibration.learnCut('m', 'p', size(), 5000)
  assert.deepEqual(calibration.describe(), [])
})

test('answers that are capped low do not lower what is expected of the others', () => {
  const calibration = new Calibration()
  const [short, long] = [size({ maxOutputTokens: 20 }), size({ maxOutputTokens: 32_000 })]
  for (let count = 0; count < 40; count++) {
    calibration.learn('m', 'p', short, { promptTokens: 30, completionTokens: 10 })
    calibration.learn('m', 'p', long, { promptTokens: 30, completionTokens: 500 })
  }
  assert.ok(predicted(calibration, long) >= 490)
  assert.equal(predicted(calibration, short), 20)
})

test('a saved deviation out of range is brought into it', () => {
  const calibration = taught(1000)
  calibration.restore([{ ...calibration.describe()[0]!, outputDeviation: -7 }])
  assert.equal(calibration.describe()[0]!.outputDeviation, 0)
})
