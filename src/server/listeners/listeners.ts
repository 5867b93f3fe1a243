// Everything that a gateway listens on: opened together, or not at all, and closed together.
import type { Identify } from '../peer/peer-user.ts'
import { Draining } from './draining.ts'
import {
  type ConnectionGate,
  createGatedServer,
  type GatedServer,
  type Handlers,
  type HttpLimits,
} from './http-server.ts'
import { OpenConnections } from './open-connections.ts'

/** How to identify the peer of a connection, by the listener that accepted it. */
export interface PeerIdentifiers {
  readonly tcp: Identify
  readonly unixSocket: Identify
}

interface ListenerParts {
  readonly identifiers: PeerIdentifiers
  readonly handlers: Handlers
  readonly limits: HttpLimits
  /** How long an idle connection stays open after `close`. */
  readonly lingerMs: number
  readonly servesWhileClosing: boolean
}

export class Listeners {
  /** `http://127.0.0.1:4000` and so on; then the Unix socket as `unix:/path`. */
  readonly addresses: string[] = []
  readonly #parts: ListenerParts
  readonly #connections: OpenConnections
  readonly #servers: Draining[] = []

  constructor(parts: ListenerParts) {
    this.#parts = parts
    this.#connections = new OpenConnections(parts.limits)
  }

  /** Adds a server. @param bind makes it listen, and returns the address; undefined: there is none to listen on. */
  async add(
    kind: keyof PeerIdentifiers,
    bind: (acceptor: GatedServer['acceptor']) => Promise<string | undefined>,
  ): Promise<void> {
    const { identifiers, handlers, limits, lingerMs, servesWhileClosing } = this.#parts
    const gate: ConnectionGate = {
      connections: this.#connections,
      identify: identifiers[kind],
      isLoopbackOnly: kind === 'tcp',
      servesWhileClosing,
    }
    const server = createGatedServer(handlers, gate, limits)
    try {
      const address = await bind(server.acceptor)
      if (address === undefined) return
      this.#servers.push(new Draining(server, lingerMs))
      this.addresses.push(address)
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** Stops accepting, closes idle connections, and waits for those that carry a call. */
  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()))
  }

  /** Closes all connections that are still open. */
  closeNow(): void {
    for (const server of this.#servers) server.closeNow()
  }
}
