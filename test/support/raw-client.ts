// A client on a bare socket: sends exactly the bytes that a test gives it and keeps exactly what comes back. For what a
// real HTTP client refuses to send, hides, or repairs.
import { connect } from 'node:net'
import type { Socket } from 'node:net'

import { soon } from './deadline.ts'
import { MessageReader } from './http-message.ts'
import type { HttpMessage } from './http-message.ts'
import type { Cleanup } from './scripted-upstream.ts'

/** An `http://` URL (only host and port count), or the path of a Unix socket. */
export type Address = string | { readonly socketPath: string }

export interface RawResponse extends HttpMessage {
  readonly status: number
}

export interface RawClient {
  /** The client's own port, as the server sees it; undefined on a Unix socket. */
  readonly localPort: number | undefined
  /** Everything that came so far, framing included. */
  received(): Buffer
  send(bytes: Uint8Array | string): void
  /** Stops sending and still reads (FIN). */
  endSending(): void
  /** Leaves at once: in order (FIN, as a browser tab that closes), or with a reset (RST). */
  leave(how?: 'close' | 'reset'): void
  /** Stops and goes on reading; a server that respects backpressure then stops sending. */
  pause(): void
  resume(): void
  /**
   * The next response, when it is complete or the connection has ended inside of it (`complete` is false then). An
   * informational one (1xx) counts as a response. Rejects when the connection ended without one.
   */
  response(): Promise<RawResponse>
  /** The response that is under way or comes next, as soon as its head is there. Its body grows as it arrives. */
  head(): Promise<RawResponse>
  /** Resolves when the text stands in the body of the response that `head` gives. Rejects when it can't come any more. */
  seen(text: string): Promise<void>
  /** Resolves when the server has ended or broken the connection. */
  readonly ended: Promise<'end' | 'reset'>
}

/** A connection that is closed after the test. `bodyless` says that the responses are to HEAD requests. */
export async function connectRaw(
  t: Cleanup,
  address: Address,
  options: { bodyless?: boolean } = {},
): Promise<RawClient> {
  const socket = typeof address === 'string' ? connectUrl(address) : connect(address.socketPath)
  socket.setNoDelay(true)
  t.after(() => socket.destroy())
  const client = new Client(socket, options.bodyless ?? false)
  await soon(client.connected, () => `a connection to ${JSON.stringify(address)}`)
  return client
}

/** One request on its own connection, and the response to it. */
export async function exchange(
  t: Cleanup,
  address: Address,
  request: Uint8Array | string,
): Promise<RawResponse> {
  const isHead =
    Buffer.from(request as string)
      .subarray(0, 5)
      .toString('latin1') === 'HEAD '
  const client = await connectRaw(t, address, { bodyless: isHead })
  client.send(request)
  const response = await client.response()
  client.leave()
  return response
}

/**
 * The bytes of a request. `host: localhost` and, where there is a body, `content-length` and a JSON `content-type` are
 * added unless the headers name them; a header that is undefined is left out.
 */
export function rawRequest(
  line: `${string} ${string}`,
  headers: Readonly<Record<string, string | undefined>> = {},
  body?: Uint8Array | string,
): Buffer {
  const added: Record<string, string | undefined> = { host: 'localhost' }
  if (body !== undefined) {
    added['content-type'] = 'application/json'
    added['content-length'] = String(Buffer.byteLength(body))
  }
  for (const name of Object.keys(headers)) delete added[name.toLowerCase()]
  const lines = Object.entries({ ...added, ...headers })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([
    Buffer.from(`${line} HTTP/1.1\r\n${lines.join('')}\r\n`),
    Buffer.from((body ?? '') as string),
  ])
}

function connectUrl(address: string): Socket {
  const { hostname, port } = new URL(address)
  return connect(Number(port), hostname.replace(/^\[|\]$/g, ''))
}

class Client implements RawClient {
  readonly connected: Promise<void>
  readonly ended: Promise<'end' | 'reset'>
  readonly #socket: Socket
  readonly #reads: Buffer[] = []
  readonly #responses: RawResponse[] = []
  /** Responses that `response` has given out. */
  #given = 0
  #ending: 'end' | 'reset' | undefined
  #failure: Error | undefined
  #changed = Promise.withResolvers<void>()

  constructor(socket: Socket, bodyless: boolean) {
    this.#socket = socket
    const connected = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<'end' | 'reset'>()
    this.connected = connected.promise
    this.ended = ended.promise
    const reader = new MessageReader({
      isResponse: true,
      bodyless: () => bodyless,
      onHead: (message) => this.#responses.push(withStatus(message)),
    })
    const finish = (how: 'end' | 'reset') => {
      this.#ending ??= how
      ended.resolve(this.#ending)
      this.#change()
    }
    socket.once('connect', () => connected.resolve())
    socket.on('error', (error) => {
      connected.reject(error)
      finish('reset')
    })
    socket.on('end', () => {
      reader.end()
      finish('end')
    })
    socket.on('close', () => finish('end'))
    socket.on('data', (data: Buffer) => {
      this.#reads.push(data)
      try {
        reader.push(data)
      } catch (error) {
        this.#failure = error as Error
        socket.destroy()
      }
      this.#change()
    })
  }

  get localPort(): number | undefined {
    return this.#socket.localPort
  }

  received(): Buffer {
    return Buffer.concat(this.#reads)
  }

  send(bytes: Uint8Array | string): void {
    this.#socket.write(bytes)
  }

  endSending(): void {
    this.#socket.end()
  }

  leave(how: 'close' | 'reset' = 'close'): void {
    if (how === 'reset') this.#socket.resetAndDestroy()
    else this.#socket.destroy()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  async response(): Promise<RawResponse> {
    const index = this.#given++
    return this.#when('a complete response', () => {
      const response = this.#responses[index]
      return response?.complete || (response !== undefined && this.#ending !== undefined)
        ? response
        : undefined
    })
  }

  async head(): Promise<RawResponse> {
    return this.#when('the head of a response', () => this.#responses[this.#given])
  }

  async seen(text: string): Promise<void> {
    const response = await this.head()
    await this.#when(`${JSON.stringify(text)} in a response`, () => {
      if (response.body().includes(text)) return true
      if (response.complete) throw new Error(`the response is complete without ${JSON.stringify(text)}`)
      return undefined
    })
  }

  /** Looks again after every read and at the end. */
  async #when<T>(what: string, look: () => T | undefined): Promise<T> {
    const describe = () =>
      `${what}; came so far: ${JSON.stringify(this.received().toString('latin1').slice(-2000))}`
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure
      const found = look()
      if (found !== undefined) return found
      if (this.#ending !== undefined) throw new Error(`the connection ended before ${describe()}`)
      await soon(this.#changed.promise, describe)
    }
  }

  #change(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers<void>()
  }
}

function withStatus(message: HttpMessage): RawResponse {
  return Object.defineProperty(message, 'status', {
    value: Number(message.startLine.split(' ')[1]),
  }) as RawResponse
}
