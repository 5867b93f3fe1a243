// What calls share, and so has one owner in a process: limits, the health and load of targets, and what was learned about
// providers. The owner's own thread asks it directly (local-coordinator.ts), worker threads ask by messages
// (app/workers/); calls see no difference except that an answer comes later.
import type { ModelReport, ScopeReport } from '../admission/admission.ts'
import type { OverBudget } from '../admission/admission.ts'
import type {
  BudgetHold,
  BudgetRequest,
  BudgetScope,
  BudgetState,
  Interruptible,
  Spent,
} from '../admission/budget.ts'
import type { Outcome } from '../admission/outcome.ts'
import type { Scope } from '../admission/scopes.ts'
import type { Disconnect, NotAdmitted, Program } from '../admission/waiting-line.ts'
import type { Client, FailureKind, LimitStatus, RequestSize, Target } from '../domain.ts'
import type { Placed } from '../routing/placement.ts'
import type { PrefixHashes, PrefixKey } from '../routing/prefix-hashes.ts'
import type { Ability, KnownModel } from '../routing/server-facts.ts'
import type { CountingKind } from '../upstream/providers/prompt-count.ts'
import type { Metered } from './response/meter.ts'
import type { ServiceCaller, ServiceEntry, ServiceVisit } from '../upstream/services/services.ts'
import type { UselessWish } from './usage-wishes.ts'

/** A call that asks to be admitted to a model. */
export interface AdmissionRequest {
  readonly client: Pick<Client, 'id'>
  /** What limits the client by itself; undefined: nothing does. */
  readonly clientScope: Scope | undefined
  /** Absent: no budget applies to the call. */
  readonly spending?: BudgetRequest | undefined
  /** Of the client, for the order in which its calls wait; absent: the model's calls do not wait. */
  readonly program?: Program | undefined
  readonly disconnect: Disconnect
  /** Whose limits count: the name of a model or wildcard, never an alias. */
  readonly model: string
  /** At least one. */
  readonly targets: readonly Target[]
  readonly size: RequestSize
  /** What the model has to be able to do. Absent: nothing that only some can. */
  readonly needs?: readonly Ability[] | undefined
  /** Of the prompt, hashed with `Coordinator.prefixKey`; undefined if the order of targets need not follow it. */
  readonly prefix: PrefixHashes | undefined
  readonly isStream: boolean
  /** Of the client (`ProviderDialect.name`): targets that speak it are preferred. */
  readonly format: string
  /** Another model may answer instead, and is preferred to targets that are all known to fail. */
  readonly skipsFailing: boolean
}

export type AdmissionResult =
  | { readonly kind: 'admitted'; readonly hold: Hold }
  | AllFailing
  | NotAdmitted
  | OverBudget

/**
 * The call is known to fit none of its targets, or the limits have room for it and all of its targets are cooling down or unhealthy.
 * Nothing is held.
 */
export interface AllFailing {
  readonly kind: 'all_failing'
  readonly waitedMs: number
  readonly limitStatus: LimitStatus
}

/** What an attempt has shown of its target. */
export type TargetReport =
  /** It responded, or refused the client for the client's own mistake. */
  | { readonly kind: 'healthy' }
  /** `retryAfterMs`: what the provider asked for, if it did. */
  | {
      readonly kind: 'failing'
      readonly failureKind: FailureKind
      readonly retryAfterMs: number | undefined
      /** Of a connection that could not be made: `ECONNREFUSED`. */
      readonly cause?: string | undefined
    }
  /** Nothing: the client left, say. */
  | { readonly kind: 'inconclusive' }

/**
 * What an admitted call holds: its share of the limits, and a slot of one target's provider. Its holder settles it, on
 * every path. A thread that ends with holds has them settled as cut calls.
 */
