// What clients and providers do in the memory table: each shape makes the gateway hold bytes, in its own way.
import assert from 'node:assert/strict'

import { until } from '../support/deadline.ts'
import type { RunningProcess } from '../support/gateway-process.ts'
import { connectRaw, exchange, type RawClient, rawRequest } from '../support/raw-client.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { bytes, content, hang, head, json, type Script, streamHead } from '../support/upstream-script.ts'
import {
  bodies,
  chat,
  delta,
  deltaChunk,
  formOf,
  formRequest,
  list,
  listRequests,
  longHead,
  longStream,
  messagesOf,
  promptOf,
  smallCall,
  streamCall,
  text,
  tinyAnswer,
  tinyRequest,
} from './memory-bytes.ts'

export interface Shape {
  readonly name: string
  /** What the gateway may have to hold at once. */
  readonly heldBytes: number
  /** To the gateway and from it. */
  readonly connections: number
  /** Makes the gateway hold it, and resolves once it has. */
  readonly run: (t: Cleanup, running: RunningProcess) => Promise<void>
}

const answer = { id: 'a', choices: [] }
const times = <T>(count: number, work: () => Promise<T>) => Promise.all(Array.from({ length: count }, work))

/** So many clients send the request; the provider gets its body, and they the whole response. */
function asked(name: string, count: number, request: Buffer, body: Buffer): Shape {
  return {
    name,
    heldBytes: count * body.length,
    connections: 2 * count,
    async run(t, { gateway, upstream }) {
      upstream.respondAlways(json(200, answer))
      const seen = upstream.requests.length
      for (const { status } of await times(count, () => exchange(t, gateway.url, request))) {
        assert.equal(status, 200)
      }
      const received = upstream.requests.slice(seen)
      assert.equal(received.length, count)
      for (const each of received) assert.ok(each.body.equals(body), 'the same bytes go upstream')
    },
  }
}

interface Answer {
  readonly script: Script
  readonly status?: number
  readonly body: string
  /** Of all of it, unless it is passed on as it comes. */
  readonly heldBytes?: number
}

/** So many calls get the provider's response, to its end. */
function answered(name: string, count: number, given: Answer, request = smallCall): Shape {
  const { script, status = 200, body, heldBytes = body.length } = given
  return {
    name,
    heldBytes: count * heldBytes,
    connections: 2 * count,
    async run(t, { gateway, upstream }) {
      upstream.respondAlways(() => script)
      for (const response of await times(count, () => exchange(t, gateway.url, request))) {
        assert.equal(response.status, status)
        assert.ok(response.body().toString() === body, 'the same bytes reach the client')
      }
    },
  }
}

function tiny(name: string, status: number, contentType: string, body: string): Shape {
  const request = contentType === 'text/event-stream' ? streamCall : smallCall
  return answered(
    `${name} in chunks of one byte`,
    // Garbage of more of them can outweigh what is held; held by the piece, one took 110 MB.
    4,
    { script: tinyAnswer(status, contentType, body), status, body },
    request,
  )
}

type UntilHeld = (running: RunningProcess, clients: readonly RawClient[], seen: number) => Promise<void>

interface Sent {
  readonly count: number
  readonly heldBytes: number
  readonly connections?: number
  readonly request: Buffer
}

/** So many clients send bytes, and the provider answers no call. */
function sent(name: string, given: Sent, untilHeld: UntilHeld): Shape {
  const { count, heldBytes, connections = 2 * count, request } = given
  return {
    name,
    heldBytes,
    connections,
    async run(t, running) {
      const { gateway, upstream } = running
      upstream.respondAlways([hang])
      const seen = upstream.requests.length
      const clients = await times(count, () => connectRaw(t, gateway.url))
      for (const client of clients) client.send(request)
      await untilHeld(running, clients, seen)
    },
  }
}

const arrived =
  (count: number): UntilHeld =>
  ({ upstream }, _, seen) =>
    until(() => upstream.requests.length - seen >= count, `${count} calls at the provider`)

/** What came before has been read by now: the gateway has served other requests since. */
const quiet: UntilHeld = async ({ gateway }) => {
  const released: (() => unknown)[] = []
  for (let count = 0; count < 20; count += 1) {
    await exchange({ after: (release) => released.push(release) }, gateway.url, rawRequest('GET /healthz'))
  }
  for (const release of released) release()
}

/** Clients read nothing of a response that is much larger than what the gateway may hold of it. */
function unread(name: string, count: number, request: Buffer, script?: () => Script): Shape {
  return {
    name,
    heldBytes: 0,
    connections: 2 * count,
    async run(t, running) {
      const { gateway, upstream } = running
      if (script !== undefined) upstream.respondAlways(() => script())
      const seen = upstream.requests.length
      const clients = await times(count, () => connectRaw(t, gateway.url))
      for (const client of clients) {
        client.pause()
        client.send(request)
      }
      if (script !== undefined) await arrived(count)(running, clients, seen)
      await quiet(running, clients, seen)
    },
  }
}

const done = 'data: [DONE]\n\n'
const [form, manyParts, messages] = [formOf(250_000), formOf(1, 60), messagesOf(20_000)]
const large = rawRequest(chat, {}, promptOf(7_000_000))

