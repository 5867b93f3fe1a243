// The scripted upstream, a process of its own: a provider that costs next to nothing. Answers are made before they are
// asked for. Its parent is told the port, and says when held streams shall end; it ends with its parent.
import { createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { type Answers, answersOf, formats, scriptedResponse, wholeAnswer } from './formats.ts'
import { MessageReader } from './message-reader.ts'
import { digestOf, readScript, type Script, turnsOf } from './wire.ts'

/** Of larger bodies only the beginning and the end are kept: a gateway may have moved the parameters. */
const keptBytes = 65_536
const endBytes = 4096

/** Paths that begin so are a provider's that speaks chat alone. */
const chatOnly = '/chat-only'
const longestStream = 1000
const answersByPath: readonly (readonly [string, Answers])[] = Object.values(formats).map((format) => [
  format.path,
  answersOf(format, longestStream),
])
const chatAnswers = answersByPath.find(([path]) => path === formats.chat.path)![1]
const modelList = scriptedResponse(
  200,
  JSON.stringify({ object: 'list', data: [{ id: 'bench', object: 'model' }], models: [] }),
)

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
  let answers: Answers | undefined = chatAnswers
  let pieces: Buffer[] = []
  let bytes = 0
  const reader = new MessageReader({
    onHead(head) {
      isGet = !head.startsWith('POST')
      answers = answersAt(head)
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
      else if (answers === undefined) socket.write(refusal(404, 'no such path'))
      else answer(socket, { body: pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces), bytes, answers })
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
  /** In the format of the request. */
  readonly answers: Answers
}

/** @returns undefined where the provider is to speak chat alone, and this is something else. */
function answersAt(head: string): Answers | undefined {
  const path = head.slice('POST '.length, head.indexOf(' ', 'POST '.length)).split('?')[0]!
  if (path.startsWith(chatOnly)) return path === chatOnly + formats.chat.path ? chatAnswers : undefined
  return answersByPath.find(([known]) => known === path)?.[1] ?? chatAnswers
}

function answer(socket: Socket, { body, bytes, answers }: Received): void {
  const script = scriptOf(body)
  switch (script?.kind) {
    case 'plain':
      socket.write(answers.plain)
      return
    case 'late': {
      const timer = setTimeout(() => socket.write(answers.plain), script.delayMs)
      socket.once('close', () => clearTimeout(timer))
      return
    }
    case 'big':
      socket.write(bytes >= script.bytes ? answers.plain : refusal(500, `only ${bytes} bytes came`))
      return
    case 'refuse':
      socket.write(refusal(script.status, 'as it was asked for'))
      return
    case 'digest':
    case 'turns': {
      const { messages } = JSON.parse(body.toString()) as { messages: object[] }
      const digest = digestOf(script.kind === 'digest' ? messages : turnsOf(messages))
      socket.write(scriptedResponse(200, wholeAnswer(digest)))
      return
    }
    case 'stream':
    case 'hold':
      stream(socket, script, { answers, withUsage: /"include_usage": ?true/.test(body.toString('latin1')) })
      return
    case undefined:
      socket.write(refusal(400, 'no script'))
  }
}

function scriptOf(body: Buffer): Script | undefined {
  const inPrompt = body.indexOf('script=')
  if (inPrompt >= 0)
    return readScript(/^[\w-]+/.exec(body.toString('latin1', inPrompt + 7, inPrompt + 60))![0])
  // Of a chat that became Messages it is the `user_id`.
  const at = Math.max(body.indexOf('"user":'), body.indexOf('"user_id":'))
  if (at < 0) return undefined
  return readScript(/^"user(?:_id)?": ?"([\w-]+)"/.exec(body.toString('latin1', at, at + 60))?.[1] ?? '')
}

function stream(
  socket: Socket,
  script: Script & { events: number },
  { answers, withUsage }: { answers: Answers; withUsage: boolean },
): void {
  if (answers.stream === undefined) {
    socket.write(refusal(400, 'no streams in this format'))
    return
  }
  const { head, events, ends } = answers.stream
  const end = withUsage ? ends.withUsage : ends.withoutUsage
  if (script.kind === 'hold' || (script.kind === 'stream' && script.gapMs === 0)) {
    const [first, ...others] = events.slice(0, script.events)
    if (script.kind === 'stream') {
      socket.write(head + first + others.join('') + end)
      return
    }
    const release = () => socket.write(others.join('') + end)
    socket.write(head + first)
    held.add(release)
    socket.once('close', () => held.delete(release))
    return
  }
  if (script.kind !== 'stream') return
  const { gapMs } = script
  const startMs = performance.now()
  let sent = 1
  socket.write(head + events[0])
  // Each is due by the start of its stream, and not by the event before it: streams that were late together would stay together.
  const wait = () => setTimeout(go, Math.max(1, startMs + sent * gapMs - performance.now()))
  const go = () => {
    if (sent < script.events) {
      socket.write(events[sent]!)
      sent += 1
      timer = wait()
      return
    }
    socket.removeListener('close', stop)
    socket.write(end)
  }
  const stop = () => clearTimeout(timer)
  let timer = wait()
  socket.once('close', stop)
}

function refusal(status: number, message: string): Buffer {
  return scriptedResponse(
    status,
    JSON.stringify({ error: { message, type: 'invalid_request_error', code: 'scripted' } }),
  )
}
