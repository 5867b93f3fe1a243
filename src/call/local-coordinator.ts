// The owner itself: one per process, in its main thread.
import type { Admission, Admitted, Decision, ModelReport, ScopeReport } from '../admission/admission.ts'
import {
  budgetDemandOf,
  type BudgetHold,
  type BudgetScope,
  type BudgetSettings,
  type BudgetState,
  type Interruptible,
  type Spent,
  usualBudgetSettings,
} from '../admission/budget.ts'
import type { Calibration, Estimate } from '../admission/estimate.ts'
import { smallerLimit } from '../admission/limits-of.ts'
import type { Outcome } from '../admission/outcome.ts'
import { noLimitStatus } from '../admission/scope-counter.ts'
import type { Scope } from '../admission/scopes.ts'
import type { Reservation } from '../admission/stores/store.ts'
import type { Config, RoutingConfig } from '../config/types.ts'
import type { FailureKind, Target } from '../domain.ts'
import { type Choice, placedOf } from '../routing/choose-targets.ts'
import type { ServerTraits } from '../routing/expected-time.ts'
import type { Placed } from '../routing/placement.ts'
import { areAbilitiesKnown, unfitTargets } from '../routing/fit.ts'
import { type PlacedCall, Placer } from '../routing/placer.ts'
import { newPrefixKey } from '../routing/prefix-hashes.ts'
import { type KnownModel, ServerFacts } from '../routing/server-facts.ts'
import { type CoolDown, TargetHealth } from '../routing/target-health.ts'
import { hasSameCheck, isSameServer } from '../upstream/same-settings.ts'
import type {
  AdmissionRequest,
  AdmissionResult,
  AllFailing,
  Coordinator,
  Hold,
  PromptToCount,
  TargetReport,
} from './coordinator.ts'
import { CountedPrompts } from './counted-prompts.ts'
import type { Metered } from './response/meter.ts'
import {
  type LoadWatch,
  type ObservedProviderCall,
  ProviderScopes,
  type SlotProvider,
} from './provider-scopes.ts'
import { traitsOf, unknownTraits } from './server-traits.ts'
import { type UselessWish, UsageWishes } from './usage-wishes.ts'

export interface CoordinatorParts {
  readonly admission: Admission
  readonly calibration: Calibration
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  /** From 0 to below 1, at random. */
  readonly chance: () => number
  /** Whether a provider is known to speak a format. Absent: nothing is known. */
  readonly hasShown?: (provider: string, format: string) => boolean
  /** Called when a target is put last for a while. */
  readonly onCooled?: (coolDown: CoolDown) => void
  /** Absent: nothing is known of servers. */
  readonly serverFacts?: ServerFacts
}

export class LocalCoordinator implements Coordinator {
  /** Also receives what health checks find. */
  readonly health: TargetHealth
  readonly placer: Placer
  readonly prefixKey = newPrefixKey()
  /** Provider → when it answered a call last, in milliseconds of the monotonic clock. */
  readonly lastSuccessMs = new Map<string, number>()
  readonly countedPrompts: CountedPrompts
  readonly usageWishes = new UsageWishes()
  readonly serverFacts: ServerFacts
  readonly admission: Admission
  readonly calibration: Calibration
  readonly now: () => number
  readonly scopes: ProviderScopes
  readonly #traits = new Map<string, ServerTraits>()
  /** Is asked to see what other programs do at servers among which a call chooses, or for which it waits. */
  loadWatch: LoadWatch | undefined
  #configs: Config['providers'] = new Map()
  #routing: Pick<RoutingConfig, 'cooldownMs'> = { cooldownMs: 0 }

  constructor(parts: CoordinatorParts) {
    const { admission, calibration, now, chance, hasShown = () => false, onCooled } = parts
    this.health = new TargetHealth(onCooled)
    this.admission = admission
    this.calibration = calibration
    this.now = now
    this.serverFacts = parts.serverFacts ?? new ServerFacts()
    this.scopes = new ProviderScopes(this.serverFacts, now)
    this.serverFacts.onChange = this.#onServerFacts
    const { health } = this
    const traitsOfName = (provider: string) => this.#traits.get(provider) ?? unknownTraits
    const { serverFacts } = this
    this.countedPrompts = new CountedPrompts({ serverFacts, calibration, now })
    this.placer = new Placer({ health, traitsOf: traitsOfName, serverFacts, hasShown, now, chance })
  }

  /** Calls under way. */
  get load(): Placer['load'] {
    return this.placer.load
  }

