// That the judge lets good ends pass and sees bad ones: a chaos run without findings would say nothing otherwise.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { MessageReader } from '../support/http-message.ts'
import type { HttpMessage } from '../support/http-message.ts'
import { contentEvents, errorBody, errorEvent, lastEvents, wholeResponse, type Sender } from './responses.ts'
import type { PlannedCall } from './calls.ts'
import type { Wire } from './client-connection.ts'
import { judge } from './judge.ts'

const id = 'chaos-2-7'
const shape = { events: 3, padding: 4 }
const [mine, again, other]: Sender[] = [
  { callId: id, tag: 'a.1.1' },
  { callId: id, tag: 'a.1.2' },
  { callId: id, tag: 'b.1.1' },
]
const [first = '', second = '', third = ''] = contentEvents(mine!, shape)
const last = lastEvents(mine!, false)
const ownError = errorEvent(mine!)
const gatewayError = (code: string) => `data: ${JSON.stringify({ error: { message: '', code } })}\n\n`

interface Came {
  readonly status?: number
  readonly isStream?: boolean
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
  readonly ending?: Wire['ending']
}

function verdictOf({ status = 200, isStream = true, headers = {}, body, ending = 'answered' }: Came) {
  const messages: HttpMessage[] = []
  const reader = new MessageReader({ isResponse: true, onHead: (message) => messages.push(message) })
  const type = isStream && status === 200 ? 'text/event-stream' : 'application/json'
  const all = { 'x-request-id': id, 'content-type': type, 'x-llm-gateway-provider': 'a', ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  reader.push(Buffer.from(`HTTP/1.1 ${status} X\r\n${lines.join('')}\r\n${body}`))
  const stays = { leaves: undefined, readsSlowly: false, pauseMs: 0, promptBytes: 60 }
  const call: PlannedCall = { id, model: 'free', isStream, wantsUsage: false, ...stays }
  return judge(call, shape, { ending, message: messages[0], sentAtMs: 0, headAtMs: 1, endedAtMs: 2 })
}

const good: Readonly<Record<string, readonly [end: string, came: Came]>> = {
  'a whole response': ['whole', { isStream: false, body: wholeResponse(mine!, shape) }],
  'a whole stream': ['streamed', { body: [first, second, third, ...last].join('') }],
  'a stream with heartbeats': ['streamed', { body: [first, ': ping\n', second, third, ...last].join('') }],
  'a broken stream': ['stream_broken', { body: first + gatewayError('provider_timeout') }],
  'a stream with an error of its provider': ['stream_broken', { body: first + second + ownError }],
  "a provider's error": ['provider_error', { status: 429, body: errorBody(mine!, 'slow_down') }],
  'an error of the gateway': [
    'gateway_error',
    {
      status: 502,
      body: '{"error":{"code":"provider_unreachable"}}',
      headers: { 'x-llm-gateway-error': 'provider_unreachable' },
    },
  ],
  'a client that leaves within an event': ['left', { body: first + second.slice(0, 20), ending: 'left' }],
}

const bad: Readonly<Record<string, Came>> = {
  'half of a whole response': { isStream: false, body: wholeResponse(mine!, shape).slice(0, -9) },
  'a stream without its end': { body: first + second + third },
  'a stream without anything': { body: '' },
  'a stream that is cut within an event': { body: first + second.slice(0, 20) },
  'a connection that breaks': { body: first, ending: 'reset' },
  'no response in time': { body: first, ending: 'late' },
  'a doubled event': { body: [first, first, second, third, ...last].join('') },
  'a lost event': { body: [first, third, ...last].join('') },
  'events of two attempts': {
    body: [first, ...contentEvents(again!, shape).slice(1), ...lastEvents(again!, false)].join(''),
  },
  'events of two providers': { body: [first, ...contentEvents(other!, shape), ...last].join('') },
  'events after an error': { body: first + gatewayError('provider_timeout') + second },
  'two errors': { body: first + ownError + gatewayError('provider_bad_response') },
  'usage that nobody asked for': { body: [first, second, third, ...lastEvents(mine!, true)].join('') },
  'the response to another call': { body: first + last.join(''), headers: { 'x-request-id': 'chaos-2-8' } },
  'a provider that another one stands in for': {
    isStream: false,
    body: wholeResponse(other!, shape),
  },
  'a failure of the gateway itself': {
    status: 500,
    body: '{"error":{"code":"internal_error"}}',
    headers: { 'x-llm-gateway-error': 'internal_error' },
  },
  "a provider's error with another status": { status: 400, body: errorBody(mine!, 'slow_down') },
  'a doubled event before a client leaves': { body: first + first, ending: 'left' },
}

suite('an end that is allowed passes', () => {
  for (const [what, [end, came]] of Object.entries(good)) {
    test(what, () => {
      const verdict = verdictOf(came)

      assert.deepEqual('fault' in verdict ? verdict : verdict.end, end)
    })
  }
})

suite('any other is a fault', () => {
  for (const [what, came] of Object.entries(bad)) {
    test(what, () => assert.ok('fault' in verdictOf(came)))
  }
})
