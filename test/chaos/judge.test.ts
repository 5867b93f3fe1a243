// That the judge lets good ends pass and sees bad ones: a chaos run without findings would say nothing otherwise.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { MessageReader } from '../support/http-message.ts'
import type { HttpMessage } from '../support/http-message.ts'
import type { Conversation } from '../dialects/translate/client-rules.ts'
import type { PlannedCall } from './calls.ts'
import type { Wire } from './client-connection.ts'
import { upstreamFormats } from './formats.ts'
import { judge } from './judge.ts'
import type { Sender } from './responses.ts'

const id = 'chaos-2-7'
const shape = { events: 3, padding: 4 }
const [mine, again, other]: Sender[] = [
  { callId: id, tag: 'a.1.1' },
  { callId: id, tag: 'a.1.2' },
  { callId: id, tag: 'b.1.1' },
]
const { contentEvents, lastEvents, whole, errorBody, errorEvent, oddEvent } = upstreamFormats.chat
const [first = '', second = '', third = ''] = contentEvents(mine!, shape)
const last = lastEvents(mine!, shape, false)
const ownError = errorEvent(mine!)
const gatewayError = (code: string) => `data: ${JSON.stringify({ error: { message: '', code } })}\n\n`

/** Of a provider that does not speak the format, so that it is judged by the format's rules alone. */
const written = (dialect: Conversation, tag: Sender['tag']) => {
  const sender: Sender = { callId: id, tag }
  const { contentEvents: content, lastEvents: end, whole: body } = upstreamFormats[dialect]
  return { events: content(sender, shape), end: end(sender, shape, false), body: body(sender, shape) }
}
const message = written('messages', 'a.1.1')
const response = written('response', 'b.1.1')
const apiError = 'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"cut"}}\n\n'
const ping = 'event: ping\ndata: {"type":"ping"}\n\n'
const messages = { dialect: 'messages', from: 'a' } as const
const responses = { dialect: 'response', from: 'b' } as const
const failed = (number: number) => {
  const error = { code: 'provider_timeout', message: 'silent' }
  const failure = { id: `resp_${id}.b.1.1`, status: 'failed', error, output: [] }
  return [
    `event: error\ndata: ${JSON.stringify({ type: 'error', sequence_number: number, ...error })}\n\n`,
    `event: response.failed\ndata: ${JSON.stringify({ type: 'response.failed', sequence_number: number + 1, response: failure })}\n\n`,
  ].join('')
}

interface Came {
  readonly dialect?: Conversation
  readonly isCount?: boolean
  /** The provider that the gateway names. */
  readonly from?: string
  readonly status?: number
  readonly isStream?: boolean
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
  readonly ending?: Wire['ending']
}

