// Periodic requests to the providers of a configuration: which models they list, and whether they are healthy. A provider
// receives one request of each kind at a time. A bug in what handles the responses is reported, and the polls go on. A server that is
// started on demand is asked only while it takes calls: what it answers while it starts or stops means nothing.
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
  /** Called when a question was given up, because the server was stopped or started again meanwhile. */
  readonly onGivenUp?: () => void
  /** Called when the server is asked nothing more until it takes calls again. */
  readonly onPaused?: () => void
}

/** Whether a provider takes requests at the moment: false of a server that is started on demand and is not ready. */
export type IsOpen = (provider: string) => boolean

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
  readonly #isOpen: IsOpen
  readonly #running = new Map<string, Poll>()

  /** @param onBug is called with what handling a response has thrown. */
  constructor(clock: PollClock, onBug: (error: unknown) => void, isOpen: IsOpen = () => true) {
    this.#clock = clock
    this.#onBug = onBug
    this.#isOpen = isOpen
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
      const poll = new Poll(provider, parts, this.#clock, this.#onBug, () => this.#isOpen(name))
      this.#running.set(name, poll)
      void poll.run()
    }
  }

  /** The provider may have become open, or closed: it is asked at once, or not before it is open. */
  reconsider(provider: string): void {
    this.#running.get(provider)?.reconsider()
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
  readonly #isOpen: () => boolean
  readonly #waiting: (() => void)[] = []
  #probe: Pick<Exchange, 'abort'> | undefined
  #stopTimer: (() => void) | undefined
  #startedAtMs = 0

  constructor(
    provider: Provider,
    parts: PollParts,
    clock: PollClock,
    reportBug: (error: unknown) => void,
    isOpen: () => boolean,
  ) {
    this.provider = provider
    this.#parts = parts
    this.#clock = clock
    this.#reportBug = reportBug
    this.#isOpen = isOpen
  }

  /** Whether a question is under way. */
  get isRunning(): boolean {
    return this.#probe !== undefined
  }

  /** When the last question began, in milliseconds of the monotonic clock. */
  get startedAtMs(): number {
    return this.#startedAtMs
  }

  /** Asks now unless a question is under way. Resolves when its answer has been taken, or the poll has ended or is paused. */
  run(): Promise<void> {
    const asked = new Promise<void>((resolve) => void this.#waiting.push(resolve))
    this.#begin()
    return asked
  }

  /** Asks the server that has just become open, or gives up what it was asked. */
  reconsider(): void {
    this.#giveUp()
    this.#begin()
  }

  stop(): void {
    this.#stopTimer?.()
    this.#probe?.abort()
    this.#release()
  }

  #begin(): void {
    if (this.#probe !== undefined) return
    this.#stopTimer?.()
    if (!this.#isOpen()) {
      this.#parts.onPaused?.()
      this.#release()
      return
    }
    this.#startedAtMs = this.#clock.now()
    // A connection that broke may have been an idle one that the server closed just then: a new one shows whether it still serves.
    const { request } = this.#parts
    this.#send(request, (outcome) => {
      if (isBroken(outcome)) this.#send(request, (second) => this.#onOutcome(second))
      else this.#onOutcome(outcome)
    })
  }

  #send(request: ProbeRequest, onResult: (outcome: ProbeOutcome) => void): void {
    const ifOpen = (outcome: ProbeOutcome) => {
      if (this.#isOpen()) onResult(outcome)
      // It was stopped meanwhile: the outcome says nothing of it.
      else this.reconsider()
    }
    const handlers = { onResult: ifOpen, onBug: (error: unknown) => this.#onBug(error) }
    this.#probe = probe(this.provider, request, this.#clock, handlers)
  }

  #onOutcome(outcome: ProbeOutcome): void {
    const next = this.#parts.next?.(outcome)
    if (next === undefined) this.#onResult(outcome)
    else this.#send(next, (another) => this.#onOutcome(another))
  }

  #giveUp(): void {
    if (this.#probe === undefined) return
    this.#probe.abort()
    this.#probe = undefined
    this.#parts.onGivenUp?.()
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
