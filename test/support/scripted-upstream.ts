// A provider on a real socket whose every byte the test decides: what it responds, in which pieces, and when. It runs
// on `node:net` alone, because an HTTP server would repair what a broken provider sends.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

import { soon } from './deadline.ts'
import { MessageReader } from './http-message.ts'
import type { HttpMessage } from './http-message.ts'
import { json, split } from './upstream-script.ts'
import type { Script } from './upstream-script.ts'

// Taken before a test can mock the timers.
const { setImmediate } = globalThis

export type ScriptedResponse = Script | ((request: ReceivedRequest) => Script)

/** How a request came out, as the provider saw it, with the time of `performance.now()`. */
export interface Outcome {
  /** `aborted`: the client closed the connection before the script was through. */
  readonly kind: 'answered' | 'aborted'
  readonly atMs: number
}

export interface ReceivedRequest {
  readonly method: string
  readonly target: string
  /** In the order and case of the wire. */
  readonly headers: HttpMessage['headers']
  /** The value of a header that stands there once; undefined when absent, an error when repeated. */
  header(name: string): string | undefined
  /** With the framing taken off. */
  readonly body: Buffer
  /** Number of the connection, from 1: two requests with the same one shared a socket. */
  readonly connection: number
  readonly outcome: Promise<Outcome>
  /** How much of the response the system took from the script; stands still while the client does not read. */
  bytesTaken(): number
}

export interface ScriptedUpstream {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string
  /** Complete requests in the order of their arrival. */
  readonly requests: readonly ReceivedRequest[]
  /** Connections that were ever accepted. */
  readonly connections: number
  /** Connections that are open now. */
  readonly openConnections: number
  /** Resolves when the last open connection has closed. */
  allClosed(): Promise<void>
  /** Responds so to the next request that has no response yet; they queue up. */
  respond(response: ScriptedResponse): void
  /** Responds so to every request for which nothing is queued; without it they get a 500 that says so. */
  respondAlways(response: ScriptedResponse): void
  /** The next complete request that no earlier call of this has returned. */
  nextRequest(): Promise<ReceivedRequest>
  /** Stops listening and resets all connections. Happens by itself after the test. */
  close(): Promise<void>
}

/** What of `node:test`'s context the kit needs. */
export interface Cleanup {
  after(release: () => unknown): void
}

export async function startUpstream(t: Cleanup): Promise<ScriptedUpstream> {
  const upstream = new Upstream()
  await upstream.listen()
  t.after(() => upstream.close())
  return upstream
}

/**
 * The URL of a port that refuses connections until the test ends: a connected client socket holds it, so that nobody
 * else can come to listen there.
 */
export async function refusingUrl(t: Cleanup): Promise<string> {
  const sockets: Socket[] = []
  const server = createServer((socket) => sockets.push(socket.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const holder = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {})
  await new Promise<unknown>((resolve) => holder.once('connect', resolve))
  t.after(() => {
    for (const socket of [holder, ...sockets]) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${holder.localPort}`
}

/**
 * The URL of a port where connections hang while they are made: whoever listens there accepts none, and its queue in the
 * kernel is full (Linux then leaves the first packet of a further connection unanswered).
 */
export async function silentUrl(t: Cleanup): Promise<string> {
  const code = `
    const server = require('node:net').createServer()
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, String(server.address().port))
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000)
    })`
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [text] = (await soon(once(child.stdout, 'data'), () => 'a port that stays silent')) as [Buffer]
  const port = Number(text.toString())
  const fillers = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => {}))
  t.after(() => {
    child.kill('SIGKILL')
    for (const socket of fillers) socket.destroy()
  })
  // The queue takes one more than its length; the others hang as every further connection will.
  await soon(Promise.any(fillers.slice(1).map((socket) => once(socket, 'connect'))), () => 'a full queue')
  return `http://127.0.0.1:${port}`
}

