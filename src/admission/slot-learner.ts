// How many calls a server works at together, learned from how it answers. A server with `k` slots takes calls in turn: of
// those that are open, the first `k` are under way, and the next one begins when one of them ends. So a call that was silent
// for long, and is answered soon after another has ended, has had its place in that order as the number of slots.

/** A call at the server. */
export interface ObservedCall {
  readonly begunMs: number
  answeredMs: number | undefined
  /** Its place among the open calls when it was answered, if that came with the end of another one. */
  suspectedSlots: number | undefined
}

/** Shorter waits may be chance. */
const minWaitMs = 1_000

/** So many calls in a row have to show the same number. */
const minEvidence = 3

/** A response that ends sooner after its beginning came as a whole, and says nothing of when the server began. */
const minStreamMs = 50

/** One call more is let in so long after the last trial, to see whether there are more slots. */
const trialAfterMs = 60_000

export class SlotLearner {
  /** In the order of their beginnings. */
  readonly #open = new Set<ObservedCall>()
  readonly #now: () => number
  #bound: number | undefined
  #evidence = { slots: 0, count: 0 }
  #lastEndMs = -Infinity
  #lastAnswerMs = -Infinity
  #trialFromMs = Infinity

  /** @param now milliseconds of a monotonic clock. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** How many calls may be open. Undefined: no bound has shown. */
  get bound(): number | undefined {
    if (this.#bound === undefined) return undefined
    return this.#now() >= this.#trialFromMs ? this.#bound + 1 : this.#bound
  }

  begin(): ObservedCall {
    const call: ObservedCall = { begunMs: this.#now(), answeredMs: undefined, suspectedSlots: undefined }
    this.#open.add(call)
    return call
  }

  /** The first of the answer has come. */
  answer(call: ObservedCall): void {
    if (call.answeredMs !== undefined || !this.#open.has(call)) return
    const nowMs = this.#now()
    call.answeredMs = nowMs
    const slots = this.#placeOf(call)
    // Its turn had come once the one before it was answered.
    const waitedMs = this.#lastEndMs - Math.max(call.begunMs, this.#lastAnswerMs)
    const isAfterEnd = waitedMs >= minWaitMs && nowMs - this.#lastEndMs < waitedMs / 2
    if (isAfterEnd) call.suspectedSlots = slots
    else if (this.#bound !== undefined && slots > this.#bound) this.#setBound(slots)
    this.#lastAnswerMs = nowMs
  }

  end(call: ObservedCall): void {
    if (!this.#open.delete(call)) return
    const nowMs = this.#now()
    const { answeredMs, suspectedSlots } = call
    this.#lastEndMs = nowMs
    if (answeredMs === undefined || suspectedSlots === undefined || nowMs - answeredMs < minStreamMs) return
    const { slots, count } = this.#evidence
    this.#evidence = { slots: suspectedSlots, count: slots === suspectedSlots ? count + 1 : 1 }
    if (this.#bound !== undefined && suspectedSlots >= this.#bound) this.#setBound(this.#bound)
    if (this.#evidence.count >= minEvidence) this.#setBound(suspectedSlots)
  }

  /** The server had no room for the call. */
  refuse(): void {
    const slots = Math.max(1, this.#open.size - 1)
    if (this.#bound === undefined || slots < this.#bound) this.#setBound(slots)
  }

  #setBound(slots: number): void {
    this.#bound = slots
    this.#trialFromMs = this.#now() + trialAfterMs
  }

  #placeOf(call: ObservedCall): number {
    let place = 0
    for (const each of this.#open) {
      place += 1
      if (each === call) break
    }
    return place
  }
}
