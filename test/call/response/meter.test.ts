// What is counted of an answer: the provider's numbers where it gives them, else what was seen.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fc } from '../../support/properties.ts'

import { Meter, type MeterOptions } from '../../../src/call/response/meter.ts'
import { dialects } from '../../../src/dialects/table.ts'
import { encodeEvent, EventSplitter } from '../../../src/bytes/sse.ts'
import type { WireFixture } from '../../fixtures/wire/fixture.ts'
import { wireFixture, wireFixtures } from '../../fixtures/wire/wire-fixtures.ts'

const estimatedPrompt = 40
const readerOf = (dialect: string) => [...dialects.keys()].find(({ name }) => name === dialect)!.native.usage
const reader = readerOf('chat')

function meterWith(options: Partial<MeterOptions> = {}): Meter {
  return new Meter({
    reader,
    estimatedPrompt,
    hasOutputTokens: true,
    stripsUsage: true,
    now: () => 0,
    ...options,
  })
}

function event(payload: unknown): Buffer {
  return encodeEvent({ data: typeof payload === 'string' ? payload : JSON.stringify(payload) })
}

function chunk(content: string, more: object = {}): Buffer {
  const choices = [{ index: 0, delta: { content }, finish_reason: null }]
  return event({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices,
    ...more,
  })
}

const done = event('[DONE]')

/** Passes a stream through the meter, cut as given, and returns what reaches the client. */
function pass(meter: Meter, bytes: Buffer): Buffer {
  const passed: Buffer[] = []
  const splitter = new EventSplitter()
  // What is taken out is overwritten, and fixtures are shared.
  splitter.push(Buffer.from(bytes), {
    event: (each) => void passed.push(meter.observe(each) ?? Buffer.alloc(0)),
    overflow: () => assert.fail('no event of these is so large'),
  })
  return Buffer.concat(passed)
}

const isStream = ({ contentType }: WireFixture) => contentType.startsWith('text/event-stream')
const hasOutput = ({ dialect }: WireFixture) => !['embeddings', 'images', 'speech'].includes(dialect)

describe('what each provider sends', () => {
  for (const fixture of wireFixtures.filter((each) => each.usage !== undefined)) {
    test(`${fixture.name}: counted as the provider counted it`, () => {
      const meter = meterWith({ hasOutputTokens: hasOutput(fixture) })
      if (isStream(fixture)) pass(meter, fixture.bytes)
      else meter.readWhole(fixture.bytes)

      assert.deepEqual(meter.result('complete'), { ...fixture.usage, ...fixture.parts, isEstimated: false })
    })
  }

  for (const fixture of wireFixtures.filter((each) => each.withoutUsageEvent !== undefined)) {
    test(`${fixture.name}: the event that was asked for is taken out, and nothing else`, () => {
      assert.equal(String(pass(meterWith(), fixture.bytes)), String(fixture.withoutUsageEvent))
      assert.equal(String(pass(meterWith({ stripsUsage: false }), fixture.bytes)), String(fixture.bytes))
    })
  }
})

test("llama.cpp's timings stand in for usage that nobody asked for", () => {
  const meter = meterWith()
  pass(meter, wireFixture('llama.cpp chat: timings only').bytes)

  assert.deepEqual(meter.result('complete'), {
    promptTokens: 20,
    completionTokens: 3,
    totalTokens: 23,
    cachedTokens: 12,
    promptMs: 41.2,
    outputMs: 88.7,
    isEstimated: false,
  })
})

describe('a stream without usage', () => {
  test('is charged the estimated prompt and about a token for each piece', () => {
    const meter = meterWith()
    for (let count = 0; count < 100; count++) meter.observe(chunk('abcd'))
    meter.observe(chunk(''))
    meter.observe(done)

    const { promptTokens, completionTokens, isEstimated } = meter.result('complete')

    assert.equal(promptTokens, estimatedPrompt)
    assert.ok(completionTokens >= 95 && completionTokens <= 115, `${completionTokens} for 100`)
    assert.equal(isEstimated, true)
  })

  test('with several tokens in a piece is charged by its text', () => {
    const meter = meterWith()
    meter.observe(chunk(''))
    for (let count = 0; count < 10; count++) meter.observe(chunk('word '.repeat(20)))
    meter.observe(done)

    const { completionTokens } = meter.result('complete')

    assert.ok(completionTokens >= 200 && completionTokens <= 320, `${completionTokens} for 200 words`)
  })

  test('is not charged for events that hold no piece of the answer', () => {
    const meter = meterWith({ reader: readerOf('response') })
    const response = { id: 'resp_1', instructions: 'x'.repeat(4000) }
    meter.observe(event({ type: 'response.created', response }))
    meter.observe(event({ type: 'response.in_progress', response }))
    for (let count = 0; count < 20; count++) {
      meter.observe(event({ type: 'response.output_text.delta', delta: 'abcd' }))
    }

    const { completionTokens } = meter.result('cut')

    assert.ok(completionTokens >= 18 && completionTokens <= 25, `${completionTokens} for 20`)
  })

  test('is never charged less than its prompt, and grows with what was seen', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 30 }), (contents) => {
        const meter = meterWith()
        let last = meter.result('cut').totalTokens
        assert.ok(last >= estimatedPrompt)
        for (const content of contents) {
          meter.observe(chunk(content))
          const { totalTokens } = meter.result('cut')
          assert.ok(totalTokens >= estimatedPrompt)
          last = totalTokens
        }
        assert.ok(last >= estimatedPrompt + contents.filter(Boolean).length)
      }),
    )
  })
})

