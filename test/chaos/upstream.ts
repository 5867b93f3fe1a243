// A model server that misbehaves by a seed, as a process of its own, so that it can be killed. Arguments: name,
// number of this start, port (0: any), seed. It tells its parent what it does, and ends with it.
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'

import { Random } from '../support/random.ts'
import { countOf, upstreamFormats, type UpstreamFormat } from './formats.ts'
import { shapeOf, type Sender, type Shape, type Tag } from './responses.ts'
import { indexOf, isProbe, promptOf, shapeSeed } from './calls.ts'
import { errorAnswers, faultOf, type Fault } from './faults.ts'
import type { Order, Told } from './upstream-process.ts'

const [name = '', start = '', port = '', seed = ''] = process.argv.slice(2)
/** With which the keys of the gateway's clients begin. */
const ofGatewayKeys = 'gw_'
const timesAsked = new Map<string, number>()
let isCalm = false
let connections = 0
let active = 0
const lastWrites = new WeakMap<ServerResponse, number>()
const released = Promise.withResolvers<void>()

const tell = (told: Told) => void (process.connected && process.send!(told, () => {}))
/** The same clock in every process. */
const nowMs = () => Number(process.hrtime.bigint()) / 1e6

/** By the path of a request. */
const formatsByPath: Readonly<Record<string, UpstreamFormat>> = {
  '/v1/chat/completions': upstreamFormats.chat,
  '/v1/messages': upstreamFormats.messages,
  '/v1/messages/count_tokens': upstreamFormats.messages,
  '/v1/responses': upstreamFormats.response,
}

interface Exchange {
  readonly format: UpstreamFormat
  readonly isCount: boolean
  readonly response: ServerResponse
  readonly sender: Sender
  readonly shape: Shape
  readonly random: Random
  readonly fault: Fault
  readonly isStream: boolean
  readonly hasUsage: boolean
}

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.on('error', () => {})
  if (request.method === 'GET') return void response.end('{"object":"list","data":[]}')
  const callId = String(request.headers['x-request-id'])
  const times = (timesAsked.get(callId) ?? 0) + 1
  timesAsked.set(callId, times)
  const tag: Tag = `${name}.${Number(start)}.${times}`
  const sender: Sender = { callId, tag }
  const index = indexOf(callId)
  const random = new Random(Number(seed) + Number(start) * 7 + times, index * 4 + (name.codePointAt(0)! % 4))
  const fault = isCalm || isProbe(callId) ? 'none' : faultOf(random)
  // Some refuse what they have not read.
  if (request.rawHeaders.some((value) => value.includes(ofGatewayKeys)))
    return void response.writeHead(418).end(`the key of ${callId} has come through`)
  const isHasty = (fault === 'reset_first' || errorAnswers[fault] !== undefined) && index % 2 === 0
  const body = isHasty ? '' : await text(request)
  if (!isHasty && !isOf(callId, body)) return void response.writeHead(418).end(`${callId} is mixed up`)
  const format = formatsByPath[request.url!]
  if (format === undefined) return void response.writeHead(418).end(`there is no ${request.url}`)
  const exchange: Exchange = {
    format,
    isCount: request.url!.endsWith('/count_tokens'),
    response,
    sender,
    random,
    shape: shapeOf(new Random(Number(seed) + shapeSeed, index)),
    fault,
    isStream: body.includes('"stream":true'),
    hasUsage: body.includes('"include_usage":true'),
  }
  active += 1
  response.once('close', () => (active -= 1))
  tell({ kind: 'began', tag, callId, atMs: nowMs() })
  await (exchange.isStream ? stream(exchange) : answerWhole(exchange))
  const atMs = lastWrites.get(response)
  if (response.writableFinished && atMs !== undefined) tell({ kind: 'ended', tag, callId, atMs })
}

/** Whether the prompt of the call is in it, in whatever format. */
function isOf(callId: string, body: string): boolean {
  try {
    const texts = textsIn(JSON.parse(body)).filter((text) => text.startsWith(callId))
    return texts.length === 1 && texts[0] === promptOf(callId, texts[0]!.length)
  } catch {
    return false
  }
}

function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap((each: unknown) => textsIn(each))
}

