// What the main thread and its worker threads send one another. What is posted in one turn of the event loop
// travels together (outbox.ts).
import type { MessagePort } from 'node:worker_threads'
import type { ModelReport, ScopeReport } from '../../admission/admission.ts'
import type { BudgetScope, BudgetState, Spent } from '../../admission/budget.ts'
import type { OverBudget } from '../../admission/admission.ts'
import type { Outcome } from '../../admission/outcome.ts'
import type { Scope } from '../../admission/scopes.ts'
import type { NotAdmitted } from '../../admission/waiting-line.ts'
import type {
  AdmissionRequest,
  AllFailing,
  Entry,
  PromptToCount,
  TargetReport,
} from '../../call/coordinator.ts'
import type { Metered } from '../../call/response/meter.ts'
import type { UselessWish } from '../../call/usage-wishes.ts'
import type { AskedFormat } from '../../call/spoken-formats.ts'
import type { FoundKeys } from '../../clients/identity/key-set.ts'
import type { KeyFile } from '../../clients/keys/key-record.ts'
import type { FailureKind, LimitStatus, Target } from '../../domain.ts'
import type { GatewayError } from '../../errors.ts'
import type { Cell } from '../../ledger/call-row.ts'
import type { UsageAnswer } from '../../ledger/ledger.ts'
import type { UsageQuestion } from '../../ledger/report.ts'
import type { GatewayEvent } from '../../observe/events.ts'
import type { FamilyName } from '../../observe/metrics/families.ts'
import type { OwnedObject, OwnersFound } from '../../routing/object-owners.ts'
import type { Placed } from '../../routing/placement.ts'
import type { PrefixKey } from '../../routing/prefix-hashes.ts'
import type { Discovered } from '../../routing/discovered-names.ts'
import type { KnownModel } from '../../routing/server-facts.ts'
import type { InheritedSocket } from '../../server/listeners/inherited.ts'
import type { HistoryLook } from '../../status/call-history.ts'
import type { ExplainedName } from '../../status/explained-name.ts'
import type { SharedStoreReport } from '../../status/shared-store.ts'
import type { StatusReport } from '../../status/status-report.ts'
import type { StatusView } from '../../status/status-source.ts'
import type { OpenCall } from '../../status/open-call.ts'
import type { CountingKind } from '../../upstream/providers/prompt-count.ts'
import type { ServiceCaller } from '../../upstream/services/services.ts'
import type { SerializedConfig } from './config-transfer.ts'
import type { SentError } from './sent-error.ts'

/** What a worker begins with. */
export interface WorkerStart {
  /** Whether the ends of calls are recorded. */
  readonly hasLedger: boolean
  /** Whether events are counted. */
  readonly hasCounts: boolean
  /** Whether security events are. */
  readonly hasAudit: boolean
  /** From 1 on; the main thread is 0. */
  readonly number: number
  /** To the main thread. */
  readonly port: MessagePort
  /** As the gateway was started with, and as it was reloaded last. */
  readonly config: SerializedConfig
  readonly reloaded: SerializedConfig | undefined
  readonly discovered: Discovered
  readonly foundFormats: FoundFormats
  readonly prefixKey: PrefixKey
  readonly keyFile: KeyFile
  /** Where this one listens. */
  readonly hosts: readonly string[]
  readonly tcpPort: number
  readonly unixSocket: string | undefined
  readonly sockets: readonly InheritedSocket[]
  readonly version: string
  readonly configFile: string
}

/** What providers have shown, by their name and the format's; confirmed recently. */
export type FoundFormats = ReadonlyMap<string, Readonly<Record<string, boolean>>>

/** An admission as it travels. Targets are given by their index in the request. */
export type AdmissionMessage =
  | {
      readonly kind: 'admitted'
      /** The best first. */
      readonly order: readonly number[]
      readonly target: number
      readonly placement: Placed
      readonly promptTokens: number
      readonly tokens: number
      readonly waitedMs: number
      readonly isSlotLimited: boolean
      readonly countsAs: CountingKind | undefined
      readonly isBudgeted: boolean
      readonly limitStatus: LimitStatus
      /** What is wrong with the targets, where anything is. */
      readonly failureKinds: readonly (readonly [target: number, failureKind: FailureKind])[]
      /** Providers that need not be asked for usage, and why. */
      readonly uselessUsageWishes: readonly (readonly [provider: string, why: UselessWish])[]
    }
  | AllFailing
  | NotAdmitted
  | OverBudget

