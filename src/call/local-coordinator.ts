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
import type { Outcome } from '../admission/outcome.ts'
import { providerScope, type Scope } from '../admission/scopes.ts'
import type { Reservation } from '../admission/stores/store.ts'
import type { ProviderConfig } from '../config/provider-types.ts'
import type { Config, RoutingConfig } from '../config/types.ts'
import type { FailureKind, Target } from '../domain.ts'
import type { Choice } from '../routing/choose-targets.ts'
import type { ServerTraits } from '../routing/expected-time.ts'
import type { Placed } from '../routing/placement.ts'
import { unfitTargets } from '../routing/fit.ts'
import { type PlacedCall, Placer } from '../routing/placer.ts'
import { newPrefixKey } from '../routing/prefix-hashes.ts'
import { ServerFacts } from '../routing/server-facts.ts'
import { type CoolDown, TargetHealth } from '../routing/target-health.ts'
import type { Provider } from '../upstream/provider.ts'
import { hasSameCheck, isSameServer } from '../upstream/same-settings.ts'
import type {
  AdmissionRequest,
  AdmissionResult,
  Coordinator,
  Hold,
  PromptToCount,
  TargetReport,
} from './coordinator.ts'
import type { Metered } from './response/meter.ts'
import { UsageWishes } from './usage-wishes.ts'

/** What the coordinator knows about a provider. */
interface ProviderFacts {
  readonly isLocal: boolean
  readonly scope: Scope
  readonly traits: ServerTraits
}

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
  readonly usageWishes = new UsageWishes()
  readonly serverFacts: ServerFacts
  readonly admission: Admission
  readonly calibration: Calibration
  readonly now: () => number
  /** By name. Those that a reload has removed stay, for calls that began before it. */
  readonly #providers = new Map<string, ProviderFacts>()
  #configs: Config['providers'] = new Map()
  #routing: Pick<RoutingConfig, 'cooldownMs'> = { cooldownMs: 0 }

  constructor(parts: CoordinatorParts) {
    const { admission, calibration, now, chance, hasShown = () => false, onCooled } = parts
    this.health = new TargetHealth(onCooled)
    this.admission = admission
    this.calibration = calibration
    this.now = now
    this.serverFacts = parts.serverFacts ?? new ServerFacts()
    const { health } = this
    const traitsOf = (provider: string) => this.#providers.get(provider)?.traits ?? unknownTraits
    const { serverFacts } = this
    this.placer = new Placer({ health, traitsOf, serverFacts, hasShown, now, chance })
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
    providers: Iterable<Pick<Provider, 'name' | 'isLocal' | 'maxParallelRequests'>>,
  ): void {
    this.#carryHealth(this.#configs, configs)
    this.#configs = configs
    this.admission.budgets.follow(budgets)
    for (const { name, isLocal, maxParallelRequests } of providers) {
      const scope = providerScope(name, maxParallelRequests)
      const traits = { cache: cacheOf(configs.get(name), isLocal), slots: maxParallelRequests }
      this.#providers.set(name, { isLocal, scope, traits })
    }
    this.#routing = routing
    this.placer.placement.forgetTurns()
    this.admission.applyLimits(rateLimits)
  }

  admit(request: AdmissionRequest): AdmissionResult | Promise<AdmissionResult> {
    const { client, clientScope, program, disconnect, model, size, spending: asked } = request
    const unfit = unfitTargets(request, this)
    const choice = this.placer.choose(unfit === undefined ? request : { ...request, unfit })
    const { targets, turn, fitting } = choice
    // Where the call fits nowhere, the servers' own counts decide.
    const possible = unfit === undefined || fitting === 0 ? targets : targets.slice(0, fitting)
    const tpm = smallest(this.admission.limitsOf(model)?.tpm, clientScope?.limits.tpm)
    const estimate = this.calibration.estimate(model, targets[0]!.provider, size, tpm)
    const { tokens, minTokens } = estimate
    const providers = possible.map(({ provider }) => this.scopeOf(provider))
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
      providers,
      spending,
    })
    const resultOf = (decided: Decision): AdmissionResult => {
      if (
        decided.kind === 'admitted' &&
        (!request.skipsFailing || (fitting > 0 && this.#hasReady(possible)))
      ) {
        const hold = new LocalHold(this, { request, choice, estimate, admitted: decided })
        return { kind: 'admitted', hold }
      }
      if (turn !== undefined) this.placer.placement.giveBack(turn)
      if (decided.kind !== 'admitted') return decided
      this.admission.settle(decided.reservation, unsent)
      if (decided.spending !== undefined) this.admission.budgets.settle(decided.spending, unsent, undefined)
      return { kind: 'all_failing', waitedMs: decided.waitedMs, limitStatus: decided.limitStatus }
    }
    return decision instanceof Promise ? decision.then(resultOf) : resultOf(decision)
  }

  asksNeeds(targets: readonly Target[]): boolean {
    return targets.some(
      ({ provider, model }) => this.serverFacts.modelOf(provider, model).takes !== undefined,
    )
  }

  #hasReady(targets: readonly Target[]): boolean {
    const nowMs = this.now()
    return targets.some((target) => this.health.stateOf(target, nowMs).isReady)
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

  describeClient(scope: Scope): Promise<ScopeReport> {
    return this.admission.describeScope(scope)
  }

  async describeBudgets(scopes: readonly BudgetScope[]): Promise<readonly BudgetState[]> {
    return this.admission.budgets.describe(scopes)
  }

  close(): void {
    this.admission.close()
  }

  readonly isLocal = (provider: string): boolean => this.#providers.get(provider)?.isLocal === true

  scopeOf(provider: string): Scope {
    return this.#providers.get(provider)?.scope ?? providerScope(provider, undefined)
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
      } else if (!hasSameCheck(old, provider)) this.health.dropCheck(name)
    }
  }
}

