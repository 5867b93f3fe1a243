// The health of targets, as calls have learnt it: which failed, how, and until when to prefer others. Keyed by name, so
// that it outlives a reload. Nothing here refuses a call: a target that is cooling down is tried last, but not excluded.
import type { FailureKind, Target } from '../domain.ts'

export interface TargetState {
  readonly isReady: boolean
  /** In milliseconds of the monotonic clock; 0 when ready. */
  readonly readyAtMs: number
  readonly failureKind: FailureKind | undefined
}

/** The start of a cool-down. */
export interface CoolDown {
  readonly target: Target
  /** All models of the provider cool down with it. */
  readonly isOfProvider: boolean
  readonly failureKind: FailureKind
  readonly forMs: number
}

/** What is wrong with a provider or one of its models at the moment. */
export interface KnownTrouble {
  readonly provider: string
  /** The provider's name of the model; undefined: of all of them. */
  readonly model: string | undefined
  readonly failureKind: FailureKind
  /** In milliseconds of the monotonic clock; undefined: until a health check finds otherwise. */
  readonly untilMs: number | undefined
}

interface Cooling {
  failureKind: FailureKind
  untilMs: number
  /** Cool-downs in a row; each is twice as long as the last, up to the factor below. */
  streak: number
  /** The first failure of this kind that nothing has disproved, and the last one. */
  sinceMs: number
  lastMs: number
  /** The code of the last one: `ECONNREFUSED`. Undefined: not known. */
  cause: string | undefined
  /** After the cool-down one call tries the target; until its outcome is known, others avoid it. */
  isProbing: boolean
}

/** Why a provider cannot be used. */
export interface Outage {
  readonly failureKind: FailureKind
  /** Of a connection: `ECONNREFUSED`. Undefined: not known. */
  readonly cause: string | undefined
}

const maxStreakFactor = 8

/** Failures so far apart are not of calls that were open at the same time. */
const repeatedAfterMs = 1_000

/** The longest `retry-after` that counts: after an hour, the target is tried again. */
const maxAskedCooldownMs = 3_600_000

/** Trouble with the server itself concerns all of its models. */
const providerWide: ReadonlySet<FailureKind> = new Set(['auth', 'billing', 'not_started', 'unreachable'])

/** Whether the provider's other models will have the same trouble. */
export function isProviderWide(failureKind: FailureKind): boolean {
  return providerWide.has(failureKind)
}

/** How long each kind cools down, as a multiple of `routing.cooldown_ms`. What a person has to mend takes longer. */
const factors: Readonly<Record<FailureKind, number>> = {
  auth: 4,
  billing: 20,
  broken: 0.1,
  loading: 0.05,
  missing_model: 2,
  not_started: 0.05,
  overloaded: 0.1,
  rate_limit: 0.25,
  timeout: 1,
  unreachable: 1,
}

/** Later than every cool-down: what is known to be away is the very last that is tried. */
const untilHealthy = Number.MAX_SAFE_INTEGER

/** A local server is back as soon as somebody starts it. */
const localFactor = 0.1

const healthyState: TargetState = { isReady: true, readyAtMs: 0, failureKind: undefined }

export class TargetHealth {
  readonly #cooling = new Map<string, Cooling>()
  /** Provider → what its last health check found wrong. */
  readonly #unhealthy = new Map<string, FailureKind>()
  readonly #onCooled: ((coolDown: CoolDown) => void) | undefined

  /** @param onCooled called when a cool-down begins. */
  constructor(onCooled?: (coolDown: CoolDown) => void) {
    this.#onCooled = onCooled
  }