/** Questions of a worker: what is sent, and what is answered. */
export interface Requests {
  take: { readonly params: { readonly client: string }; readonly result: number }
  admit: { readonly params: Omit<AdmissionRequest, 'disconnect'>; readonly result: AdmissionMessage }
  /** `hold` is the id of the question that was answered with it; so below. Targets are in the order of preference. */
  move: {
    readonly params: { readonly hold: number; readonly targets: readonly number[] }
    readonly result: number | undefined
  }
  enter_service: { readonly params: { readonly hold: number }; readonly result: Entry }
  /** The id is that of the visit from then on. Undefined: a request that does not wait would have to. */
  visit_service: {
    readonly params: Omit<ServiceCaller, 'disconnect'> & {
      readonly provider: string
      readonly isPatient: boolean
    }
    readonly result: Entry | undefined
  }
  count: { readonly params: PromptToCount; readonly result: number }
  describe: {
    readonly params: { readonly models: readonly string[] }
    readonly result: readonly ModelReport[]
  }
  known_models: {
    readonly params: { readonly targets: readonly Target[] }
    readonly result: readonly KnownModel[]
  }
  describe_client: { readonly params: { readonly scope: Scope }; readonly result: ScopeReport }
  describe_budgets: {
    readonly params: { readonly scopes: readonly BudgetScope[] }
    readonly result: readonly BudgetState[]
  }
  find_format: {
    readonly params: { readonly provider: string; readonly format: AskedFormat }
    readonly result: boolean | undefined
  }
  find_keys: {
    readonly params: { readonly url: string; readonly kid: string | undefined }
    readonly result: FoundKeys
  }
  owners: { readonly params: { readonly ids: readonly string[] }; readonly result: OwnersFound }
  has_objects: {
    readonly params: { readonly client: string; readonly kind: string }
    readonly result: boolean
  }
  metrics: { readonly params: object; readonly result: readonly string[] }
  store: { readonly params: object; readonly result: SharedStoreReport | undefined }
  usage: { readonly params: UsageQuestion; readonly result: UsageAnswer }
  refresh: { readonly params: { readonly model: string }; readonly result: undefined }
  /** Undefined: the main thread has failed at it, or is not ready. */
  status: { readonly params: StatusView; readonly result: StatusReport | undefined }
  explain: { readonly params: { readonly name: string }; readonly result: ExplainedName | undefined }
  end_call: { readonly params: { readonly id: string; readonly by: string }; readonly result: boolean }
}

export type WorkerRequest = {
  [Kind in keyof Requests]: {
    readonly kind: Kind
    readonly id: number
    readonly params: Requests[Kind]['params']
  }
}[keyof Requests]

/** About an admission that was asked for. */
export type HoldMessage =
  /** The client has left, or the worker closes: whatever the answer was, the call takes nothing. */
  | { readonly kind: 'cancel'; readonly hold: number }
  /** The client has left while its call waited for a service. */
  | { readonly kind: 'entry_cancelled'; readonly hold: number }
  | { readonly kind: 'report'; readonly hold: number; readonly report: TargetReport; readonly target: number }
  | { readonly kind: 'useless_usage_wish'; readonly hold: number; readonly why: UselessWish }
  | { readonly kind: 'grow'; readonly hold: number; readonly tokens: number }
  | {
      readonly kind: 'settle'
      readonly hold: number
      readonly outcome: Outcome
      readonly usage: Metered | undefined
      readonly spent: Spent | undefined
    }

/** A visit is over, or what asked for it has left. */
export interface VisitMessage {
  readonly kind: 'visit_ended'
  readonly visit: number
}

/** `SpokenFormats.doubt`. */
export interface FormatMessage {
  readonly kind: 'format_doubted'
  readonly provider: string
  readonly format: string
}

