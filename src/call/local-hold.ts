// What an admitted call holds, in the owner's own thread.
import type { Admission, Admitted } from '../admission/admission.ts'
import type { BudgetHold, Interruptible, Spent } from '../admission/budget.ts'
import type { Calibration, Estimate } from '../admission/estimate.ts'
import type { Outcome } from '../admission/outcome.ts'
import type { Scope } from '../admission/scopes.ts'
import type { Reservation } from '../admission/stores/store.ts'
import type { Disconnect } from '../admission/waiting-line.ts'
import type { FailureKind, Target } from '../domain.ts'
import { type Choice, placedOf } from '../routing/choose-targets.ts'
import type { Placed } from '../routing/placement.ts'
import type { PlacedCall, Placer } from '../routing/placer.ts'
import type { TargetHealth } from '../routing/target-health.ts'
import type { ServiceEntry, Services, ServiceVisit } from '../upstream/services/services.ts'
import type { AdmissionRequest, Entry, Hold, TargetReport } from './coordinator.ts'
import type { CountedPrompts } from './counted-prompts.ts'
import type { ObservedProviderCall, ProviderScopes } from './provider-scopes.ts'
import type { Metered } from './response/meter.ts'
import type { UselessWish, UsageWishes } from './usage-wishes.ts'

/** What a hold reports to. */
export interface HoldOwner {
  readonly admission: Admission
  readonly calibration: Calibration
  readonly health: TargetHealth
  readonly placer: Placer
  readonly load: Placer['load']
  readonly scopes: ProviderScopes
  readonly countedPrompts: CountedPrompts
  readonly usageWishes: UsageWishes
  readonly services: Services | undefined
  readonly lastSuccessMs: Map<string, number>
  readonly cooldownMs: number
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  readonly isLocal: (provider: string) => boolean
  scopeOf(target: Target): Scope
}

export interface HoldParts {
  readonly request: AdmissionRequest
  readonly choice: Choice
  /** Of the providers of its targets, in the same order. */
  readonly scopes: readonly Scope[]
  readonly estimate: Estimate
  readonly admitted: Admitted
}

export class LocalHold implements Hold {
  readonly targets: readonly Target[]
  readonly placement: Placed
  readonly promptTokens: number
  readonly waitedMs: number
  readonly countsAs: Hold['countsAs']
  readonly limitStatus: Hold['limitStatus']
  target: Target
  readonly #owner: HoldOwner
  readonly #request: AdmissionRequest
  readonly #reservation: Reservation
  readonly #spending: BudgetHold | undefined
  /** Undefined: nothing is learned from the call. */
  readonly #placed: PlacedCall | undefined
  /** An attempt at `target` counts as begun, and nobody has reported its end. */
  #isTrying = false
  #isSettled = false
  /** The use of its target's service. Undefined: there is none, or the call is not in it. */
  #visit: ServiceVisit | undefined
  /** Since which change of the services it is at its target's provider. */
  #since: number
  #observed: ObservedProviderCall | undefined

  constructor(owner: HoldOwner, { request, choice, scopes, estimate, admitted }: HoldParts) {
    this.#owner = owner
    this.#request = request
    this.#reservation = admitted.reservation
    this.#spending = admitted.spending
    this.targets = choice.targets
    this.promptTokens = estimate.promptTokens
    this.waitedMs = admitted.waitedMs
    this.limitStatus = admitted.limitStatus
    this.target = this.#chosenOf(choice.targets, scopes)
    this.placement = placedOf(choice, this.target)
    this.countsAs = owner.countedPrompts.countsAsOf(request, this.target)
    owner.load.add(this.target.provider)
    this.#since = owner.services?.generation ?? 0
    this.#placed = owner.placer.start(choice, request, this.target)
    this.#begin()
  }

  get reserved(): Hold['reserved'] {
    return this.#spending
  }

  get isBudgeted(): boolean {
    return this.#spending !== undefined
  }

