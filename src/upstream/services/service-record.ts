// What has become of a service, for those who look at it: its state, since when, and how its starts went.
import type { ServiceChange, ServiceStateName } from './service-change.ts'
import type { ServiceParts } from './service-parts.ts'
import type { ServiceState } from './services.ts'

type Subject = Pick<ServiceChange, 'provider' | 'unit' | 'group' | 'calls'>
/** Of some changes. */
export type ServiceDetails = Pick<ServiceChange, 'tookMs' | 'retryAfterMs'>

export class ServiceRecord {
  readonly #parts: Pick<ServiceParts, 'clock' | 'lastProbe' | 'onChange'>
  #state: ServiceStateName = 'stopped'
  #sinceMs: number
  /** Why it failed last, and what the last probe of a start that took too long got. Undefined: it has been ready since. */
  #failure: string | undefined
  #probe: string | undefined
  /** From the command until it was ready, in milliseconds. */
  lastStartMs: number | undefined
  #starts = 0
  #failures = 0

  constructor(parts: Pick<ServiceParts, 'clock' | 'lastProbe' | 'onChange'>) {
    this.#parts = parts
    this.#sinceMs = parts.clock.wallNow()
  }

  get state(): ServiceStateName {
    return this.#state
  }

  get failure(): string | undefined {
    return this.#failure
  }

  countStart(): void {
    this.#starts += 1
  }

  /** @param reason as `ServiceChange` has it. */
  become(to: ServiceStateName, subject: Subject, reason?: string, details?: ServiceDetails): void {
    const from = this.#state
    this.#state = to
    this.#sinceMs = this.#parts.clock.wallNow()
    if (to === 'failed') {
      this.#failures += 1
      this.#failure = reason
      this.#probe = reason === 'timeout' ? this.#parts.lastProbe?.(subject.provider) : undefined
    } else if (to === 'ready' && from === 'starting') this.#failure = undefined
    const probe = to === 'failed' && this.#probe !== undefined ? { probe: this.#probe } : {}
    const change = { ...subject, from, to, ...details, ...probe }
    this.#parts.onChange?.(reason === undefined ? change : { ...change, reason })
  }

  /** @param retryMs until it may be started again, in milliseconds; 0 or less: now. */
  describe(retryMs: number): Omit<ServiceState, 'waiting' | 'memoryBytes' | 'stops' | keyof Subject> {
    const waitMs = this.#state === 'failed' ? retryMs : 0
    return {
      state: this.#state,
      sinceMs: this.#sinceMs,
      lastStartMs: this.lastStartMs,
      failure: this.#failure,
      probe: this.#failure === undefined ? undefined : this.#probe,
      retryAtMs: waitMs > 0 ? Math.round(this.#parts.clock.wallNow() + waitMs) : undefined,
      starts: this.#starts,
      failures: this.#failures,
    }
  }
}