export const shapes: readonly Shape[] = [
  asked('a small prompt in chunks of one byte', 8, tinyRequest(promptOf(60_000)), promptOf(60_000)),
  asked('a large prompt in chunks of one byte', 2, tinyRequest(promptOf(250_000)), promptOf(250_000)),
  asked('a form in chunks of one byte', 2, tinyRequest(form, true), form),
  asked('a form of many parts', 20, formRequest(manyParts), manyParts),
  asked('JSON of many values', 20, rawRequest(chat, {}, messages), messages),
  asked('a large body', 4, large, promptOf(7_000_000)),
  sent('bodies at a slow provider', { count: 3, heldBytes: 21_000_000, request: large }, arrived(3)),
  sent(
    'more bodies than there is memory for',
    { count: 24, heldBytes: bodies.body_memory_bytes, request: large },
    arrived(3),
  ),
  sent(
    'bodies in a waiting line',
    { count: 20, heldBytes: 20_000_000, request: rawRequest(chat, {}, promptOf(1_000_000, 'queued')) },
    quiet,
  ),
  sent(
    'small bodies at a slow provider',
    { count: 100, heldBytes: 6_000_000, request: rawRequest(chat, {}, promptOf(60_000)) },
    arrived(100),
  ),
  sent(
    'large bodies that have hardly begun',
    { count: 200, heldBytes: 200_000, request: large.subarray(0, 1_000) },
    quiet,
  ),
  sent(
    'heads that do not end',
    {
      count: 200,
      heldBytes: 0,
      connections: 200,
      request: rawRequest('GET /v1/models', longHead).subarray(0, 12_000),
    },
    quiet,
  ),
  sent(
    'connections without a request',
    { count: 400, heldBytes: 0, connections: 400, request: Buffer.alloc(0) },
    quiet,
  ),
  sent(
    'requests behind unanswered ones',
    {
      count: 100,
      heldBytes: 0,
      request: Buffer.concat([
        smallCall,
        ...Array.from({ length: 40 }, () => rawRequest(chat, {}, promptOf(60_000))),
      ]),
    },
    async (_, clients) => void (await Promise.all(clients.map(({ ended }) => ended))),
  ),
  sent(
    'requests behind an unanswered one, in chunks of one byte',
    {
      count: 1,
      heldBytes: 0,
      request: Buffer.concat([smallCall, tinyRequest(promptOf(60_000))]),
    },
    quiet,
  ),
  tiny('an error', 500, 'application/json', JSON.stringify({ error: { message: text.slice(0, 65_536) } })),
  tiny('an answer', 200, 'application/json', JSON.stringify({ ...answer, text })),
  tiny(
    'a long first event after a long comment',
    200,
    'text/event-stream',
    `: ${text}\n\n${delta(text)}${done}`,
  ),
  tiny(
    'an event of many lines',
    200,
    'text/event-stream',
    `${delta('a')}${'data:\n'.repeat(150_000)}\n${done}`,
  ),
  tiny(
    'comments before an event',
    200,
    'text/event-stream',
    `${': x\n\n'.repeat(40_000)}${delta('a')}${done}`,
  ),
  answered('a response with a long head', 50, {
    script: content(200, 'application/json', '{}', longHead),
    body: '{}',
    heldBytes: 16_000,
  }),
  answered('interim responses', 20, {
    script: [
      bytes(`HTTP/1.1 103 Early Hints\r\nlink: ${'x'.repeat(400)}\r\n\r\n`.repeat(30)),
      head(200, { 'content-type': 'application/json', 'content-length': '2' }),
      bytes('{}'),
    ],
    body: '{}',
    heldBytes: 16_000,
  }),
  answered('a large answer', 8, {
    script: content(200, 'application/json', JSON.stringify({ ...answer, text: text.repeat(20) })),
    body: JSON.stringify({ ...answer, text: text.repeat(20) }),
    heldBytes: 262_144,
  }),
  unread('streams that nobody reads', 3, streamCall, () => longStream(deltaChunk(text.slice(0, 20_000)))),
  unread('streams of small events that nobody reads', 3, streamCall, () =>
    longStream(Buffer.from(deltaChunk('x').toString('latin1').repeat(2_000))),
  ),
  {
    name: 'open streams',
    heldBytes: 0,
    connections: 400,
    async run(t, { gateway, upstream }) {
      upstream.respondAlways([streamHead(), bytes(deltaChunk('a')), hang])
      const clients = await times(200, () => connectRaw(t, gateway.url))
      for (const client of clients) client.send(streamCall)
      for (const client of clients) await client.seen('"a"')
    },
  },
  {
    name: 'a list of models in chunks of one byte',
    heldBytes: list.length,
    connections: 2,
    async run(_, { gateway, upstream }) {
      upstream.respondAlways(() => tinyAnswer(200, 'application/json', list))
      const from = gateway.stdout().length
      process.kill(gateway.pid, 'SIGHUP')
      await gateway.says(/"models_discovered","provider":"scripted","count":1500/, from)
    },
  },
  unread('lists of models that nobody reads', 40, listRequests),
]
