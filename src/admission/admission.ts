// Who may call now: the limits of models and providers, kept for every call from its arrival to its end.
// The counters are the store's (store.ts); here are the waiting, the reload and what callers see.
import type { SetTimer } from '../clock.ts'
import type { RateLimitConfig } from '../config/types.ts'
import type { Client, ModelLimits } from '../domain.ts'
import type { Calibration, CalibrationFact } from './estimate.ts'
import { chargeOf } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import type {
  AdmissionStore,
  Admitted,
  Candidate,
  Demand,
  Limited,
  Reservation,
  Standing,
  TooLarge,
  Verdict,
} from './stores/store.ts'
import { WaitingLine } from './waiting-line.ts'
import type { Departure } from './waiting-line.ts'

/** A call that wants in. `model` is the limiter's scope: a model's name or a wildcard, never an alias. */
export interface Ask extends Demand {
  readonly client: Client
  readonly departure: Departure
}

export type Decision =
  | { readonly kind: 'admitted'; readonly hold: Hold }
  | (Limited & { readonly waitedMs: number })
  | (TooLarge & { readonly waitedMs: number })
  /** The client left while its call waited. */
  | { readonly kind: 'gone'; readonly waitedMs: number }
  | { readonly kind: 'shutting_down'; readonly waitedMs: number }

/** An admitted call's share of the limits. Whoever holds it settles it, on every path. */
export interface Hold {
  /** Whose slot is held; undefined if the call named no provider. */
  readonly provider: string | undefined
  /** What is charged for the call so far: as reserved, or as grown since. */
  readonly tokens: number
  readonly waitedMs: number
  /** At the time of admission, with this call counted. */
  readonly standing: Standing
  /** Takes a slot of another provider in place of this one, for a further attempt. False: none is free, all is as before. */
  moveTo(providers: readonly Candidate[]): boolean | Promise<boolean>
  /**
   * Raises the charge to `tokens` in all (whole), once the call is seen to take more than was reserved: nobody is to be
   * admitted against tokens that are used already. Never lowers it, never refuses.
   */
  grow(tokens: number): void
  /** The first call counts; later ones change nothing. */
  settle(outcome: Outcome): void
}

/** One model in `GET /v1/limits`. */
export interface ModelReport {
  readonly model: string
  readonly limits: ModelLimits
  readonly used: { readonly requests: number; readonly tokens: number; readonly parallel: number }
  readonly standing: Standing
  readonly waiting: number
  readonly calibration: readonly CalibrationFact[]
}

export interface AdmissionParts {
  readonly store: AdmissionStore
  readonly limits: RateLimitConfig
  readonly calibration: Calibration
  /** Milliseconds of a monotonic clock; with counters shared by threads, one that they share (`process.hrtime`). */
  readonly now: () => number
  readonly setTimer: SetTimer
  /** Called after everything that changes the counters, to have them saved. */
  readonly onChange?: () => void
  /** Longest line of one model; further calls are refused. */
  readonly maxLineLength?: number
}

export class Admission {
  readonly #parts: AdmissionParts
  readonly #maxLineLength: number
  readonly #lines = new Map<string, WaitingLine>()
  #limits: RateLimitConfig
  #isClosed = false

  constructor(parts: AdmissionParts) {
    this.#parts = parts
    this.#limits = parts.limits
    this.#maxLineLength = parts.maxLineLength ?? 100
    parts.store.onFreed = () => this.#examineLines()
  }

  /** What limits a model; undefined: nothing but its providers' slots. */
  limitsOf(model: string): ModelLimits | undefined {
    const { enabled, limits, default: otherwise } = this.#limits
    return enabled ? (limits.get(model) ?? otherwise) : undefined
  }

