// The heartbeat of a streamed call whose answer has not begun: in line, between attempts, while a provider reads the
// prompt or loads its model. Proxies and clients give up on a connection that says nothing.
import type { Call, Snapshot } from './call.ts'
import { heartbeatMs, streamHeaders } from './relay-stream.ts'
import type { Timed } from './ticker.ts'

/** Beats until it is stopped. The first beat commits the answer to status 200; what fails later can only be an event. */
export class Pulse implements Timed {
  index = -1
  readonly #reply: Call['reply']
  readonly #heartbeat: Buffer
  readonly #ticker: Snapshot['ticker']
  #lastBeatMs: number

  constructor({ reply, dialect }: Call, { ticker, now }: Pick<Snapshot, 'ticker' | 'now'>) {
    this.#reply = reply
    this.#heartbeat = dialect.heartbeat
    this.#ticker = ticker
    this.#lastBeatMs = now()
    ticker.add(this)
  }

  onTick(nowMs: number): void {
    if (nowMs - this.#lastBeatMs < heartbeatMs) return
    this.#lastBeatMs = nowMs
    this.#reply.start(200, ['content-type', 'text/event-stream; charset=utf-8', ...streamHeaders])
    this.#reply.write(this.#heartbeat)
  }

  /** To be called before anything else is written. */
  stop(): void {
    this.#ticker.delete(this)
  }
}
