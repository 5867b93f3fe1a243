// A provider's connections over HTTP/1.1, each with one request at a time: an abort ends that request's connection and
// so the provider's work, and disturbs no other. undici's own pool scans all of its connections for a free one (opening
// 6,000 streams at once took 8.7 s with it, 6.3 s with this free list), and keeps as many as were ever open at once.
import { Socket } from 'node:net'
import type { buildConnector, Dispatcher } from 'undici'
import Client from 'undici/lib/dispatcher/client.js'
import { UnorderedList, type Indexed } from '../platform/unordered-list.ts'
import { type ConnectionInUse, HttpExchange } from './http-exchange.ts'
import type { ResponseHandler, Exchange } from './provider.ts'

/** Idle sockets are closed before uvicorn and cpp-httplib (5 s) close them under a request on its way. */
const keepAliveTimeoutMs = 4_000

/** Response headers beyond this size fail the attempt. */
const maxResponseHeaderBytes = 16_384

const clientOptions = {
  allowH2: false,
  pipelining: 1,
  headersTimeout: 0,
  bodyTimeout: 0,
  keepAliveTimeout: keepAliveTimeoutMs,
  maxHeaderSize: maxResponseHeaderBytes,
} as const

export class Connections {
  readonly #origin: string
  readonly #connect: buildConnector.connector
  readonly #all = new Set<Connection>()
  readonly #idle = new UnorderedList<Connection>()

  /** @param connect makes a connection to the origin. */
  constructor(origin: string, connect: buildConnector.connector) {
    this.#origin = origin
    this.#connect = connect
  }

  /** Sends a request over the idle connection that was used last, else over a new one. */
  send(options: Dispatcher.DispatchOptions, handler: ResponseHandler): Exchange {
    const connection = this.#idle.take() ?? this.#open()
    const exchange = new HttpExchange(handler, connection)
    connection.exchange = exchange
    try {
      connection.client.dispatch(options, exchange)
    } catch (error) {
      exchange.onResponseError(null, error as Error)
    }
    return exchange
  }

  /** No further request uses the connections that there are: idle ones end now, the others with their requests. */
  retire(): void {
    for (const connection of this.#all) connection.retire()
  }

  /** Ends idle connections, and the others with their requests. Resolves when all have ended. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#all, ({ client }) => client.close()))
  }

  /** Ends all of them now. */
  async destroy(): Promise<void> {
    await Promise.all(Array.from(this.#all, ({ client }) => client.destroy()))
  }

  #open(): Connection {
    const connection = new Connection(this.#origin, this.#connect, {
      onIdle: () => this.#idle.add(connection),
      onEnd: () => {
        this.#idle.delete(connection)
        this.#all.delete(connection)
      },
    })
    this.#all.add(connection)
    return connection
  }
}

/** Called for one connection. */
interface Listener {
  /** It may carry the next request. */
  readonly onIdle: () => void
  /** It will carry no more. */
  readonly onEnd: () => void
}

/** undici's client with its one connection. */
class Connection implements Indexed, ConnectionInUse {
  index = -1
  readonly client: Client
  /** The one that uses it. */
  exchange: HttpExchange | undefined
  isReading = false
  readonly #listener: Listener
  #isRetired = false
  /** While the connection is being made, and after. */
  #socket: Socket | undefined

  constructor(origin: string, connect: buildConnector.connector, listener: Listener) {
    this.#listener = listener
    this.client = new Client(origin, {
      ...clientOptions,
      connect: (options, callback) => {
        // By its types it returns nothing; should that become true, an attempt lasts for `connect_ms` at most.
        const socket: unknown = connect(options, (...result) => {
          // With an error it is left out.
          const connected: Socket | null | undefined = result[1]
          if (connected === null || connected === undefined) return callback(...result)
          // Around undici's own listener, which parses what has come: one chunk of the body after the other.
          connected.on('readable', this.#beginRead)
          callback(...result)
          connected.on('readable', this.#endRead)
        })
        if (socket instanceof Socket) this.#socket = socket
      },
    })
    // The provider or the idle timeout has ended it. A request that is already here opens a new one.
    this.client.on('disconnect', () => {
      if (this.index >= 0) this.end()
    })
  }

  readonly #beginRead = (): void => {
    this.isReading = true
  }

  readonly #endRead = (): void => {
    this.isReading = false
    this.exchange?.onRest()
  }

  release(): void {
    this.exchange = undefined
    // One turn of the event loop later: some providers close a connection right after a response that did not announce
    // it, and a request that crosses that close may be served and lost.
    setImmediate(() => {
      if (this.client.stats.connected && !this.#isRetired) this.#listener.onIdle()
      else this.end()
    })
  }

  retire(): void {
    this.#isRetired = true
    if (this.index >= 0) this.end()
  }

  end(): void {
    this.exchange = undefined
    this.#listener.onEnd()
    this.#socket?.destroy(new Error('aborted'))
    void this.client.destroy()
  }
}
