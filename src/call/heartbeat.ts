// The heartbeat of a streamed call whose response has not begun: in line, between attempts, while a provider reads the
// prompt or loads its model. Proxies and clients give up on a connection that is silent; but the first beat commits the
// response to status 200, after which SDKs neither time out nor retry, and what fails can only be an event. So it waits
// for `server.heartbeat_after_ms`, and in line for as long as proxies allow, because a refusal needs its status.
import type { Boundary } from '../platform/boundary.ts'
import type { OwnEvents } from '../dialects/dialect.ts'
import type { Reply, Snapshot } from './call.ts'
import type { TickListener } from './ticker.ts'

/** Silence that proxies allow: nginx, for one, ends a connection after 60 s. */
const maxSilenceMs = 50_000

/** A refusal at the end of a wait may be late by this much: the thread is busy, or another one decides. */
const lateRefusalMs = 1_000

/** Nothing on the way may hold events back, and nothing may keep them. */
export const streamHeaders = ['cache-control', 'no-cache, no-transform', 'x-accel-buffering', 'no']

type Services = Pick<Snapshot, 'ticker' | 'events'>

export class Heartbeat implements TickListener {
  index = -1
  /** The only one that can answer the call, once it is known; for the head, which goes out with the first beat. */
  provider: string | undefined
  /** Where that one answers the call. */
  boundary: Boundary = 'any'
  readonly #reply: Reply
  readonly #own: OwnEvents
  readonly #on: Services
  readonly #contentType: string
  #afterMs = 0
  #startedAtMs = 0
  #dueAtMs = 0

  /** @param contentType of the client's stream. */
  constructor(reply: Reply, own: OwnEvents, contentType: string, on: Services) {
    this.#reply = reply
    this.#contentType = contentType
    this.#own = own
    this.#on = on
  }

  /** @param afterMs silence before each beat, the first one included. */
  start(nowMs: number, afterMs: number): void {
    this.#afterMs = afterMs
    this.#startedAtMs = nowMs
    this.#dueAtMs = nowMs + afterMs
    this.#on.ticker.add(this)
  }

  /** The call may wait for so long, and be refused then. */
  enterLine(nowMs: number, maxWaitMs: number): void {
    if (this.#reply.isStarted) return
    const refusedAfterMs = nowMs - this.#startedAtMs + maxWaitMs
    const mayBeRefused = refusedAfterMs <= maxSilenceMs
    const quietMs = mayBeRefused ? refusedAfterMs + lateRefusalMs : maxSilenceMs
    this.#dueAtMs = this.#startedAtMs + Math.max(this.#afterMs, quietMs)
  }

  /** The call is admitted, and its first attempt may fail with a status of its own. */
  leaveLine(nowMs: number): void {
    if (this.#reply.isStarted) return
    const latestMs = this.#startedAtMs + Math.max(this.#afterMs, maxSilenceMs)
    this.#dueAtMs = Math.min(nowMs + this.#afterMs, latestMs)
  }

  onTick(nowMs: number): void {
    if (nowMs < this.#dueAtMs) return
    this.#dueAtMs = nowMs + this.#afterMs
    if (this.provider !== undefined && !this.#reply.isStarted) {
      setProvider(this.#reply, this.provider, this.boundary)
    }
    this.#reply.start(200, ['content-type', this.#contentType, ...streamHeaders])
    this.#reply.write(this.#own.heartbeat(nowMs - this.#startedAtMs))
  }

  /** The call goes on without further beats. */
  onBug(error: unknown): void {
    this.#on.events.emit({ kind: 'internal_error', error, where: 'call' })
  }

  /** To be called before anything else is written. Does nothing if it was not started. */
  stop(): void {
    this.#on.ticker.delete(this)
  }
}

/**
 * Names the provider in the head of whatever response comes, and how far away it is; only before the response has started.
 * @param boundary the narrowest one that the call has stayed in.
 */
export function setProvider(reply: Reply, provider: string, boundary: Boundary): void {
  reply.set('x-llm-gateway-provider', provider)
  reply.set('x-llm-gateway-boundary', boundary)
}
