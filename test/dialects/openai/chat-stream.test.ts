import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { encodeEvent } from '../../../src/bytes/sse.ts'
import { chatStream } from '../../../src/dialects/openai/chat-stream.ts'

const event = (data: string) => encodeEvent({ data })
const chunk = (reason: string | null) =>
  event(JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: reason }] }))
const usage = event(JSON.stringify({ choices: [], usage: { total_tokens: 3 } }))
const done = event('[DONE]')

suite('the ending of a stream of chunks', () => {
  const cases: [string, Buffer[], string][] = [
    ['a reason, usage and the mark', [chunk('stop'), usage, done], 'over'],
    ['the mark alone', [done], 'over'],
    ['the mark, and a comment after it', [chunk('stop'), done, Buffer.from(': ping\n\n')], 'over'],
    ['a reason without the mark', [chunk('stop'), usage], 'complete'],
    ['neither', [chunk(null)], 'cut'],
    ['nothing', [], 'cut'],
    ['an error before the mark', [event('{"error":{"message":"no"}}'), done], 'error'],
    ['an error in letters that are escaped', [event(String.raw`{"\u0065\u0072ror":{}}`), done], 'error'],
    ['an error in escapes alone', [event(String.raw`{"\u0065\u0072\u0072\u006f\u0072":{}}`), done], 'error'],
    [
      'an error of an older vLLM before the mark',
      [event('{"object":"error","message":"no"}'), done],
      'error',
    ],
    [
      'no error, although the word stands there',
      [event('{"choices":[],"a":"error","error":null}'), done],
      'over',
    ],
  ]
  for (const [title, tail, expected] of cases) {
    test(`${title}: ${expected}`, () => {
      assert.equal(chatStream.ending(tail), expected)
    })
  }
})
