// How many connections are open at once, over all listeners. Where descriptors run out, the system closes connections
// without a word to anybody, and a connection to a provider fails as if the provider were at fault; so clients are refused
// before that.
import type { Socket } from 'node:net'
import type { Descriptors } from '../../platform/descriptors.ts'
import { GatewayError } from '../../errors.ts'

export interface ConnectionLimits {
  readonly maxConnections: number
  /** Refused connections that may wait for their response at once; further ones are closed. */
  readonly maxRejected: number
}

/** Meant for 10,000 open streams. */
export const mostConnections: ConnectionLimits = { maxConnections: 12_000, maxRejected: 64 }

/**
 * As many connections as there are descriptors for: one for each client and one for the provider that answers it, besides
 * those that are open now and some for files and look-ups of names.
 * @param share of this thread, from 0 to 1.
 */
export function connectionLimits(descriptors: Descriptors | undefined, share: number): ConnectionLimits {
  if (descriptors === undefined) return mostConnections
  const free = (descriptors.limit - descriptors.open) * share
  const reserve = Math.min(256, Math.max(8, free / 8))
  const maxConnections = Math.floor((free - reserve) / 2)
  const maxRejected = Math.floor(reserve / 2)
  return {
    maxConnections: Math.max(1, Math.min(mostConnections.maxConnections, maxConnections)),
    maxRejected: Math.min(mostConnections.maxRejected, maxRejected),
  }
}

export class OpenConnections {
  readonly #limits: ConnectionLimits
  #open = 0
  #rejected = 0

  constructor(limits: ConnectionLimits) {
    this.#limits = limits
  }

  // 'close' comes once, and `once` would keep two more objects for each connection.

  /** Counts a connection until it closes. False: there are too many. */
  add(socket: Socket): boolean {
    if (this.#open >= this.#limits.maxConnections) return false
    this.#open += 1
    socket.on('close', () => (this.#open -= 1))
    return true
  }

  /** The same for one that is refused. False: there is no descriptor for its response. */
  addRejected(socket: Socket): boolean {
    if (this.#rejected >= this.#limits.maxRejected) return false
    this.#rejected += 1
    socket.on('close', () => (this.#rejected -= 1))
    return true
  }

  tooMany(): GatewayError {
    const { maxConnections } = this.#limits
    const isFew = maxConnections < mostConnections.maxConnections
    const hint = isFew
      ? 'Its file descriptors suffice for no more: raise their limit (LimitNOFILE= of the unit, ulimit -Hn).'
      : 'Close some of them.'
    const headers = { 'retry-after': '5' }
    return new GatewayError('overloaded', `The gateway has ${maxConnections} connections open. ${hint}`, {
      headers,
    })
  }
}
