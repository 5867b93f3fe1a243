// The health of targets, as calls have learnt it: which failed, how, and until when to prefer others. Keyed by name, so
// that it outlives a reload. Nothing here refuses a call: a target that is cooling down is tried last, but not excluded.
import type { Target } from '../domain.ts'

/**
 * Why a target is tried last. Each kind has its own cool-down. `broken`: it failed by itself (500), truncated its response,
 * or sent an invalid one.
 */
export type Trouble =
  | 'auth'
  | 'billing'
  | 'broken'
  | 'loading'
  | 'missing_model'
  | 'overloaded'
  | 'rate_limit'
  | 'timeout'
  | 'unreachable'

export interface TargetState {
  readonly isReady: boolean
  /** In milliseconds of the monotonic clock; 0 when ready. */
  readonly readyAtMs: number
  readonly trouble: Trouble | undefined
}

interface Cooling {
  trouble: Trouble
  untilMs: number
  /** Cool-downs in a row; each is twice as long as the last, up to the factor below. */
  streak: number
  /** After the cool-down one call tries the target; until its outcome is known, others avoid it. */
  isProbing: boolean
}

const maxStreakFactor = 8

/** The longest `retry-after` that counts: after an hour, the target is tried again. */
const maxAskedCooldownMs = 3_600_000

/** Trouble with the server itself concerns all of its models. */
const providerWide: ReadonlySet<Trouble> = new Set(['auth', 'billing', 'unreachable'])

/** Whether the provider's other models will have the same trouble. */
export function isProviderWide(trouble: Trouble): boolean {
  return providerWide.has(trouble)
}

/** Cool-downs as multiples of `routing.cooldown_ms`. Failures that a person has to fix last longer. */
const factors: Readonly<Record<Trouble, number>> = {
  auth: 4,
  billing: 20,
  broken: 0.1,
  loading: 0.05,
  missing_model: 2,
  overloaded: 0.1,
  rate_limit: 0.25,
  timeout: 1,
  unreachable: 1,
}

/** Later than every cool-down: targets that are known to be down are tried last of all. */
const untilItIsWell = Number.MAX_SAFE_INTEGER

/** A local server is back as soon as somebody starts it. */
const localFactor = 0.1

const wellState: TargetState = { isReady: true, readyAtMs: 0, trouble: undefined }

export class TargetHealth {
  readonly #cooling = new Map<string, Cooling>()
  /** Provider → what its last health check found wrong. */
  readonly #unwell = new Map<string, Trouble>()

  /** The current state of a target. Has no side effects. */
  stateOf(target: Target, nowMs: number): TargetState {
    if (this.#isAllWell()) return wellState
    const found = this.#unwell.get(target.provider)
    if (found !== undefined) return { isReady: false, readyAtMs: untilItIsWell, trouble: found }
    for (const key of [providerKey(target), targetKey(target)]) {
      const cooling = this.#cooling.get(key)
      if (cooling === undefined) continue
      if (nowMs < cooling.untilMs || cooling.isProbing) {
        return { isReady: false, readyAtMs: cooling.untilMs, trouble: cooling.trouble }
      }
    }
    return wellState
  }

  /** A call goes to the target. After a cool-down, it is the probe whose outcome others wait for. */
  began(target: Target, nowMs: number): void {
    if (this.#isAllWell()) return
    for (const key of [providerKey(target), targetKey(target)]) {
      const cooling = this.#cooling.get(key)
      if (cooling !== undefined && nowMs >= cooling.untilMs) cooling.isProbing = true
    }
  }

  /** The target responded, if only with an error that is the client's own. */
  succeeded(target: Target): void {
    if (this.#isAllWell()) return
    this.#unwell.delete(target.provider)
    this.#cooling.delete(providerKey(target))
    this.#cooling.delete(targetKey(target))
  }

  /** The call ended without an outcome, for example because the client disconnected. */
  ended(target: Target): void {
    for (const key of [providerKey(target), targetKey(target)]) {
      const cooling = this.#cooling.get(key)
      if (cooling !== undefined) cooling.isProbing = false
    }
  }

  /**
   * @param of.cooldownMs `routing.cooldown_ms`; 0 turns cooling off.
   * @param of.retryAfterMs the provider's own `retry-after`, if it sent one.
   */
  failed(
    target: Target,
    trouble: Trouble,
    of: { cooldownMs: number; isLocal: boolean; retryAfterMs: number | undefined; nowMs: number },
  ): void {
    this.ended(target)
    if (of.cooldownMs === 0) return
    const isOfProvider = isProviderWide(trouble)
    // A provider that responds for one model is reachable.
    if (!isOfProvider && trouble !== 'timeout') this.#forget(providerKey(target), 'unreachable')
    const key = isOfProvider ? providerKey(target) : targetKey(target)
    const before = this.#cooling.get(key)
    // Calls that were open at the same time fail together; that counts as one failure.
    const isSame = before !== undefined && of.nowMs < before.untilMs
    const streak = isSame ? before.streak : (before?.streak ?? 0) + 1
    const base = of.cooldownMs * factors[trouble] * (of.isLocal ? localFactor : 1)
    const growth = Math.min(2 ** (streak - 1), maxStreakFactor)
    const forMs =
      of.retryAfterMs === undefined ? base * growth : Math.min(of.retryAfterMs, maxAskedCooldownMs)
    const untilMs = Math.max(of.nowMs + forMs, isSame ? before.untilMs : 0)
    this.#cooling.set(key, { trouble, untilMs, streak, isProbing: false })
  }

  /**
   * Records what a health check found: the provider's targets are tried last until a check succeeds, or one of them
   * responds. A server that is up again is used at once; failures of other kinds stay, because being up does not fix them.
   */
  checked(provider: string, trouble: Trouble | undefined): void {
    if (trouble !== undefined) {
      this.#unwell.set(provider, trouble)
      return
    }
    this.#unwell.delete(provider)
    this.#forget(provider, 'unreachable')
  }

  /** Forgets the last health check, which is no longer made, or made differently. What calls have learnt stays. */
  dropCheck(provider: string): void {
    this.#unwell.delete(provider)
  }

  /** Forgets everything about a provider whose address, key or headers have changed. */
  forget(provider: string): void {
    this.#unwell.delete(provider)
    for (const key of this.#cooling.keys()) {
      if (key === provider || key.startsWith(`${provider}\n`)) this.#cooling.delete(key)
    }
  }

  /** True nearly always, and then no key string has to be built. */
  #isAllWell(): boolean {
    return this.#cooling.size === 0 && this.#unwell.size === 0
  }

  #forget(key: string, trouble: Trouble): void {
    if (this.#cooling.get(key)?.trouble === trouble) this.#cooling.delete(key)
  }
}

function providerKey({ provider }: Target): string {
  return provider
}

/** Unambiguous, because a provider's name contains no line feed. */
function targetKey({ provider, model }: Target): string {
  return `${provider}\n${model}`
}