  /** What is wrong at the moment, and what will be tried once before it counts as well. */
  troubles(nowMs: number): KnownTrouble[] {
    const found = Array.from(this.#unhealthy, ([provider, failureKind]) => ({
      provider,
      model: undefined,
      failureKind,
      untilMs: undefined,
    }))
    const learnt = Array.from(this.#cooling, ([key, { failureKind, untilMs, isProbing }]) => {
      const [provider = '', model] = key.split('\n')
      return { provider, model, failureKind, untilMs, isOver: nowMs >= untilMs && !isProbing }
    })
    return [...found, ...learnt.filter(({ isOver }) => !isOver)]
  }

  /** The current state of a target. Has no side effects. */
  stateOf(target: Target, nowMs: number): TargetState {
    if (this.#isAllHealthy()) return healthyState
    const found = this.#unhealthy.get(target.provider)
    if (found !== undefined) return { isReady: false, readyAtMs: untilHealthy, failureKind: found }
    for (const key of [providerKey(target), targetKey(target)]) {
      const cooling = this.#cooling.get(key)
      if (cooling === undefined) continue
      if (nowMs < cooling.untilMs || cooling.isProbing) {
        return { isReady: false, readyAtMs: cooling.untilMs, failureKind: cooling.failureKind }
      }
    }
    return healthyState
  }

  /** What is wrong with a provider as a whole, else with the one of its targets that stays so longest. Has no side effects. */
  troubleOf(provider: string, nowMs: number): KnownTrouble | undefined {
    const known = this.troubles(nowMs).filter((trouble) => trouble.provider === provider)
    const ofAll = known.filter(({ model }) => model === undefined)
    if (ofAll.length > 0) return ofAll.find(({ untilMs }) => untilMs === undefined) ?? ofAll[0]
    return known.toSorted((one, other) => other.untilMs! - one.untilMs!)[0]
  }

  /** A call goes to the target. If that was cooling, it is the probe that others wait for. */
  recordStart(target: Target, nowMs: number): void {
    if (this.#isAllHealthy()) return
    for (const key of [providerKey(target), targetKey(target)]) {
      const cooling = this.#cooling.get(key)
      if (cooling !== undefined && nowMs >= cooling.untilMs) cooling.isProbing = true
    }
  }

  /** The target answered, or refused the client for the client's own mistake. */
  recordSuccess(target: Target): void {
    if (this.#isAllHealthy()) return
    this.#unhealthy.delete(target.provider)
    this.#cooling.delete(providerKey(target))
    this.#cooling.delete(targetKey(target))
  }

  /** Nothing was learnt: the client left, say. */
  recordNothing(target: Target): void {
    for (const key of [providerKey(target), targetKey(target)]) {
      const cooling = this.#cooling.get(key)
      if (cooling !== undefined) cooling.isProbing = false
    }
  }

  /**
   * @param of.cooldownMs `routing.cooldown_ms`; 0 turns cooling off.
   * @param of.retryAfterMs the provider's own `retry-after`, if it sent one.
   * @param of.cause of a connection that could not be made: `ECONNREFUSED`.
   */
  recordFailure(
    target: Target,
    failureKind: FailureKind,
    of: {
      cooldownMs: number
      isLocal: boolean
      retryAfterMs: number | undefined
      cause?: string | undefined
      nowMs: number
    },
  ): void {
    this.recordNothing(target)
    if (of.cooldownMs === 0) return
    const isOfProvider = isProviderWide(failureKind)
    // Who answers for one model can be reached.
    if (!isOfProvider && failureKind !== 'timeout') this.#forget(providerKey(target), 'unreachable')
    const key = isOfProvider ? providerKey(target) : targetKey(target)
    const before = this.#cooling.get(key)
    // Calls that were open at the same time fail together; that counts as one failure.
    const isSame = before !== undefined && of.nowMs < before.untilMs
    const streak = isSame ? before.streak : (before?.streak ?? 0) + 1
    const base = of.cooldownMs * factors[failureKind] * (of.isLocal ? localFactor : 1)
    const growth = Math.min(2 ** (streak - 1), maxStreakFactor)
    const forMs =
      of.retryAfterMs === undefined ? base * growth : Math.min(of.retryAfterMs, maxAskedCooldownMs)
    const untilMs = Math.max(of.nowMs + forMs, isSame ? before.untilMs : 0)
    const alike = before?.failureKind === failureKind ? before : undefined
    const times = { sinceMs: alike?.sinceMs ?? of.nowMs, lastMs: of.nowMs, untilMs }
    const cause = of.cause ?? alike?.cause
    this.#cooling.set(key, { failureKind, ...times, streak, cause, isProbing: false })
    if (!isSame) this.#onCooled?.({ target, isOfProvider, failureKind, forMs: untilMs - of.nowMs })
  }

  /**
   * Records what a health check found: the provider's targets are tried last until a check succeeds, or one of them
   * responds. A server that is up again is used at once; failures of other kinds stay, because being up does not fix them.
   */
  recordCheck(provider: string, failureKind: FailureKind | undefined): void {
    if (failureKind !== undefined) {
      this.#unhealthy.set(provider, failureKind)
      return
    }
    this.#unhealthy.delete(provider)
    this.#forget(provider, 'unreachable')
  }

  /** Forgets the last health check, which is no longer made, or made differently. What calls have learnt stays. */
  dropCheck(provider: string): void {
    this.#unhealthy.delete(provider)
  }

  /** Forgets everything about a provider whose address, key or headers have changed. */
  forget(provider: string): void {
    this.#unhealthy.delete(provider)
    for (const key of this.#cooling.keys()) {
      if (key === provider || key.startsWith(`${provider}\n`)) this.#cooling.delete(key)
    }
  }

  /**
   * Why a provider cannot be used at all: what its health check found, or that calls cannot reach it. A single failure that no
   * call has repeated counts until the cool-down ends. Undefined: nothing is known to be wrong.
   */
  outageOf(provider: string, nowMs: number): Outage | undefined {
    const found = this.#unhealthy.get(provider)
    const cooling = this.#cooling.get(provider)
    const cause = cooling?.failureKind === 'unreachable' ? cooling.cause : undefined
    if (found !== undefined) return { failureKind: found, cause: found === 'unreachable' ? cause : undefined }
    if (cooling?.failureKind !== 'unreachable') return undefined
    const { failureKind, sinceMs, lastMs, untilMs, streak, isProbing } = cooling
    const isRepeated = streak > 1 || lastMs - sinceMs >= repeatedAfterMs
    return isRepeated || isProbing || nowMs < untilMs ? { failureKind, cause } : undefined
  }

  /** Nearly always; then no key need be made. */
  #isAllHealthy(): boolean {
    return this.#cooling.size === 0 && this.#unhealthy.size === 0
  }

  #forget(key: string, failureKind: FailureKind): void {
    if (this.#cooling.get(key)?.failureKind === failureKind) this.#cooling.delete(key)
  }
}

function providerKey({ provider }: Target): string {
  return provider
}

/** Unambiguous, because a provider's name contains no line feed. */
function targetKey({ provider, model }: Target): string {
  return `${provider}\n${model}`
}