  /**
   * Admits, refuses or makes wait. A promise comes back only where the call waits (or the store asks elsewhere).
   * Never throws or rejects. A call that is not admitted has cost nothing.
   */
  reserve(ask: Ask): Decision | Promise<Decision> {
    if (ask.departure.isGone) return { kind: 'gone', waitedMs: 0 }
    if (this.#isClosed) return { kind: 'shutting_down', waitedMs: 0 }
    const line = this.#lines.get(ask.model)
    // Whoever comes later may not take what the line waits for.
    if (line !== undefined && line.length > 0) return this.#waitOrRefuse(ask, line)
    const verdict = this.#parts.store.reserve(ask, this.limitsOf(ask.model), this.#parts.now())
    if (!(verdict instanceof Promise)) return this.#decide(ask, verdict)
    return verdict.then((late) => this.#decide(ask, late))
  }

  /** Limits after a reload. Counts stay; the lines are looked at again; who waits keeps place and deadline. */
  applyLimits(limits: RateLimitConfig): void {
    this.#limits = limits
    this.#examineLines()
  }

  /** How these models stand, for `GET /v1/limits`; those without limits are left out. */
  async describe(models: Iterable<string>): Promise<ModelReport[]> {
    const reports: ModelReport[] = []
    for (const model of models) {
      const limits = this.limitsOf(model)
      if (limits === undefined || !(this.#limits.limits.has(model) || hasLimit(limits))) continue
      const { standing, ...used } = await this.#parts.store.use(model, limits, this.#parts.now())
      const waiting = this.#waiting(model)
      reports.push({
        model,
        limits,
        used,
        standing,
        waiting,
        calibration: this.#parts.calibration.describe(model),
      })
    }
    return reports
  }

  /** Sends all waiting calls away and admits nothing more. What is under way goes on and settles. */
  close(): void {
    this.#isClosed = true
    for (const line of this.#lines.values()) line.close()
  }

  #decide(ask: Ask, verdict: Verdict): Decision | Promise<Decision> {
    if (verdict.kind === 'admitted') return this.#admit(ask, verdict, 0)
    if (verdict.kind === 'too_large' || this.#maxWaitMs(ask.model) === 0) return { ...verdict, waitedMs: 0 }
    return this.#waitOrRefuse(ask, this.#lineOf(ask.model))
  }

  async #waitOrRefuse(ask: Ask, line: WaitingLine): Promise<Decision> {
    if (this.#isClosed) return { kind: 'shutting_down', waitedMs: 0 }
    const maxWaitMs = this.#maxWaitMs(ask.model)
    if (maxWaitMs === 0 || this.#waiting(ask.model) >= this.#maxLineLength) {
      return { ...(await line.refusalFor(ask)), waitedMs: 0 }
    }
    const end = await line.join(ask, maxWaitMs)
    return end.kind === 'admitted' ? this.#admit(ask, end, end.waitedMs) : end
  }

  /** In all threads that share the counters. */
  #waiting(model: string): number {
    return this.#parts.store.lines?.waiting(model) ?? this.#lines.get(model)?.length ?? 0
  }

  /** 0: calls of this model do not wait. */
  #maxWaitMs(model: string): number {
    const limits = this.limitsOf(model)
    return limits?.whenLimited === 'wait' ? limits.maxWaitMs : 0
  }

  #admit(ask: Ask, { reservation, standing }: Admitted, waitedMs: number): Decision {
    const hold = new StoreHold(this.#parts, { reservation, standing, waitedMs })
    this.#parts.onChange?.()
    if (!ask.departure.isGone) return { kind: 'admitted', hold }
    // It left while the answer was on its way; nobody would settle this.
    hold.settle({ kind: 'unsent' })
    return { kind: 'gone', waitedMs }
  }

  #lineOf(model: string): WaitingLine {
    let line = this.#lines.get(model)
    if (line === undefined) {
      const { store, now, setTimer } = this.#parts
      line = new WaitingLine({ model, store, now, setTimer, limitsOf: (model) => this.limitsOf(model) })
      this.#lines.set(model, line)
    }
    return line
  }

  /** What was given back may fit any line: a provider's slots serve several models. Who has waited longest goes first. */
  #examineLines(): void {
    if (this.#lines.size === 0) return
    const waiting = Array.from(this.#lines.values()).filter((line) => line.length > 0)
    waiting.sort((one, other) => one.oldestSinceMs - other.oldestSinceMs)
    for (const line of waiting) line.examine()
  }
}

/** The default may say no more than how to wait for a provider's slot. */
function hasLimit({ rpm, tpm, maxParallelRequests }: ModelLimits): boolean {
  return rpm !== undefined || tpm !== undefined || maxParallelRequests !== undefined
}

class StoreHold implements Hold {
  readonly standing: Standing
  readonly waitedMs: number
  readonly #parts: Pick<AdmissionParts, 'store' | 'now' | 'onChange'>
  readonly #reservation: Reservation

  constructor(
    parts: Pick<AdmissionParts, 'store' | 'now' | 'onChange'>,
    of: { reservation: Reservation; standing: Standing; waitedMs: number },
  ) {
    this.#parts = parts
    this.#reservation = of.reservation
    this.standing = of.standing
    this.waitedMs = of.waitedMs
  }

  get provider(): string | undefined {
    return this.#reservation.provider
  }

  get tokens(): number {
    return this.#reservation.tokens
  }

  moveTo(providers: readonly Candidate[]): boolean | Promise<boolean> {
    return this.#parts.store.move(this.#reservation, providers, this.#parts.now())
  }

  grow(tokens: number): void {
    const { store, now, onChange } = this.#parts
    void store.grow(this.#reservation, tokens, now())
    onChange?.()
  }

  settle(outcome: Outcome): void {
    const { store, now, onChange } = this.#parts
    void store.settle(this.#reservation, chargeOf(outcome, this.#reservation.tokens), now())
    onChange?.()
  }
}