/** What requests that are no model calls have shown. */
export type RestMessage =
  | { readonly kind: 'remember'; readonly objects: readonly OwnedObject[] }
  | { readonly kind: 'unreachable'; readonly provider: string }

/** `Coordinator.reportCount`. */
export interface CountMessage {
  readonly kind: 'prompt_counted'
  readonly prompt: PromptToCount
  readonly tokens: number | undefined
}

/** About permits of the flood limit (flood-leases.ts). */
export type PermitMessage =
  | { readonly kind: 'permit_used'; readonly client: string }
  | { readonly kind: 'permits_returned'; readonly client: string; readonly count: number }

/** What a worker has counted. It numbers its cells itself. */
export interface CountsMessage {
  readonly kind: 'counts'
  /** That have come into being since the last message. */
  readonly series: readonly CountedSeries[]
  /** In pairs: a cell, and what is added to it. */
  readonly amounts: readonly number[]
}

/** A series by its first cell; its others follow. */
type CountedSeries = readonly [first: number, name: FamilyName, values: readonly string[]]

/** What a worker sends that is about itself. */
type WorkerMessage =
  | { readonly kind: 'listening'; readonly addresses: readonly string[] }
  /** It can't start; the message is for people. */
  | { readonly kind: 'refused'; readonly message: string }
  /** Whole lines. */
  | { readonly kind: 'log'; readonly text: string }
  /** Ends of calls, for the ledger. */
  | { readonly kind: 'rows'; readonly rows: readonly Cell[] }
  | CountsMessage
  /** For the audit log. */
  | { readonly kind: 'audited'; readonly event: GatewayEvent }
  /** `calls`: under way when a stop begins, or ended by new keys; else 0. */
  | { readonly kind: 'done'; readonly command: number; readonly calls: number }
  | { readonly kind: 'looked'; readonly command: number; readonly look: Look }
  | { readonly kind: 'stopped' }

export type FromWorker =
  | WorkerMessage
  | WorkerRequest
  | HoldMessage
  | VisitMessage
  | FormatMessage
  | PermitMessage
  | RestMessage
  | CountMessage

/** What a worker knows of its calls. */
export interface Look {
  readonly calls: readonly OpenCall[]
  readonly recent: HistoryLook
}

/** Each is answered with `done`, `look` with `looked`. `stop` is answered when it has begun; it is over when the thread ends. */
export type Command =
  | { readonly kind: 'reload'; readonly config: SerializedConfig }
  | { readonly kind: 'keys'; readonly file: KeyFile }
  | { readonly kind: 'revoke'; readonly secretIds: ReadonlySet<string> }
  | { readonly kind: 'stop'; readonly reason: string }
  /** `calls` is 1 if such a call was under way. */
  | { readonly kind: 'cancel_call'; readonly id: string; readonly by: string | undefined }
  | { readonly kind: 'look' }
  | { readonly kind: 'ping' }
  /** Counts the time of its event loop; `done` has the calls under way. */
  | { readonly kind: 'measure' }

/** What the owner sends a worker, unasked or in response. */
export type OwnerMessage =
  | { readonly kind: 'response'; readonly id: number; readonly result: unknown }
  /** A bug of the owner, which the worker reports: it ends the question with this id. Undefined: what led to it was no question. */
  | { readonly kind: 'failed'; readonly id: number | undefined; readonly error: SentError }
  | { readonly kind: 'models'; readonly discovered: Discovered }
  | { readonly kind: 'server_ended'; readonly provider: string }
  | { readonly kind: 'formats'; readonly found: FoundFormats }
  /** Further permits of the flood limit, and that all unused ones are to be returned. */
  | { readonly kind: 'permits'; readonly client: string; readonly count: number }
  | { readonly kind: 'recall'; readonly client: string }
  /** A budget of the call that holds this is spent. */
  | { readonly kind: 'exhausted'; readonly hold: number; readonly error: ExhaustedError }

/** The error with which the call ends. */
export type ExhaustedError = Pick<GatewayError, 'code' | 'message' | 'headers'>

export type ToWorker = (Command & { readonly command: number }) | OwnerMessage