  /** Switches to a configuration. Counts, health and what was learned stay, except for providers that were exchanged. */
  follow(
    {
      providers: configs,
      routing,
      rateLimits,
      budgets = usualBudgetSettings,
    }: Pick<Config, 'providers' | 'rateLimits'> & {
      readonly budgets?: BudgetSettings
    } & { readonly routing: Pick<RoutingConfig, 'cooldownMs'> },
    providers: Iterable<SlotProvider>,
  ): void {
    this.#carryHealth(this.#configs, configs)
    this.#configs = configs
    this.admission.budgets.follow(budgets)
    const all = [...providers]
    this.scopes.follow(all)
    for (const provider of all) {
      const { name, isLocal } = provider
      const config = configs.get(name)
      this.#traits.set(name, traitsOf(config, provider))
      this.countedPrompts.setProvider(name, isLocal ? config?.kind : undefined)
    }
    this.#routing = routing
    this.placer.placement.forgetTurns()
    this.admission.applyLimits(rateLimits)
  }

  admit(request: AdmissionRequest): AdmissionResult | Promise<AdmissionResult> {
    const { client, clientScope, program, disconnect, model, size, spending: asked } = request
    const unfit = unfitTargets(request, this)
    // No slot would help a call that fits nowhere: it does not wait for one, and counts nowhere.
    if (request.skipsFailing && unfit?.size === request.targets.length) return this.#skipped(model)
    const choice = this.placer.choose(request, unfit)
    const { targets, possible } = choice
    const tpm = smallerLimit(this.admission.limitsOf(model)?.tpm, clientScope?.limits.tpm)
    const estimate = this.calibration.estimate(model, targets[0]!.provider, size, tpm)
    const { tokens, minTokens } = estimate
    const scopes = possible.map((target) => this.scopeOf(target))
    if (targets.length > 1) this.loadWatch?.want(targets)
    const { reserve } = this.admission.budgets.settings
    const spending = asked && budgetDemandOf(asked, estimate, size, reserve)
    const decision = this.admission.reserve({
      client,
      clientScope,
      program,
      disconnect,
      model,
      tokens,
      minTokens,
      providers: scopes,
      spending,
    })
    const resultOf = (decided: Decision, made: Choice, placeScopes: readonly Scope[]): AdmissionResult => {
      const isUseful = !request.skipsFailing || this.#hasReady(made.possible)
      if (decided.kind === 'admitted' && isUseful) {
        const parts = { request, choice: made, scopes: placeScopes, estimate, admitted: decided }
        return { kind: 'admitted', hold: new LocalHold(this, parts) }
      }
      this.#giveBack(made)
      if (decided.kind !== 'admitted') return decided
      this.admission.settle(decided.reservation, unsent)
      if (decided.spending !== undefined) this.admission.budgets.settle(decided.spending, unsent, undefined)
      return { kind: 'all_failing', waitedMs: decided.waitedMs, limitStatus: decided.limitStatus }
    }
    if (!(decision instanceof Promise)) return resultOf(decision, choice, scopes)
    const endWatch = this.loadWatch?.hold(targets)
    return decision.then((late) => {
      endWatch?.()
      if (late.kind !== 'admitted' || targets.length === 1) return resultOf(late, choice, scopes)
      const fresh = this.#chooseAgain(request, choice, late)
      return fresh === undefined ? resultOf(late, choice, scopes) : resultOf(late, ...fresh)
    })
  }

