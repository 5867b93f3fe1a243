// From the moment when a service is ready until its unit stops, is stopped or crashes.
import type { ServiceVisit } from './services.ts'

export interface RunOwner {
  /** Visits of all of its runs that have not left. */
  calls: number
  readonly now: () => number
  /** The last visit has left, and no other has come. */
  readonly onEmpty: (run: ServiceRun) => void
}

export class ServiceRun {
  /** Of the unit, from one start to the next. */
  readonly invocation: string
  /** In milliseconds of the monotonic clock. */
  readonly readySinceMs: number
  /** Where its server has answered last. */
  origin: string | undefined
  /** The unit does not run any more, or is being stopped. */
  isOver = false
  #visits = 0
  /** Undefined: there was no call yet. */
  #lastCallEndedMs: number | undefined
  readonly #owner: RunOwner

  constructor(invocation: string, owner: RunOwner) {
    this.invocation = invocation
    this.readySinceMs = owner.now()
    this.#owner = owner
  }

  get visits(): number {
    return this.#visits
  }

  get lastCallEndedMs(): number | undefined {
    return this.#lastCallEndedMs
  }

  /** Since when it has no visit, in milliseconds of the monotonic clock. With visits: now. */
  get idleSinceMs(): number {
    return this.#visits > 0 ? this.#owner.now() : (this.#lastCallEndedMs ?? this.readySinceMs)
  }

  /** @param isCall false: a question, which is not cut, but keeps the server running no longer than that. */
  enter(isCall = true): ServiceVisit {
    this.#visits += 1
    this.#owner.calls += 1
    return new Visit(this, isCall)
  }

  /** Once for each visit. */
  leave(isCall: boolean): void {
    this.#visits -= 1
    this.#owner.calls -= 1
    if (isCall) this.#lastCallEndedMs = this.#owner.now()
    if (this.#visits === 0) this.#owner.onEmpty(this)
  }
}

class Visit implements ServiceVisit {
  readonly #run: ServiceRun
  readonly #isCall: boolean
  #hasLeft = false

  constructor(run: ServiceRun, isCall: boolean) {
    this.#run = run
    this.#isCall = isCall
  }

  get isValid(): boolean {
    return !this.#hasLeft && !this.#run.isOver
  }

  leave(): void {
    if (this.#hasLeft) return
    this.#hasLeft = true
    this.#run.leave(this.#isCall)
  }
}

/** Of a server that nobody starts on demand. */
export const freeVisit: ServiceVisit = {
  isValid: true,
  leave() {
    // Nothing is counted.
  },
}
