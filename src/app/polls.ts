// Periodic requests to the providers of a configuration: which models they list, and whether they are healthy. A provider
// receives one request of each kind at a time. A bug in what handles the responses is reported, and the polls go on.
import type { Clock } from '../platform/clock.ts'
import { probe, type ProbeOutcome, type ProbeRequest } from '../upstream/probe.ts'
import type { Exchange, Provider } from '../upstream/provider.ts'
import type { ProviderSet } from './provider-pool.ts'

export interface PollParts {
  readonly request: ProbeRequest
  /** What else is to be requested before the result counts: the next page. Absent: nothing. Called for each outcome. */
  readonly next?: (outcome: ProbeOutcome) => ProbeRequest | undefined
  /** @param outcome the last one. @returns milliseconds until the next probe, before jitter. */
  readonly onResult: (outcome: ProbeOutcome) => number
}

export type PollClock = Pick<Clock, 'now' | 'setTimer'> & {
  /** From 0 to below 1, at random. */
  readonly chance: () => number
}

/** After a bug, in milliseconds. */
const afterBugMs = 30_000

/** The polls of one kind, by the provider's name. */
export class Polls {
  readonly #clock: PollClock
  readonly #onBug: (error: unknown) => void
  readonly #running = new Map<string, Poll>()

  /** @param onBug is called with what handling a response has thrown. */
  constructor(clock: PollClock, onBug: (error: unknown) => void) {
    this.#clock = clock
    this.#onBug = onBug
  }

  get(provider: string): Poll | undefined {
    return this.#running.get(provider)
  }

  /**
   * Switches to another set of providers: ends the polls of those that are not in it or whose settings have changed, and
   * begins the missing ones with an immediate request.
   * @param partsFor undefined for a provider that is not polled.
   */
  follow(providers: ProviderSet, partsFor: (provider: Provider) => PollParts | undefined): void {
    for (const [name, poll] of this.#running) {
      if (providers.get(name) === poll.provider) continue
      poll.stop()
      this.#running.delete(name)
    }
    for (const [name, provider] of providers) {
      const parts = this.#running.has(name) ? undefined : partsFor(provider)
      if (parts === undefined) continue
      const poll = new Poll(provider, parts, this.#clock, this.#onBug)
      this.#running.set(name, poll)
      void poll.run()
    }
  }

  stop(): void {
    for (const poll of this.#running.values()) poll.stop()
    this.#running.clear()
  }
}

export class Poll {
  readonly provider: Provider
  readonly #parts: PollParts
  readonly #clock: PollClock
  readonly #reportBug: (error: unknown) => void
  readonly #waiting: (() => void)[] = []
  #probe: Pick<Exchange, 'abort'> | undefined
  #stopTimer: (() => void) | undefined
  #startedAtMs = 0

  constructor(provider: Provider, parts: PollParts, clock: PollClock, reportBug: (error: unknown) => void) {
    this.provider = provider
    this.#parts = parts
    this.#clock = clock
    this.#reportBug = reportBug
  }

  /** Whether a question is under way. */
  get isRunning(): boolean {
    return this.#probe !== undefined
  }

  /** When the last question began, in milliseconds of the monotonic clock. */
  get startedAtMs(): number {
    return this.#startedAtMs
  }

  /** Asks now unless a question is under way. Resolves when its answer has been taken, or the poll has ended. */
  run(): Promise<void> {
    this.#begin()
    return new Promise((resolve) => void this.#waiting.push(resolve))
  }

  stop(): void {
    this.#stopTimer?.()
    this.#probe?.abort()
    this.#release()
  }

  #begin(): void {
    if (this.#probe !== undefined) return
    this.#stopTimer?.()
    this.#startedAtMs = this.#clock.now()
    // A connection that broke may have been an idle one that the server closed just then: a new one shows whether it still serves.
    const { request } = this.#parts
    this.#send(request, (outcome) => {
      if (isBroken(outcome)) this.#send(request, (second) => this.#onOutcome(second))
      else this.#onOutcome(outcome)
    })
  }

  #send(request: ProbeRequest, onResult: (outcome: ProbeOutcome) => void): void {
    const handlers = { onResult, onBug: (error: unknown) => this.#onBug(error) }
    this.#probe = probe(this.provider, request, this.#clock, handlers)
  }

  #onOutcome(outcome: ProbeOutcome): void {
    const next = this.#parts.next?.(outcome)
    if (next === undefined) this.#onResult(outcome)
    else this.#send(next, (another) => this.#onOutcome(another))
  }

  #onResult(outcome: ProbeOutcome): void {
    this.#finish(this.#parts.onResult(outcome))
  }

  #onBug(error: unknown): void {
    this.#reportBug(error)
    this.#finish(afterBugMs)
  }

  /** @param delayMs until the next question, before jitter. */
  #finish(delayMs: number): void {
    this.#probe = undefined
    const { setTimer, chance } = this.#clock
    // Jitter of up to a tenth, so that gateways that were started together do not send their requests together.
    this.#stopTimer = setTimer(() => this.#begin(), delayMs * (0.9 + 0.2 * chance()))
    this.#release()
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

function isBroken(outcome: ProbeOutcome): boolean {
  return outcome.kind === 'failed' && outcome.failure.kind === 'broken'
}
