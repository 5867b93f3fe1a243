// The owner itself: one per process, in its main thread.
import type { Admission, Admitted, Decision, ModelReport, ScopeReport } from '../admission/admission.ts'
import {
  budgetDemandOf,
  type BudgetScope,
  type BudgetSettings,
  type BudgetState,
  usualBudgetSettings,
} from '../admission/budget.ts'
import type { Calibration } from '../admission/estimate.ts'
import { smallerLimit } from '../admission/limits-of.ts'
import { noLimitStatus } from '../admission/scope-counter.ts'
import type { Scope } from '../admission/scopes.ts'
import type { Config, RoutingConfig } from '../config/types.ts'
import type { Target } from '../domain.ts'
import type { Choice } from '../routing/choose-targets.ts'
import type { ServerTraits } from '../routing/expected-time.ts'
import { areAbilitiesKnown, unfitTargets } from '../routing/fit.ts'
import { Placer } from '../routing/placer.ts'
import { newPrefixKey } from '../routing/prefix-hashes.ts'
import { type KnownModel, ServerFacts } from '../routing/server-facts.ts'
import { type CoolDown, TargetHealth } from '../routing/target-health.ts'
import { hasSameCheck, isSameServer } from '../upstream/same-settings.ts'
import type {
  AdmissionRequest,
  AdmissionResult,
  AllFailing,
  Coordinator,
  PromptToCount,
} from './coordinator.ts'
import { CountedPrompts } from './counted-prompts.ts'
import { type HoldOwner, LocalHold } from './local-hold.ts'
import { type LoadWatch, ProviderScopes, type SlotProvider } from './provider-scopes.ts'
import { traitsOf, unknownTraits } from './server-traits.ts'
import { withStopped } from './stopped-targets.ts'
import { freeVisit } from '../upstream/services/service-run.ts'
import type { ServiceCaller, ServiceEntry, Services, ServiceVisit } from '../upstream/services/services.ts'
import { UsageWishes } from './usage-wishes.ts'

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

export class LocalCoordinator implements Coordinator, HoldOwner {
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
  /** Undefined: none of the providers has a service. */
  services: Services | undefined
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
    const choice = this.#choose(request, unfit)
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
    const choice = this.#choose(request, unfitTargets(request, this))
    return [choice, choice.targets.map((target) => this.scopeOf(target))]
  }

  /** @param unfit targets that the call does not fit; those whose server would have to be started come last, too. */
  #choose(request: AdmissionRequest, unfit: ReadonlySet<Target> | undefined): Choice {
    const { services, placer } = this
    const { targets } = request
    if (services === undefined || targets.length === 1) return placer.choose(request, unfit)
    const last = withStopped(targets, unfit, services)
    const choice = placer.choose(request, last)
    return last !== unfit && choice.reason === 'fits' ? { ...choice, reason: 'running' } : choice
  }

  visitService(provider: string, caller: ServiceCaller): ServiceVisit | Promise<ServiceEntry> {
    const { services } = this
    return services?.has(provider) === true ? services.enter(provider, caller) : freeVisit
  }

  visitIfOpen(provider: string): ServiceVisit | undefined {
    const { services } = this
    return services?.has(provider) === true ? services.enterIfOpen(provider) : freeVisit
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
    this.services?.suspect(provider)
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
    await this.admission.budgets.look(scopes)
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
