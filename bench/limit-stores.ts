// The ways of counting that other gateways use, behind the same interface as ours, to be compared with it.
// They keep no slots; nothing in the comparison asks for any.
import type { Charge } from '../src/admission/outcome.ts'
import type { Scope, ScopeLimits } from '../src/admission/scopes.ts'
import type {
  AdmissionStore,
  Demand,
  Limited,
  Refusal,
  Reservation,
  Reserved,
  ScopeUse,
} from '../src/admission/stores/store.ts'
import { type Entry, SlidingWindow } from '../src/admission/sliding-window.ts'

const windowMs = 60_000
const limitStatus = { requests: undefined, tokens: undefined }

/** One model's count. `Mark` is what a call holds until it is settled. */
interface Counter<Mark> {
  /** 0: a call with so many tokens passes. Else milliseconds until it may. */
  waitMs(tokens: number, nowMs: number): number
  take(tokens: number, nowMs: number): Mark
  settle(mark: Mark, reservedTokens: number, charge: Charge, nowMs: number): void
}

interface Held<Mark> extends Reservation {
  readonly model: string
  readonly mark: Mark
}

/** A store over any such counter. */
class CounterStore<Mark> implements AdmissionStore {
  onFreed: (() => void) | undefined
  readonly #counters = new Map<string, Counter<Mark>>()
  readonly #create: (limits: { rpm: number; tpm: number }) => Counter<Mark>

  constructor(create: (limits: { rpm: number; tpm: number }) => Counter<Mark>) {
    this.#create = create
  }

  reserve(demand: Demand, nowMs: number): Reserved | Refusal {
    const refusal = this.probe(demand, nowMs)
    if (refusal !== undefined) return refusal
    const { tokens, oneOf } = demand
    const { name: model, limits } = demand.scopes[0]!
    const mark = this.#counter(model, limits).take(tokens, nowMs)
    const reservation: Held<Mark> = { model, tokens, choice: oneOf[0], mark }
    return { kind: 'admitted', reservation, limitStatus }
  }

  probe({ scopes, tokens }: Demand, nowMs: number): Limited | undefined {
    const scope = scopes[0]!
    const { name, limits } = scope
    const waitMs = this.#counter(name, limits).waitMs(tokens, nowMs)
    if (waitMs === 0) return undefined
    const numbers = { limit: limits.rpm ?? 0, used: 0, requested: 1, retryAfterMs: Math.ceil(waitMs) }
    return { kind: 'limited', dimension: 'requests', scope, ...numbers, limitStatus }
  }

  /** None of these looks at a call before its end. */
  grow(): void {}

  settle(reservation: Reservation, charge: Charge, nowMs: number): void {
    const { model, tokens, mark } = reservation as Held<Mark>
    this.#counter(model, undefined).settle(mark, tokens, charge, nowMs)
  }

  move(_reservation: Reservation, _oneOf: readonly Scope[]): boolean {
    return true
  }

  use(): ScopeUse {
    return {
      requests: 0,
      tokens: 0,
      parallel: 0,
      limitStatus,
      nextMs: { requests: undefined, tokens: undefined },
    }
  }

  #counter(model: string, limits: ScopeLimits | undefined): Counter<Mark> {
    let counter = this.#counters.get(model)
    if (counter === undefined) {
      counter = this.#create({ rpm: limits?.rpm ?? Infinity, tpm: limits?.tpm ?? Infinity })
      this.#counters.set(model, counter)
    }
    return counter
  }
}

/** Counts from each full minute on; a call settles into the minute that it began in. */
export function fixedWindowStore(): AdmissionStore {
  return new CounterStore(({ rpm, tpm }): Counter<number> => {
    let minute = 0
    let used = { requests: 0, tokens: 0 }
    const turn = (nowMs: number): number => {
      const current = Math.floor(nowMs / windowMs)
      if (current !== minute) used = { requests: 0, tokens: 0 }
      return (minute = current)
    }
    return {
      waitMs(tokens, nowMs) {
        turn(nowMs)
        const fits = used.requests + 1 <= rpm && used.tokens + tokens <= tpm
        return fits ? 0 : windowMs - (nowMs % windowMs)
      },
      take(tokens, nowMs) {
        used = { requests: used.requests + 1, tokens: used.tokens + tokens }
        return turn(nowMs)
      },
      settle(mark, reservedTokens, charge, nowMs) {
        if (turn(nowMs) !== mark) return
        used.requests += charge.requests - 1
        used.tokens += charge.tokens - reservedTokens
      },
    }
  })
}

/** A bucket each for requests and tokens that hold a minute's worth and refill all the time; over-use is debt. */
export function tokenBucketStore(): AdmissionStore {
  return new CounterStore(({ rpm, tpm }): Counter<void> => {
    let sinceMs = 0
    let left = { requests: rpm, tokens: tpm }
    const refill = (nowMs: number): void => {
      const share = (nowMs - sinceMs) / windowMs
      sinceMs = nowMs
      left.requests = Math.min(rpm, left.requests + rpm * share)
      left.tokens = Math.min(tpm, left.tokens + tpm * share)
    }
    return {
      waitMs(tokens, nowMs) {
        refill(nowMs)
        const missing = Math.max((1 - left.requests) / rpm, (tokens - left.tokens) / tpm)
        return missing <= 0 ? 0 : missing * windowMs
      },
      take(tokens) {
        left = { requests: left.requests - 1, tokens: left.tokens - tokens }
      },
      settle(_mark, reservedTokens, charge, nowMs) {
        refill(nowMs)
        left.requests = Math.min(rpm, left.requests + 1 - charge.requests)
        left.tokens = Math.min(tpm, left.tokens + reservedTokens - charge.tokens)
      },
    }
  })
}

/** Exact windows, but tokens are charged when the call has ended: until then nobody knows of them. */
export function postHocStore(): AdmissionStore {
  return new CounterStore(({ rpm, tpm }): Counter<Entry> => {
    const window = new SlidingWindow(4096)
    return {
      waitMs(_tokens, nowMs) {
        const fitsAtMs = Math.max(
          window.fitsAt('requests', 1, rpm, nowMs),
          window.fitsAt('tokens', 1, tpm, nowMs),
        )
        return Math.max(0, fitsAtMs - nowMs)
      },
      take: (_tokens, nowMs) => window.add(1, 0, nowMs),
      settle(entry, _reservedTokens, charge, nowMs) {
        window.settle(entry, { requests: charge.requests, tokens: 0 }, nowMs)
        window.add(0, charge.tokens, nowMs)
      },
    }
  })
}
