// The heartbeat of a streamed call whose response has not begun: in line, between attempts, while a provider reads the
// prompt or loads its model. Proxies and clients give up on a connection that is silent.
import type { Call, Reply } from './call.ts'
import type { Ticker, TickListener } from './ticker.ts'

/** Silence after which a comment keeps the connection alive. */
export const heartbeatMs = 15_000

export const eventStreamType = 'text/event-stream; charset=utf-8'

/** Nothing on the way may hold events back, and nothing may keep them. */
export const streamHeaders = ['cache-control', 'no-cache, no-transform', 'x-accel-buffering', 'no']

/** The first beat commits the response to status 200; what fails later can only be an event. */
export class Heartbeat implements TickListener {
  index = -1
  readonly #reply: Reply
  readonly #heartbeat: Buffer
  readonly #ticker: Ticker
  #lastBeatMs = 0

  constructor({ reply, dialect }: Call, ticker: Ticker) {
    this.#reply = reply
    this.#heartbeat = dialect.heartbeat
    this.#ticker = ticker
  }

  start(nowMs: number): void {
    this.#lastBeatMs = nowMs
    this.#ticker.add(this)
  }

  onTick(nowMs: number): void {
    if (nowMs - this.#lastBeatMs < heartbeatMs) return
    this.#lastBeatMs = nowMs
    this.#reply.start(200, ['content-type', eventStreamType, ...streamHeaders])
    this.#reply.write(this.#heartbeat)
  }

  /** To be called before anything else is written. Does nothing if it was not started. */
  stop(): void {
    this.#ticker.delete(this)
  }
}
