// Providers that fail after a response has begun: before its first event another target may answer, later none may.
import {
  bytes,
  chunk,
  content,
  end,
  hang,
  head,
  json,
  lastChunk,
  reset,
  sse,
  streamHead,
} from '../support/upstream-script.ts'
import { both, type Fault, inject } from './fault.ts'
import { delta } from '../support/chat-content.ts'

const event = (text: string) => chunk(`data: ${delta(text)}\n\n`)
const halfEvent = chunk('data: {"id":"c","choi')
const jsonHead = head(200, { 'content-type': 'application/json', 'content-length': '99' })
const failure = (error: object) => [JSON.stringify({ error: { message: 'own words', ...error } }), '[DONE]']

const early = {
  forms: ['streamed'],
  status: 502,
  code: 'provider_bad_response',
  tries: 1,
  moves: true,
  charged: [1, 0],
} as const
const earlySilence = { ...early, status: 504, code: 'provider_timeout', hangsAfter: '' }

/** The events that came are passed on once, with an error after them. */
const late = {
  ...early,
  status: 200,
  moves: false,
  charged: [1, 'some'],
  once: ['first', '"error":'],
} as const

/** The provider's own error in place of an event is a response like any other error. */
function first(status: number, error: object): Fault {
  return {
    what: `begins its stream with an error ${JSON.stringify(error)}`,
    script: sse(failure(error)),
    forms: ['streamed'],
    status,
    tries: 1,
    moves: true,
    charged: [1, 0],
    once: ['own words'],
  }
}

/** The same without a stream around it, under a good status. */
function whole(status: number, error: object | string): Fault {
  return {
    ...first(status, {}),
    what: `answers 200 with an error ${JSON.stringify(error)}`,
    script: json(200, { error }),
    forms: both,
  }
}

const chunkedJson = head(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' })
const cut = { ...early, forms: both, charged: [1, 'some'] } as const
const nothing = { ...early, forms: both, charged: [1, 0] } as const

const broken = { ...early, forms: ['whole'], charged: [1, 'some'] } as const

const faults: readonly Fault[] = [
  { ...early, what: 'ends before its first event', script: [streamHead(), lastChunk] },
  { ...early, what: 'has nothing but the end mark', script: sse(['[DONE]']) },
  { ...early, what: 'closes before its first event', script: [streamHead(), end] },
  { ...early, what: 'resets before its first event', script: [streamHead(), reset] },
  { ...early, what: 'resets within its first event', script: [streamHead(), halfEvent, reset] },
  { ...early, what: 'ends within its first event', script: [streamHead(), halfEvent, lastChunk] },
  { ...early, what: 'resets after comments', script: [streamHead(), chunk(': working\n\n'), reset] },
  { ...early, what: 'sends a chunk of no length', script: [streamHead(), bytes('zz\r\n'), hang] },
  { ...earlySilence, what: 'hangs before its first event', script: [streamHead(), hang] },
  { ...earlySilence, what: 'hangs within its first event', script: [streamHead(), halfEvent, hang] },

  first(500, {}),
  { ...first(429, { code: 429 }), tries: 3 },
  { ...first(503, { code: '503' }), tries: 3 },
  { ...first(400, { code: 400 }), moves: false },
  {
    ...first(502, { code: 401 }),
    code: 'provider_auth_failed',
    charged: [0, 0],
    once: [],
  },

  { ...late, what: 'resets after an event', script: [streamHead(), event('first'), reset] },
  { ...late, what: 'closes after an event', script: [streamHead(), event('first'), end] },
  { ...late, what: 'ends in silence after an event', script: [streamHead(), event('first'), lastChunk] },
  { ...late, what: 'resets within an event', script: [streamHead(), event('first'), halfEvent, reset] },
  { ...late, what: 'ends within an event', script: [streamHead(), event('first'), halfEvent, lastChunk] },
  {
    ...late,
    what: 'sends no chunk after an event',
    script: [streamHead(), event('first'), bytes('zz\r\n'), hang],
  },
  {
    ...late,
    what: 'hangs after an event',
    script: [streamHead(), event('first'), hang],
    code: 'provider_timeout',
    hangsAfter: 'first',
  },
  {
    ...first(200, {}),
    what: 'sends an error after an event',
    script: sse([delta('first'), ...failure({})]),
    moves: false,
    charged: [1, 'some'],
    once: ['first', 'own words'],
  },
  {
    ...late,
    what: 'sends JSON in place of a stream',
    script: json(200, {
      choices: [{ message: { content: 'first' } }],
      usage: { total_tokens: 9, prompt_tokens: 4, completion_tokens: 5 },
    }),
    code: undefined,
    charged: [1, 9],
    once: ['first'],
  } as unknown as Fault,

  whole(500, { message: 'own words' }),
  whole(500, 'own words'),
  { ...whole(429, { message: 'own words', code: 429 }), tries: 3 },
  { ...whole(400, { message: 'own words', code: '400' }), moves: false },
  {
    ...whole(502, { message: 'own words', code: 401 }),
    code: 'provider_auth_failed',
    charged: [0, 0],
    once: [],
  },
  { ...cut, what: 'ends its JSON too early', script: [chunkedJson, chunk('{"choices":[{}]'), lastChunk] },
  {
    ...cut,
    what: 'closes within JSON of no known length',
    script: [head(200, { 'content-type': 'application/json' }), bytes('{"choices":['), end],
  },
  { ...cut, what: 'answers with no JSON', script: content(200, 'application/json', '') },
  { ...cut, what: 'answers with white space', script: content(200, 'application/json', ' \n') },
  { ...cut, what: 'answers with nothing', script: [head(200, { 'content-length': '0' })] },
  { ...nothing, what: 'answers 204', script: [head(204)] },
  {
    ...nothing,
    what: 'answers with a web page',
    script: content(200, 'text/html; charset=utf-8', '<h1>Sign in</h1>'),
    once: ['base_url'],
  },

  { ...broken, what: 'closes within its body', script: [jsonHead, bytes('{"choices":'), end] },
  { ...broken, what: 'resets within its body', script: [jsonHead, bytes('{"choices":'), reset] },
  { ...broken, what: 'closes before its body', script: [jsonHead, end] },
  {
    ...broken,
    what: 'hangs within its body',
    script: [jsonHead, bytes('{"choices":'), hang],
    status: 504,
    code: 'provider_timeout',
    hangsAfter: '',
  },
]

for (const fault of faults) inject(fault)