/** Before the first byte. False when there is nothing more to do. */
async function open({ response, sender, random, fault, format }: Exchange): Promise<boolean> {
  if (isProbe(sender.callId)) return true
  await setTimeout(fault === 'slow' ? random.below(500) : random.below(60))
  if (fault === 'reset_first') response.socket?.resetAndDestroy()
  if (fault === 'hangs' || fault === 'reset_first') return false
  if (fault === 'closes_idle') {
    const { socket } = response
    void setTimeout(random.below(200)).then(() => !isUnderWay(response) && socket?.destroy())
  }
  const error = errorAnswers[fault]
  if (error === undefined) return !response.closed
  const { status, code, type = 'application/json', headers = {} } = error
  await end(
    response.writeHead(status, { 'content-type': type, ...headers }),
    format.errorBody(sender, code, status),
  )
  return false
}

function isUnderWay(response: ServerResponse): boolean {
  return response.headersSent && !response.writableFinished
}

async function answerWhole(exchange: Exchange): Promise<void> {
  const { format, response, sender, shape, fault, isCount } = exchange
  if (!(await open(exchange))) return
  const good = isCount ? countOf(sender) : format.whole(sender, shape)
  const body = fault === 'odd' ? good.replace('{', '[') : good
  const isSpoilt = ['reset_later', 'ends_early', 'stalls', 'error_later'].includes(fault)
  if (fault === 'error_first') {
    const error = format.errorBody(sender, 'gave_up', 500)
    await end(response.writeHead(500, { 'content-type': 'application/json' }), error)
    return
  }
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
  const half = body.slice(0, body.length / 2)
  response.write(half)
  await setTimeout(10)
  if (!isSpoilt) await end(response, body.slice(half.length))
  else await spoil(exchange)
}

async function stream(exchange: Exchange): Promise<void> {
  const { format, response, sender, shape, random, fault } = exchange
  if (!(await open(exchange))) return
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  if (fault === 'error_first') return end(response, format.errorEvent(sender))
  const events = format.contentEvents(sender, shape)
  const isSpoilt = ['reset_later', 'ends_early', 'stalls', 'error_later'].includes(fault)
  const sent = isSpoilt ? random.below(events.length + 1) : events.length
  if (fault === 'odd' || fault === 'odd_error') events[random.below(events.length)] = format.oddEvent(sender)
  for (const event of events.slice(0, sent)) {
    // Several lie in one piece now and then; and some come in two.
    if (random.has(0.1)) {
      response.write(event.slice(0, 30))
      await setTimeout(1)
      await write(response, event.slice(30))
    } else await write(response, event)
    if (random.has(0.7)) await setTimeout(fault === 'slow' ? random.below(100) : random.below(15))
    if (response.closed) return
  }
  if (isProbe(sender.callId)) await released.promise
  if (isSpoilt) return spoil(exchange)
  const last = fault === 'odd_error' ? format.errorEvent(sender) : lastEvents(exchange)
  if (fault !== 'lingers' && fault !== 'reset_after') return end(response, last)
  await write(response, last)
  await setTimeout(10)
  if (fault === 'reset_after') response.socket?.resetAndDestroy()
}

function lastEvents({ format, sender, shape, hasUsage }: Exchange): string {
  return format.lastEvents(sender, shape, hasUsage).join('')
}

/** In the middle of a response. */
async function spoil({ format, response, sender, fault, isStream }: Exchange): Promise<void> {
  if (fault === 'reset_later') response.socket?.resetAndDestroy()
  else if (fault === 'stalls') return
  else if (!isStream) response.socket?.end()
  else await end(response, fault === 'error_later' ? format.errorEvent(sender) : '')
}

/** Waits while the gateway takes no more. */
function write(response: ServerResponse, bytes: string): Promise<void> | void {
  if (response.write(bytes) || response.closed) return
  return new Promise((resolve) => {
    response.once('drain', resolve)
    response.once('close', resolve)
  })
}

/** Resolves when the last byte has left. */
function end(response: ServerResponse, bytes: string): Promise<void> {
  // Before it goes out: by the time that it has, the gateway may have read it.
  lastWrites.set(response, nowMs())
  return new Promise((resolve) => {
    response.once('close', resolve)
    response.end(bytes, resolve)
  })
}

const server = createServer({ keepAliveTimeout: 3_000 }, (request, response) => {
  // A request that breaks off: who sent it has left.
  receive(request, response).catch(() => response.destroy())
})
server.on('connection', (socket) => {
  connections += 1
  socket.once('close', () => (connections -= 1))
  socket.on('error', () => {})
})
server.on('error', () => process.exit(1))
server.listen(Number(port), '127.0.0.1', () => {
  tell({ kind: 'listening', port: (server.address() as AddressInfo).port })
})
process.on('message', (order: Order) => {
  if (order === 'calm down') isCalm = true
  else if (order === 'release probes') released.resolve()
  else tell({ kind: 'standing', active, connections })
})
process.on('disconnect', () => process.exit())