test('an answer that is cut is charged for what was seen beyond the last count', () => {
  const meter = meterWith()
  meter.observe(chunk('a', { usage: { prompt_tokens: 31, completion_tokens: 1, total_tokens: 32 } }))
  for (let count = 0; count < 50; count++) meter.observe(chunk('b'))

  const { promptTokens, completionTokens, isEstimated } = meter.result('cut')

  assert.equal(promptTokens, 31)
  assert.ok(completionTokens >= 49)
  assert.equal(isEstimated, true)
})

test('what is seen of a stream under way is what it would be charged if it was cut now', () => {
  const meter = meterWith()
  assert.equal(meter.seenTokens(), estimatedPrompt + meter.result('cut').completionTokens)
  for (let count = 0; count < 50; count++) {
    const usage = { prompt_tokens: 31, completion_tokens: 3 * count, total_tokens: 31 + 3 * count }
    meter.observe(chunk('a word or two', count % 10 === 9 ? { usage } : {}))
    assert.equal(meter.seenTokens(), meter.result('cut').totalTokens)
  }
})

test('cumulative usage is taken as it stands last, never summed', () => {
  const meter = meterWith()
  for (let count = 1; count <= 5; count++) {
    meter.observe(
      chunk('a', { usage: { prompt_tokens: 9, completion_tokens: count, total_tokens: 9 + count } }),
    )
  }

  assert.equal(meter.result('complete').totalTokens, 14)
})

test("usage is found behind a null one, as in Groq's last chunk", () => {
  const meter = meterWith()
  const usage = { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 }
  meter.observe(chunk('', { usage: null, x_groq: { id: 'req_1', usage } }))

  assert.deepEqual(meter.result('complete'), {
    promptTokens: 9,
    completionTokens: 4,
    totalTokens: 13,
    isEstimated: false,
  })
})

test('a prompt that the provider did not count is estimated, and said to be', () => {
  const meter = meterWith()
  meter.observe(chunk('', { usage: { prompt_tokens: 0, completion_tokens: 5, total_tokens: 5 } }))

  assert.deepEqual(meter.result('complete'), {
    promptTokens: estimatedPrompt,
    completionTokens: 5,
    totalTokens: estimatedPrompt + 5,
    isEstimated: true,
  })
})

test('numbers that cannot be true are estimated instead', () => {
  for (const wrong of [1e12, -5, '7', null, Number.NaN, {}, [9]]) {
    const meter = meterWith()
    meter.readWhole(
      Buffer.from(
        JSON.stringify({ usage: { prompt_tokens: wrong, completion_tokens: wrong, total_tokens: wrong } }),
      ),
    )
    const { promptTokens, completionTokens, totalTokens, isEstimated } = meter.result('complete')
    assert.equal(promptTokens, estimatedPrompt, JSON.stringify(wrong))
    assert.ok(completionTokens < 100)
    assert.equal(totalTokens, promptTokens + completionTokens)
    assert.equal(isEstimated, true)
  }
})

test('comments, [DONE] and broken events pass, and count nothing', () => {
  const meter = meterWith()
  const events = [Buffer.from(': ping\n\n'), event('{"usage":'), event('{"usage":7}'), event('7'), done]

  for (const each of events) assert.equal(meter.observe(each), each)

  assert.equal(meter.result('complete').totalTokens, estimatedPrompt)
})

for (const [what, payload] of [
  ['an error', { choices: [], usage: { total_tokens: 3 }, error: { message: 'no' } }],
  ['a choice', { choices: [{ delta: { content: '' } }], usage: { total_tokens: 3 } }],
  ['a finish reason', { choices: [{ delta: {}, finish_reason: 'stop' }], usage: { total_tokens: 3 } }],
  ['no choices at all', { usage: { total_tokens: 3 } }],
  ['no usage', { choices: [], prompt_filter_results: [] }],
] as const) {
  test(`an event with ${what} is not the one that was asked for`, () => {
    assert.deepEqual(meterWith().observe(event(payload)), event(payload))
  })
}

describe('an answer that is not held', () => {
  test('tells its usage at its end', () => {
    const meter = meterWith({ hasOutputTokens: false })
    meter.countBytes(1_000_000)
    meter.readPart(Buffer.from('0.25,0.5]}],"model":"m","usage":{"prompt_tokens":8,"total_tokens":8}}'))

    assert.deepEqual(meter.result('complete'), {
      promptTokens: 8,
      completionTokens: 0,
      totalTokens: 8,
      isEstimated: false,
    })
  })

  test('and where that is torn, is estimated', () => {
    const meter = meterWith({ hasOutputTokens: false })
    meter.readPart(Buffer.from('],"usage":{"prompt_tokens":8,"total_tok'))

    assert.deepEqual(meter.result('complete'), {
      promptTokens: estimatedPrompt,
      completionTokens: 0,
      totalTokens: estimatedPrompt,
      isEstimated: true,
    })
  })
})

test('a sound is charged for its prompt, whatever its size', () => {
  const meter = meterWith({ hasOutputTokens: false })
  meter.countBytes(5_000_000)

  assert.equal(meter.result('complete').totalTokens, estimatedPrompt)
})