  set interruptible(interruptible: Interruptible | undefined) {
    if (this.#spending !== undefined) this.#spending.interruptible = interruptible
  }

  get tokens(): number {
    return Math.min(this.#reservation.tokens, this.#spending?.cutsAboveTokens ?? Infinity)
  }

  moveTo(targets: readonly Target[]): Target | undefined | Promise<Target | undefined> {
    const scopes = targets.map((target) => this.#owner.scopeOf(target))
    const hasMoved = this.#owner.admission.move(this.#reservation, scopes)
    const move = (isDone: boolean) => (isDone ? this.#moveAmong(targets, scopes) : undefined)
    return hasMoved instanceof Promise ? hasMoved.then(move) : move(hasMoved)
  }

  enterService(disconnect: Disconnect): Promise<Entry> | undefined {
    const { services } = this.#owner
    if (services === undefined || this.#visit?.isValid === true) return undefined
    const { provider } = this.target
    if (!services.has(provider)) return undefined
    this.#visit?.leave()
    this.#visit = undefined
    const { client, program, model } = this.#request
    const limits = this.#owner.admission.limitsOf(model)
    const maxWaitMs = limits?.isMaxWaitSet === true ? limits.maxWaitMs : undefined
    const entering = services.enter(provider, { client, program, disconnect, maxWaitMs })
    if (entering instanceof Promise) return entering.then((entry) => this.#takeEntry(entry))
    this.#visit = entering
    this.#leaveEarlier()
    return undefined
  }

  #takeEntry(entry: ServiceEntry): Entry {
    if (entry.kind !== 'entered') return entry
    const { visit, waitedMs } = entry
    if (this.#isSettled) visit.leave()
    else {
      this.#visit = visit
      this.#leaveEarlier()
      // What was measured of its attempt begins now.
      this.#placed?.moveTo(this.target)
      this.#begin()
    }
    return { kind: 'entered', waitedMs }
  }

  get isSlotLimited(): boolean {
    const { admission } = this.#owner
    const ofModel = admission.limitsOf(this.#request.model)?.maxParallelRequests
    return (
      ofModel !== undefined ||
      this.#request.clientScope?.limits.maxParallelRequests !== undefined ||
      this.#owner.scopeOf(this.target).limits.maxParallelRequests !== undefined
    )
  }

  report(report: TargetReport, target = this.target): void {
    if (target === this.target) this.#isTrying = false
    const { health, cooldownMs, isLocal, now } = this.#owner
    switch (report.kind) {
      case 'healthy':
        if (target === this.target) this.#observed?.learner.answer(this.#observed.call)
        health.recordSuccess(target)
        if (target === this.target) this.#placed?.answered()
        this.#owner.lastSuccessMs.set(target.provider, now())
        return
      case 'failing': {
        const { failureKind, retryAfterMs, cause } = report
        if (failureKind === 'overloaded' && target === this.target) this.#observed?.learner.refuse()
        const of = { cooldownMs, isLocal: isLocal(target.provider), retryAfterMs, cause, nowMs: now() }
        health.recordFailure(target, failureKind, of)
        if (failureKind === 'unreachable') this.#owner.services?.suspect(target.provider)
        if (failureKind === 'unreachable' || failureKind === 'loading') {
          this.#owner.placer.forgetCache(target.provider)
        }
        return
      }
      case 'inconclusive':
        health.recordNothing(target)
        return
      default:
        report satisfies never
    }
  }

  failureKindOf(target: Target): FailureKind | undefined {
    return this.#owner.health.stateOf(target, this.#owner.now()).failureKind
  }

  uselessUsageWishOf(provider: string): UselessWish | undefined {
    return this.#owner.usageWishes.uselessWishOf(provider, this.#owner.now())
  }

  reportUselessUsageWish(why: UselessWish): void {
    this.#owner.usageWishes.rememberUseless(this.target.provider, why, this.#owner.now())
  }

  grow(tokens: number): void {
    const { admission } = this.#owner
    admission.grow(this.#reservation, tokens)
    if (this.#spending !== undefined) admission.budgets.grow(this.#spending, tokens)
  }

  settle(outcome: Outcome, usage?: Metered, spent?: Spent): void {
    if (this.#isSettled) return
    this.#isSettled = true
    const { admission } = this.#owner
    // A bug in what is learned from the call leaves no slot taken, and nothing of a budget held.
    try {
      this.#end(outcome, usage)
    } finally {
      try {
        if (this.#spending !== undefined) admission.budgets.settle(this.#spending, outcome, spent)
      } finally {
        admission.settle(this.#reservation, outcome)
      }
    }
  }

  #end(outcome: Outcome, usage: Metered | undefined): void {
    const { calibration, load } = this.#owner
    const { model, size } = this.#request
    const { provider } = this.target
    if (this.#isTrying) this.report({ kind: 'inconclusive' })
    if (usage?.isEstimated === false) calibration.learn(model, provider, size, usage)
    else if (usage !== undefined && outcome.kind === 'cut') {
      calibration.learnCut(model, provider, size, usage.completionTokens)
    }
    this.#visit?.leave()
    this.#leaveEarlier()
    load.remove(provider)
    if (this.#observed !== undefined) {
      this.#observed.learner.end(this.#observed.call)
      // For the calls in line, which are looked at below.
      this.#owner.scopes.refresh(provider)
    }
    this.#placed?.end(usage?.isEstimated === false ? usage : undefined)
  }

  /** It does not count any more as a call that was at its provider before that had a service. */
  #leaveEarlier(): void {
    const { services } = this.#owner
    if (services === undefined) return
    services.leaveEarlier(this.target.provider, this.#since)
    this.#since = services.generation
  }

  #chosenOf(targets: readonly Target[], scopes: readonly Scope[]): Target {
    const name = this.#reservation.choice?.name
    return targets[scopes.findIndex((scope) => scope.name === name)]!
  }

  #begin(): void {
    this.#isTrying = true
    if (this.#observed !== undefined) this.#observed.learner.end(this.#observed.call)
    this.#observed = this.#owner.scopes.observe(this.target.provider)
    this.#owner.health.recordStart(this.target, this.#owner.now())
  }

  /** After the slot has moved to the provider of one of these. */
  #moveAmong(targets: readonly Target[], scopes: readonly Scope[]): Target {
    const { load } = this.#owner
    const before = this.target.provider
    load.remove(before)
    this.#leaveEarlier()
    this.target = this.#chosenOf(targets, scopes)
    if (this.target.provider !== before) {
      this.#visit?.leave()
      this.#visit = undefined
    }
    load.add(this.target.provider)
    this.#placed?.moveTo(this.target)
    this.#begin()
    return this.target
  }
}