function verdictOf(came: Came) {
  const { dialect = 'chat', isCount = false, from = 'a', status = 200 } = came
  const { isStream = !isCount, headers = {}, body, ending = 'answered' } = came
  const messages: HttpMessage[] = []
  const reader = new MessageReader({ isResponse: true, onHead: (message) => messages.push(message) })
  const type = isStream && status === 200 ? 'text/event-stream' : 'application/json'
  const all = { 'x-request-id': id, 'content-type': type, 'x-llm-gateway-provider': from, ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  reader.push(Buffer.from(`HTTP/1.1 ${status} X\r\n${lines.join('')}\r\n${body}`))
  const stays = { leaves: undefined, readsSlowly: false, pauseMs: 0, promptBytes: 60 }
  const call: PlannedCall = {
    ...{ id, model: 'free', dialect, isCount, isStream, wantsUsage: false },
    ...stays,
  }
  return judge(call, shape, { ending, message: messages[0], sentAtMs: 0, headAtMs: 1, endedAtMs: 2 })
}

const good: Readonly<Record<string, readonly [end: string, came: Came]>> = {
  'a whole response': ['whole', { isStream: false, body: whole(mine!, shape) }],
  'a whole stream': ['streamed', { body: [first, second, third, ...last].join('') }],
  'a stream with heartbeats': ['streamed', { body: [first, ': ping\n', second, third, ...last].join('') }],
  'a broken stream': ['stream_broken', { body: first + gatewayError('provider_timeout') }],
  'a stream with an error of its provider': ['stream_broken', { body: first + second + ownError }],
  "a provider's error": ['provider_error', { status: 429, body: errorBody(mine!, 'slow_down', 429) }],
  'an error of the gateway': [
    'gateway_error',
    {
      status: 502,
      body: '{"error":{"message":"","type":"api_error","param":null,"code":"provider_unreachable"}}',
      headers: { 'x-llm-gateway-error': 'provider_unreachable' },
    },
  ],
  'a passed stream with an event that breaks its format': [
    'streamed',
    { body: [first, oddEvent(mine!), third, ...last].join('') },
  ],
  'a whole message': ['whole', { ...messages, isStream: false, body: message.body }],
  'a translated stream of Messages': [
    'streamed',
    { ...messages, body: [ping, ...message.events, ping, ...message.end].join('') },
  ],
  'a translated stream of Messages that breaks': [
    'stream_broken',
    { ...messages, body: [...message.events, apiError].join('') },
  ],
  'a stream of Messages that breaks before its start': [
    'stream_broken',
    { ...messages, body: ping + apiError },
  ],
  'a translated stream of Responses': [
    'streamed',
    { ...responses, body: [': ping\n', ...response.events, ...response.end].join('') },
  ],
  'a translated stream of Responses that breaks': [
    'stream_broken',
    { ...responses, body: response.events.join('') + failed(response.events.length) },
  ],
  "a provider's count": [
    'counted',
    { ...messages, isCount: true, body: '{"input_tokens":20,"from":"a.1.1"}' },
  ],
  'a client that leaves within an event': ['left', { body: first + second.slice(0, 20), ending: 'left' }],
}

const bad: Readonly<Record<string, Came>> = {
  'half of a whole response': { isStream: false, body: whole(mine!, shape).slice(0, -9) },
  'a stream without its end': { body: first + second + third },
  'a stream without anything': { body: '' },
  'a stream that is cut within an event': { body: first + second.slice(0, 20) },
  'a connection that breaks': { body: first, ending: 'reset' },
  'no response in time': { body: first, ending: 'late' },
  'a doubled event': { body: [first, first, second, third, ...last].join('') },
  'a lost event': { body: [first, third, ...last].join('') },
  'events of two attempts': {
    body: [first, ...contentEvents(again!, shape).slice(1), ...lastEvents(again!, shape, false)].join(''),
  },
  'events of two providers': { body: [first, ...contentEvents(other!, shape), ...last].join('') },
  'events after an error': { body: first + gatewayError('provider_timeout') + second },
  'two errors': { body: first + ownError + gatewayError('provider_bad_response') },
  'usage that nobody asked for': { body: [first, second, third, ...lastEvents(mine!, shape, true)].join('') },
  'the response to another call': { body: first + last.join(''), headers: { 'x-request-id': 'chaos-2-8' } },
  'a provider that another one stands in for': {
    isStream: false,
    body: whole(other!, shape),
  },
  'a failure of the gateway itself': {
    status: 500,
    body: '{"error":{"code":"internal_error"}}',
    headers: { 'x-llm-gateway-error': 'internal_error' },
  },
  "a provider's error with another status": { status: 400, body: errorBody(mine!, 'slow_down', 429) },
  'a translated stream without its end': { ...messages, body: message.events.join('') },
  'an error after the end of a stream of Messages': {
    ...messages,
    body: [...message.events, ...message.end, apiError].join(''),
  },
  'a heartbeat after the end of a stream of Messages': {
    ...messages,
    body: [...message.events, ...message.end, ping].join(''),
  },
  'a heartbeat after the end of a passed stream': {
    body: [first, second, third, ...last, ': ping\n'].join(''),
  },
  'a heartbeat after the end of a passed stream of Messages': {
    ...{ ...messages, from: 'b' },
    body: [...written('messages', 'b.1.1').events, ...written('messages', 'b.1.1').end, ping].join(''),
  },
  'an error after the end of a stream of Responses': {
    ...responses,
    body:
      [...response.events, ...response.end].join('') + failed(response.events.length + response.end.length),
  },
  'an error of Responses that does not count on': {
    ...responses,
    body: response.events.join('') + failed(response.events.length + 1),
  },
  'a part of the text, and a good end': {
    ...messages,
    body: [...message.events.slice(0, -1), ...message.end].join(''),
  },
  'an error in the envelope of another format': {
    ...messages,
    status: 502,
    isStream: false,
    body: '{"error":{"message":"","type":"api_error","param":null,"code":"provider_unreachable"}}',
    headers: { 'x-llm-gateway-error': 'provider_unreachable' },
  },
  'an estimate that names a provider': { ...messages, isCount: true, body: '{"input_tokens":20}' },
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
