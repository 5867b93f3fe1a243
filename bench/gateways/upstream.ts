// The scripted upstream, a process of its own: a provider that costs next to nothing. Answers are made before they are
// asked for. Its parent is told the port, and says when held streams shall end; it ends with its parent.
import { createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { MessageReader } from './message-reader.ts'
import {
  digestOf,
  marker,
  readScript,
  type Script,
  streamEnd,
  streamEvent,
  turnsOf,
  wholeAnswer,
  wholeMessage,
} from './wire.ts'

/** Of larger bodies only the beginning and the end are kept: a gateway may have moved the parameters. */
const keptBytes = 65_536
const endBytes = 4096

const plainAnswer = whole(200, wholeAnswer(marker))
const plainMessage = whole(200, wholeMessage(marker))
/** A provider of chat, and of Messages besides: it speaks no Responses. */
const notSpoken = refusal(404, 'no such path')
const modelList = whole(200, JSON.stringify({ object: 'list', data: [{ id: 'bench', object: 'model' }] }))
const streamHead =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n'
const events = Array.from({ length: 1000 }, (_, index) => chunk(streamEvent(index)))
const ends = { true: `${chunk(streamEnd(true))}0\r\n\r\n`, false: `${chunk(streamEnd(false))}0\r\n\r\n` }

/** Streams that wait to be released. */
const held = new Set<() => void>()

process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit())
process.on('message', (message) => {
  if (message !== 'release') return
  for (const release of held) release()
  held.clear()
})

const server = createServer({ noDelay: true, allowHalfOpen: true }, serve)
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  process.send?.({ port: (server.address() as AddressInfo).port })
})

function serve(socket: Socket): void {
  let isGet = false
  let isSpoken = true
  let plain = plainAnswer
  let pieces: Buffer[] = []
  let bytes = 0
  const reader = new MessageReader({
    onHead(head) {
      isGet = !head.startsWith('POST')
      isSpoken = !head.startsWith('POST /v1/responses')
      plain = head.startsWith('POST /v1/messages') ? plainMessage : plainAnswer
      pieces = []
      bytes = 0
    },
    onBody(piece) {
      bytes += piece.length
      pieces.push(piece)
      if (bytes <= keptBytes || pieces.length < 3) return
      const [start, end] = [pieces.shift()!, pieces.pop()!]
      const isBegun = start.length >= endBytes
      pieces = [isBegun ? start : Buffer.concat([start, ...pieces]), end]
    },
    onEnd() {
      if (isGet) socket.write(modelList)
      else if (!isSpoken) socket.write(notSpoken)
      else answer(socket, { body: pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces), bytes, plain })
    },
  })
  socket.on('data', (data: Buffer) => reader.push(data))
  // A reset leaves no closed connection behind in the kernel's tables, which some gateways read.
  socket.on('end', () => socket.resetAndDestroy())
  socket.on('error', () => socket.destroy())
}

interface Received {
  /** Of a large one the beginning and the end. */
  readonly body: Buffer
  readonly bytes: number
  /** The whole answer in the format of the request. */
  readonly plain: Buffer
}

function answer(socket: Socket, { body, bytes, plain }: Received): void {
  const script = scriptOf(body)
  switch (script?.kind) {
    case 'plain':
      socket.write(plain)
      return
    case 'big':
      socket.write(bytes >= script.bytes ? plain : refusal(500, `only ${bytes} bytes came`))
      return
    case 'refuse':
      socket.write(refusal(script.status, 'as it was asked for'))
      return
    case 'digest':
    case 'turns': {
      const { messages } = JSON.parse(body.toString()) as { messages: object[] }
      const digest = digestOf(script.kind === 'digest' ? messages : turnsOf(messages))
      socket.write(whole(200, wholeAnswer(digest)))
      return
    }
    case 'stream':
    case 'hold':
      stream(socket, script, /"include_usage": ?true/.test(body.toString('latin1')))
      return
    case undefined:
      socket.write(refusal(400, 'no script'))
  }
}

function scriptOf(body: Buffer): Script | undefined {
  const inPrompt = body.indexOf('script=')
  if (inPrompt >= 0)
    return readScript(/^[\w-]+/.exec(body.toString('latin1', inPrompt + 7, inPrompt + 60))![0])
  const at = body.indexOf('"user":')
  if (at < 0) return undefined
  return readScript(/^"user": ?"([\w-]+)"/.exec(body.toString('latin1', at, at + 60))?.[1] ?? '')
}

function stream(socket: Socket, script: Script & { events: number }, withUsage: boolean): void {
  const end = ends[withUsage ? 'true' : 'false']
  if (script.kind === 'hold' || (script.kind === 'stream' && script.gapMs === 0)) {
    const [first, ...others] = events.slice(0, script.events)
    if (script.kind === 'stream') {
      socket.write(streamHead + first + others.join('') + end)
      return
    }
    const release = () => socket.write(others.join('') + end)
    socket.write(streamHead + first)
    held.add(release)
    socket.once('close', () => held.delete(release))
    return
  }
  if (script.kind !== 'stream') return
  let sent = 1
  socket.write(streamHead + events[0])
  const timer = setInterval(() => {
    if (sent < script.events) {
      socket.write(events[sent]!)
      sent += 1
      return
    }
    clearInterval(timer)
    socket.removeListener('close', stop)
    socket.write(end)
  }, script.gapMs)
  const stop = () => clearInterval(timer)
  socket.once('close', stop)
}

function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`
}

function refusal(status: number, message: string): Buffer {
  return whole(
    status,
    JSON.stringify({ error: { message, type: 'invalid_request_error', code: 'scripted' } }),
  )
}

function whole(status: number, body: string): Buffer {
  return Buffer.from(
    `HTTP/1.1 ${status} Scripted\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
}