  /**
   * Orders the targets by what is known after a wait. The call stays at the provider whose slot it was given, and keeps what it has
   * reserved. Undefined: that slot is counted otherwise by now, and the earlier choice stands.
   */
  #chooseAgain(
    request: AdmissionRequest,
    before: Choice,
    { reservation }: Admitted,
  ): [Choice, readonly Scope[]] | undefined {
    const scopes = request.targets.map((target) => this.scopeOf(target))
    if (!scopes.some(({ name }) => name === reservation.choice?.name)) return undefined
    this.#giveBack(before)
    const choice = this.placer.choose(request, unfitTargets(request, this))
    return [choice, choice.targets.map((target) => this.scopeOf(target))]
  }

  #giveBack({ turn }: Choice): void {
    if (turn !== undefined) this.placer.placement.giveBack(turn)
  }

  async #skipped(model: string): Promise<AllFailing> {
    const [report] = await this.describe([model])
    return { kind: 'all_failing', waitedMs: 0, limitStatus: report?.limitStatus ?? noLimitStatus }
  }

  asksNeeds(targets: readonly Target[]): boolean {
    return areAbilitiesKnown(targets, this.serverFacts)
  }

  #hasReady(targets: readonly Target[]): boolean {
    const nowMs = this.now()
    return targets.some((target) => this.health.stateOf(target, nowMs).isReady)
  }

  reportCount(prompt: PromptToCount, tokens: number | undefined): void {
    this.countedPrompts.take(prompt, tokens)
  }

  reportUnreachable(provider: string): void {
    const { cooldownMs } = this
    const of = { cooldownMs, isLocal: this.isLocal(provider), retryAfterMs: undefined, nowMs: this.now() }
    this.health.recordFailure({ provider, model: '', tier: 1, weight: 1 }, 'unreachable', of)
  }

  countPrompt({ model, provider, size }: PromptToCount): number {
    return this.calibration.countPrompt(model, provider, size)
  }

  describe(models: readonly string[]): Promise<readonly ModelReport[]> {
    return this.admission.describe(models)
  }

  async knownModels(targets: readonly Target[]): Promise<readonly KnownModel[]> {
    return targets.map(({ provider, model }) => this.serverFacts.modelOf(provider, model))
  }

  describeClient(scope: Scope): Promise<ScopeReport> {
    return this.admission.describeScope(scope)
  }

  async describeBudgets(scopes: readonly BudgetScope[]): Promise<readonly BudgetState[]> {
    return this.admission.budgets.describe(scopes)
  }

  close(): void {
    this.admission.close()
  }

  readonly #onServerFacts = (provider: string): void => {
    if (this.scopes.refresh(provider)) this.admission.examineLines()
  }

  readonly isLocal = (provider: string): boolean => this.scopes.isLocal(provider)

  scopeOf({ provider, model }: Target): Scope {
    return this.scopes.of(provider, model)
  }

  get cooldownMs(): number {
    return this.#routing.cooldownMs
  }

  /** What is known about a provider's health was learned at one address, with one key and by one check. */
  #carryHealth(before: Config['providers'], after: Config['providers']): void {
    for (const [name, old] of before) {
      const provider = after.get(name)
      if (provider === undefined || !isSameServer(old, provider)) {
        this.health.forget(name)
        this.placer.forget(name)
        this.countedPrompts.forget(name)
      } else if (!hasSameCheck(old, provider)) this.health.dropCheck(name)
    }
  }
}

const unsent = { kind: 'unsent' } as const

interface HoldParts {
  readonly request: AdmissionRequest
  readonly choice: Choice
  /** Of the providers of its targets, in the same order. */
  readonly scopes: readonly Scope[]
  readonly estimate: Estimate
  readonly admitted: Admitted
}

class LocalHold implements Hold {
  readonly targets: readonly Target[]
  readonly placement: Placed
  readonly promptTokens: number
  readonly waitedMs: number
  readonly countsAs: Hold['countsAs']
  readonly limitStatus: Hold['limitStatus']
  target: Target
  readonly #owner: LocalCoordinator
  readonly #request: AdmissionRequest
  readonly #reservation: Reservation
  readonly #spending: BudgetHold | undefined
  /** Undefined: nothing is learned from the call. */
  readonly #placed: PlacedCall | undefined
  /** An attempt at `target` counts as begun, and nobody has reported its end. */
  #isTrying = false
  #isSettled = false
  #observed: ObservedProviderCall | undefined

  constructor(owner: LocalCoordinator, { request, choice, scopes, estimate, admitted }: HoldParts) {
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
        const { failureKind, retryAfterMs } = report
        if (failureKind === 'overloaded' && target === this.target) this.#observed?.learner.refuse()
        const of = { cooldownMs, isLocal: isLocal(target.provider), retryAfterMs, nowMs: now() }
        health.recordFailure(target, failureKind, of)
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
    const { admission, calibration, load } = this.#owner
    const { model, size } = this.#request
    const { provider } = this.target
    if (this.#isTrying) this.report({ kind: 'inconclusive' })
    if (usage?.isEstimated === false) calibration.learn(model, provider, size, usage)
    else if (usage !== undefined && outcome.kind === 'cut') {
      calibration.learnCut(model, provider, size, usage.completionTokens)
    }
    load.remove(provider)
    if (this.#observed !== undefined) {
      this.#observed.learner.end(this.#observed.call)
      // For the calls in line, which are looked at below.
      this.#owner.scopes.refresh(provider)
    }
    this.#placed?.end(usage?.isEstimated === false ? usage : undefined)
    if (this.#spending !== undefined) admission.budgets.settle(this.#spending, outcome, spent)
    admission.settle(this.#reservation, outcome)
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
    load.remove(this.target.provider)
    this.target = this.#chosenOf(targets, scopes)
    load.add(this.target.provider)
    this.#placed?.moveTo(this.target)
    this.#begin()
    return this.target
  }
}
