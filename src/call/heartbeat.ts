// The heartbeat of a streamed call whose response has not begun: in line, between attempts, while a provider reads the
// prompt or loads its model. Proxies and clients give up on a connection that is silent.
import type { OwnEvents } from '../dialects/dialect.ts'
import type { Reply } from './call.ts'
import type { Ticker, TickListener } from './ticker.ts'

/** Silence after which a heartbeat keeps the connection alive. */
export const heartbeatMs = 15_000

/** Nothing on the way may hold events back, and nothing may keep them. */
export const streamHeaders = ['cache-control', 'no-cache, no-transform', 'x-accel-buffering', 'no']

/** The first beat commits the response to status 200; what fails later can only be an event. */
export class Heartbeat implements TickListener {
  index = -1
  readonly #reply: Reply
  readonly #own: OwnEvents
  readonly #ticker: Ticker
  #startedAtMs = 0
  #lastBeatMs = 0

  constructor(reply: Reply, own: OwnEvents, ticker: Ticker) {
    this.#reply = reply
    this.#own = own
    this.#ticker = ticker
  }

  start(nowMs: number): void {
    this.#startedAtMs = nowMs
    this.#lastBeatMs = nowMs
    this.#ticker.add(this)
  }

  onTick(nowMs: number): void {
    if (nowMs - this.#lastBeatMs < heartbeatMs) return
    this.#lastBeatMs = nowMs
    this.#reply.start(200, ['content-type', 'text/event-stream; charset=utf-8', ...streamHeaders])
    this.#reply.write(this.#own.heartbeat(nowMs - this.#startedAtMs))
  }

  /** To be called before anything else is written. Does nothing if it was not started. */
  stop(): void {
    this.#ticker.delete(this)
  }
}
