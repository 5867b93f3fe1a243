// A URL that is asked regularly: a service elsewhere reports when that stops, which the gateway itself cannot.
import type { NotifyConfig } from '../../config/observe-types.ts'
import { send, statusFault } from '../../outbound/post.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Events } from '../events.ts'

export class Heartbeat {
  readonly #clock: Clock
  readonly #emit: Events['emit']
  #config: NotifyConfig['heartbeat']
  #cancel: () => void = () => {}
  #isFailing = false
  #isSending = false

  constructor(clock: Clock, emit: Events['emit']) {
    this.#clock = clock
    this.#emit = emit
  }

  /** Begins at once, unless nothing has changed. */
  follow(config: NotifyConfig['heartbeat']): void {
    const before = this.#config
    this.#config = config
    const isSame = before?.intervalMs === config?.intervalMs && before?.url.reveal() === config?.url.reveal()
    if (isSame && before !== undefined) return
    this.#cancel()
    if (config !== undefined) this.#beat()
  }

  stop(): void {
    this.#config = undefined
    this.#cancel()
  }

  #beat(): void {
    if (this.#config === undefined) return
    this.#cancel = this.#clock.setTimer(() => this.#beat(), this.#config.intervalMs)
    if (!this.#isSending) void this.#ask(this.#config.url.reveal())
  }

  async #ask(url: string): Promise<void> {
    this.#isSending = true
    const request = { method: 'GET', headers: { 'user-agent': 'llm-gateway' } } as const
    const outcome = await send(url, request, this.#clock.wallNow())
    this.#isSending = false
    const isFailing = outcome.kind !== 'taken'
    if (isFailing && !this.#isFailing && this.#config !== undefined) {
      const reason = outcome.kind === 'failed' ? outcome.fault : statusFault(outcome.status)
      this.#emit({ kind: 'heartbeat_failed', reason })
    }
    this.#isFailing = isFailing
  }
}
