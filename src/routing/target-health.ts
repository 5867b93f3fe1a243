// What calls have learnt of the targets: who failed, how, and until when to prefer others. Keyed by name, so that it
// outlives a reload. Nothing here refuses a call: a cooling target is tried last, not never.
import type { Target } from '../domain.ts'

/**
 * Why a target is passed over. Each has its own cool-down. `broken`: it failed by itself (500), broke its answer off,
 * or sent what is none.
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
  /** After the cool-down one call tries; until it is known how that went, others go elsewhere. */
  isProbing: boolean
}

const maxStreakFactor = 8

/** Whatever a provider asks for, it is looked at again after an hour. */
const maxAskedCooldownMs = 3_600_000

/** Trouble with the server itself concerns all of its models. */
const providerWide: ReadonlySet<Trouble> = new Set(['auth', 'billing', 'unreachable'])

/** Whether the provider's other models will have the same trouble. */
export function isProviderWide(trouble: Trouble): boolean {
  return providerWide.has(trouble)
}

/** How long, as a multiple of `routing.cooldown_ms`. What a person has to mend takes longer. */
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

/** Later than every cool-down: what is known to be away is the very last that is tried. */
const untilItIsWell = Number.MAX_SAFE_INTEGER

/** A local server is back as soon as somebody starts it. */
const localFactor = 0.1

const wellState: TargetState = { isReady: true, readyAtMs: 0, trouble: undefined }

export class TargetHealth {
  readonly #cooling = new Map<string, Cooling>()
  /** Provider → what its last health check found wrong. */
  readonly #unwell = new Map<string, Trouble>()

  /** How a target stands. Does not change it. */
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

  /** A call goes to the target. If that was cooling, it is the probe that others wait for. */
  began(target: Target, nowMs: number): void {
    if (this.#isAllWell()) return
    for (const key of [providerKey(target), targetKey(target)]) {
      const cooling = this.#cooling.get(key)
      if (cooling !== undefined && nowMs >= cooling.untilMs) cooling.isProbing = true
    }
  }

  /** The target answered, or refused the client for the client's own mistake. */
  succeeded(target: Target): void {
    if (this.#isAllWell()) return
    this.#unwell.delete(target.provider)
    this.#cooling.delete(providerKey(target))
    this.#cooling.delete(targetKey(target))
  }

  /** Nothing was learnt: the client left, say. */
  ended(target: Target): void {
    for (const key of [providerKey(target), targetKey(target)]) {
      const cooling = this.#cooling.get(key)
      if (cooling !== undefined) cooling.isProbing = false
    }
  }

  /**
   * @param of.cooldownMs `routing.cooldown_ms`; 0 turns cooling off.
   * @param of.retryAfterMs what the provider asked for, if it did.
   */
  failed(
    target: Target,
    trouble: Trouble,
    of: { cooldownMs: number; isLocal: boolean; retryAfterMs: number | undefined; nowMs: number },
  ): void {
    this.ended(target)
    if (of.cooldownMs === 0) return
    const isOfProvider = isProviderWide(trouble)
    // Who answers for one model can be reached.
    if (!isOfProvider && trouble !== 'timeout') this.#forget(providerKey(target), 'unreachable')
    const key = isOfProvider ? providerKey(target) : targetKey(target)
    const before = this.#cooling.get(key)
    // Calls that were under way together fail together; that is one failure.
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
   * What a health check of the provider found: its targets are tried last until a check finds nothing, or one of them
   * answers. A server that is back is used again at once; trouble of other kinds is not mended by being there.
   */
  checked(provider: string, trouble: Trouble | undefined): void {
    if (trouble !== undefined) {
      this.#unwell.set(provider, trouble)
      return
    }
    this.#unwell.delete(provider)
    this.#forget(provider, 'unreachable')
  }

  /** What the last health check found: it is made no more, or in another way. What calls have learnt stays. */
  dropCheck(provider: string): void {
    this.#unwell.delete(provider)
  }

  /** Everything about a provider: it is another one now. */
  forget(provider: string): void {
    this.#unwell.delete(provider)
    for (const key of this.#cooling.keys()) {
      if (key === provider || key.startsWith(`${provider}\n`)) this.#cooling.delete(key)
    }
  }

  /** Nearly always; then no key need be made. */
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

/** A provider's name has no line feed. */
function targetKey({ provider, model }: Target): string {
  return `${provider}\n${model}`
}