class Upstream implements ScriptedUpstream {
  readonly requests: ReceivedRequest[] = []
  connections = 0
  readonly #sockets = new Set<Socket>()
  readonly #queue: ScriptedResponse[] = []
  #default: ScriptedResponse | undefined
  #returned = 0
  readonly #waiting: ((request: ReceivedRequest) => void)[] = []
  // Half-open, because otherwise a client that only stops sending would end the response by itself.
  readonly #server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
    this.#accept(socket),
  )

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get openConnections(): number {
    return this.#sockets.size
  }

  async allClosed(): Promise<void> {
    const closed = [...this.#sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    await soon(Promise.all(closed), () => `the last of ${this.#sockets.size} connections to close`)
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(0, '127.0.0.1', resolve)
    })
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.resetAndDestroy()
    await closed
  }

  respond(response: ScriptedResponse): void {
    this.#queue.push(response)
  }

  respondAlways(response: ScriptedResponse): void {
    this.#default = response
  }

  async nextRequest(): Promise<ReceivedRequest> {
    const index = this.#returned++
    const arrived = this.requests[index]
    if (arrived !== undefined) return arrived
    const next = new Promise<ReceivedRequest>((resolve) => this.#waiting.push(resolve))
    return soon(next, () => `request ${index + 1} at the scripted upstream`)
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    const connection = new Connection(socket, ++this.connections, (request) => this.#take(request))
    socket.once('close', () => {
      this.#sockets.delete(socket)
      connection.leave()
    })
  }

  #take(request: ReceivedRequest): Script {
    this.requests.push(request)
    this.#waiting.shift()?.(request)
    const response = this.#queue.shift() ?? this.#default ?? unscripted
    return typeof response === 'function' ? response(request) : response
  }
}

function unscripted(request: ReceivedRequest): Script {
  const message = `scripted upstream: no response is scripted for ${request.method} ${request.target}`
  return json(500, { error: { message, type: 'test_error', param: null, code: 'unscripted' } })
}

class Connection {
  readonly #socket: Socket
  readonly #number: number
  readonly #take: (request: ReceivedRequest) => Script
  readonly #left = Promise.withResolvers<'left'>()
  #hasLeft = false
  /** Pipelined requests are answered one after the other. */
  #turn: Promise<void> = Promise.resolve()

  constructor(socket: Socket, number: number, take: (request: ReceivedRequest) => Script) {
    this.#socket = socket
    this.#number = number
    this.#take = take
    const reader = new MessageReader({ isResponse: false, onComplete: (message) => this.#receive(message) })
    socket.on('error', () => this.leave())
    // As Python's and Go's servers do: a client that stops sending has left.
    socket.on('end', () => {
      this.leave()
      socket.destroy()
    })
    // Flows even while nothing is expected: a client that leaves is noticed by reading only.
    socket.on('data', (data: Buffer) => reader.push(data))
  }

  leave(): void {
    this.#hasLeft = true
    this.#left.resolve('left')
  }

  #receive(message: HttpMessage): void {
    const [method = '', target = ''] = message.startLine.split(' ')
    const outcome = Promise.withResolvers<Outcome>()
    let bytesTaken = 0
    const script = this.#take({
      method,
      target,
      headers: message.headers,
      header: (name) => message.header(name),
      body: message.body(),
      connection: this.#number,
      outcome: outcome.promise,
      bytesTaken: () => bytesTaken,
    })
    this.#turn = this.#turn.then(async () => {
      const kind = await this.#play(script, (count) => (bytesTaken += count))
      outcome.resolve({ kind, atMs: performance.now() })
    })
  }

  async #play(script: Script, onTaken: (count: number) => void): Promise<Outcome['kind']> {
    for await (const step of script) {
      if (this.#hasLeft) return 'aborted'
      switch (step.kind) {
        case 'write':
          for (const piece of split(Buffer.from(step.bytes), step.splitAt)) {
            if (this.#hasLeft || !(await this.#write(piece))) return 'aborted'
            onTaken(piece.length)
          }
          break
        case 'wait':
          if ((await Promise.race([step.gate, this.#left.promise])) === 'left') return 'aborted'
          break
        case 'hang':
          await this.#left.promise
          return 'aborted'
        case 'end':
          this.#socket.end()
          return 'answered'
        case 'reset':
          this.#socket.resetAndDestroy()
          return 'answered'
        default:
          return step satisfies never
      }
    }
    return 'answered'
  }

  /**
   * Writes a piece and lets the event loop turn, so that a reader in this process gets it by itself; for a reader in
   * another process nothing can promise that. False when the client left before the system took all of it.
   */
  async #write(piece: Buffer): Promise<boolean> {
    const taken = new Promise<boolean>((resolve) => this.#socket.write(piece, (error) => resolve(!error)))
    const isTaken = await Promise.race([taken, this.#left.promise.then(() => false)])
    // Twice: the first comes before the loop has polled for what can be read.
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve))
    return isTaken
  }
}