export interface Hold {
  /** The targets of the request, the best first. */
  readonly targets: readonly Target[]
  /** The one whose provider's slot is held. The owner assumes that an attempt at it has begun. */
  readonly target: Target
  /** Why that one, at admission. */
  readonly placement: Placed
  /** As estimated. */
  readonly promptTokens: number
  /** What is charged so far: as reserved, or as grown since. */
  readonly tokens: number
  readonly waitedMs: number
  /** Whether others may be refused because of the slots that are held here. */
  readonly isSlotLimited: boolean
  /** How the server of `target` counts the prompt, where it is this call's that is to be counted (`reportCount`). */
  readonly countsAs: CountingKind | undefined
  /** Whether a budget applies to the call. */
  readonly isBudgeted: boolean
  /** What is reserved of budgets. Undefined: nothing is, or only the owner knows it. */
  readonly reserved: Pick<BudgetHold, 'nano' | 'tokens'> | undefined
  /** Is interrupted when the call is to end because a budget is spent. */
  interruptible: Interruptible | undefined
  /** Of the model's limits at admission, with this call counted. */
  readonly limitStatus: LimitStatus
  /**
   * Changes to the first of these targets whose provider has a free slot, for a further attempt: one at the same provider
   * always has. Undefined: none has, and all is as before.
   */
  moveTo(targets: readonly Target[]): Target | undefined | Promise<Target | undefined>
  /**
   * Enters the service of `target`'s provider for an attempt; the hold is in it until it moves to another provider or is settled.
   * Undefined: the call is in. Only for providers that have a service. Throws or rejects with a bug alone.
   */
  enterService(disconnect: Disconnect): Promise<Entry> | undefined
  /**
   * Reports how the attempt at `target` came out, for the calls after this one.
   * @param target another one of `targets`, of which an attempt at this one has shown more.
   */
  report(report: TargetReport, target?: Target): void
  /** What was wrong with one of `targets` when this call was admitted, or what it has reported since. */
  failureKindOf(target: Target): FailureKind | undefined
  /** Why a provider of `targets` need not be asked for usage; undefined: that is not known of it. */
  uselessUsageWishOf(provider: string): UselessWish | undefined
  /** What the provider of `target` has shown. */
  reportUselessUsageWish(why: UselessWish): void
  /**
   * Raises the charge to `tokens` in all (whole), once the call is seen to take more than was reserved, so that no other is
   * admitted against tokens that are used already. Never lowers it, never refuses.
   */
  grow(tokens: number): void
  /**
   * Ends the hold. The first call counts; later ones change nothing.
   * @param usage what was metered, if the response is one to learn from.
   * @param spent what all attempts have cost, if a budget applies; undefined: it is not known.
   */
  settle(outcome: Outcome, usage?: Metered, spent?: Spent): void
}

/** As `ServiceEntry`: the visit is the hold's. */
export type Entry =
  | { readonly kind: 'entered'; readonly waitedMs: number }
  | Exclude<ServiceEntry, { readonly kind: 'entered' }>

export interface PromptToCount {
  readonly model: string
  readonly provider: string
  readonly size: RequestSize
}

export interface Coordinator {
  /** Of this process, at random: keys the hashes of prompts and the numbers of clients\' programs. */
  readonly prefixKey: PrefixKey
  /**
   * Puts the targets in order and reserves the call's share, or lets it wait in line where the model's limits say so.
   * Throws or rejects with a bug alone. A call that is not admitted has cost nothing.
   */
  admit(request: AdmissionRequest): AdmissionResult | Promise<AdmissionResult>
  /** Whether what a call needs can decide among these targets. */
  asksNeeds(targets: readonly Target[]): boolean
  /** A server has counted the prompt of a call (`Hold.countsAs`); undefined: it was asked, and did not. */
  reportCount(prompt: PromptToCount, tokens: number | undefined): void
  /** A request that is no model call could not be sent to the provider. */
  reportUnreachable(provider: string): void
  /** Enters the service of a provider that has one, for a request that is no model call. Throws or rejects with a bug alone. */
  visitService(provider: string, caller: ServiceCaller): ServiceVisit | Promise<ServiceEntry>
  /** The same for what does without where it would have to wait: undefined. */
  visitIfOpen(provider: string): ServiceVisit | undefined | Promise<ServiceVisit | undefined>
  /** How many tokens a prompt is expected to have at a target, by what was learned so far. Reserves nothing. */
  countPrompt(prompt: PromptToCount): number | Promise<number>
  /** The limits of these models, for `GET /v1/limits`; those without limits are left out. */
  describe(models: readonly string[]): Promise<readonly ModelReport[]>
  /** What is known of each of these targets, in their order. */
  knownModels(targets: readonly Target[]): Promise<readonly KnownModel[]>
  /** How a client stands by its own limits. */
  describeClient(scope: Scope): Promise<ScopeReport>
  /** How all budgets of these scopes stand. */
  describeBudgets(scopes: readonly BudgetScope[]): Promise<readonly BudgetState[]>
  /** Refuses the waiting calls of this thread, and admits no more of its calls. Those under way go on. */
  close(): void
}