function smallest(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other)
}

/** Of a provider that a reload has removed. */
const unknownTraits: ServerTraits = { cache: 'paid', slots: undefined }

/** A server of an unknown kind is taken for the one that most people run. */
function cacheOf(config: ProviderConfig | undefined, isLocal: boolean): ServerTraits['cache'] {
  if (!isLocal) return 'paid'
  return config?.kind === 'vllm' ? 'shared' : 'slots'
}

function placedOf({ targets, reason, prospects }: Choice, target: Target): Placed {
  const placed = prospects?.get(target)
  const why = target === targets[0] ? reason : 'free_slot'
  if (placed === undefined) return { reason: why }
  const { cachedBytes, promptBytes, queue, expectedMs } = placed
  return { reason: why, cachedBytes, promptBytes, queue, ...(expectedMs !== undefined && { expectedMs }) }
}

const unsent = { kind: 'unsent' } as const

interface HoldParts {
  readonly request: AdmissionRequest
  readonly choice: Choice
  readonly estimate: Estimate
  readonly admitted: Admitted
}

class LocalHold implements Hold {
  readonly targets: readonly Target[]
  readonly placement: Placed
  readonly promptTokens: number
  readonly waitedMs: number
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

  constructor(owner: LocalCoordinator, { request, choice, estimate, admitted }: HoldParts) {
    this.#owner = owner
    this.#request = request
    this.#reservation = admitted.reservation
    this.#spending = admitted.spending
    this.targets = choice.targets
    this.promptTokens = estimate.promptTokens
    this.waitedMs = admitted.waitedMs
    this.limitStatus = admitted.limitStatus
    this.target = this.#chosenOf(choice.targets)
    this.placement = placedOf(choice, this.target)
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
    const providers = targets.map(({ provider }) => this.#owner.scopeOf(provider))
    const hasMoved = this.#owner.admission.move(this.#reservation, providers)
    const move = (isDone: boolean) => (isDone ? this.#moveAmong(targets) : undefined)
    return hasMoved instanceof Promise ? hasMoved.then(move) : move(hasMoved)
  }

  get isSlotLimited(): boolean {
    const { admission } = this.#owner
    const ofModel = admission.limitsOf(this.#request.model)?.maxParallelRequests
    return (
      ofModel !== undefined ||
      this.#request.clientScope?.limits.maxParallelRequests !== undefined ||
      this.#owner.scopeOf(this.target.provider).limits.maxParallelRequests !== undefined
    )
  }

  report(report: TargetReport, target = this.target): void {
    if (target === this.target) this.#isTrying = false
    const { health, cooldownMs, isLocal, now } = this.#owner
    switch (report.kind) {
      case 'healthy':
        health.recordSuccess(target)
        if (target === this.target) this.#placed?.answered()
        this.#owner.lastSuccessMs.set(target.provider, now())
        return
      case 'failing': {
        const { failureKind, retryAfterMs } = report
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

  isUsageWishUseless(provider: string): boolean {
    return this.#owner.usageWishes.isUseless(provider, this.#owner.now())
  }

  reportUselessUsageWish(): void {
    this.#owner.usageWishes.rememberUseless(this.target.provider, this.#owner.now())
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
    this.#placed?.end(usage?.isEstimated === false ? usage : undefined)
    if (this.#spending !== undefined) admission.budgets.settle(this.#spending, outcome, spent)
    admission.settle(this.#reservation, outcome)
  }

  #chosenOf(targets: readonly Target[]): Target {
    return targets.find(({ provider }) => provider === this.#reservation.choice?.name)!
  }

  #begin(): void {
    this.#isTrying = true
    this.#owner.health.recordStart(this.target, this.#owner.now())
  }

  /** After the slot has moved to the provider of one of these. */
  #moveAmong(targets: readonly Target[]): Target {
    const { load } = this.#owner
    load.remove(this.target.provider)
    this.target = this.#chosenOf(targets)
    load.add(this.target.provider)
    this.#placed?.moveTo(this.target)
    this.#begin()
    return this.target
  }
}
