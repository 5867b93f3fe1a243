// What the server is built from.
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { ModelReport, ScopeReport } from '../admission/admission.ts'
import type { BudgetState } from '../admission/budget.ts'
import type { FloodWindows } from '../admission/flood-windows.ts'
import type { Scope } from '../admission/scopes.ts'
import type { Call } from '../call/call.ts'
import type { RestCall } from '../call/rest/request.ts'
import type { IdentityCheck } from '../clients/identity/identity-check.ts'
import type { Dialects } from '../dialects/table.ts'
import type { Client, Target } from '../domain.ts'
import type { UsageAnswer } from '../ledger/ledger.ts'
import type { UsageQuestion } from '../ledger/report.ts'
import type { Events } from '../observe/events.ts'
import type { Clock } from '../platform/clock.ts'
import type { RouteTable } from '../routing/route-table.ts'
import type { Provider } from '../upstream/provider.ts'
import type { KnownModel } from '../routing/server-facts.ts'
import type { SharedStoreReport } from '../status/shared-store.ts'
import type { StatusSource } from '../status/status-source.ts'
import type { Guard } from './guards/guard.ts'
import type { Observers } from './observers.ts'
import type { KeyCheck } from './key-check.ts'
import type { TimeSlicer } from './time-slicer.ts'

export interface ServerParts {
  readonly guards: readonly Guard[]
  readonly isOriginAllowed: (origin: string) => boolean
  readonly maxBodyBytes: number
  /** Of all bodies together. */
  readonly bodyMemoryBytes: number
  /** On calls of one client, whatever the model; undefined: unlimited. */
  readonly floodWindows: FloodWindows | undefined
  /** How long a call may wait for room in its client's window, in milliseconds. */
  readonly floodWaitMs: () => number
  /** Aborted when calls are ended that have not begun. */
  readonly stopped: AbortSignal
  readonly clientOf: (request: IncomingMessage) => Client
  /** Undefined: keys are ignored. */
  readonly keyCheck: Pick<KeyCheck, 'check'> | undefined
  /** Undefined: there are no identities. */
  readonly identityCheck: Pick<IdentityCheck, 'check'> | undefined
  /** A route for each format that clients may speak. */
  readonly dialects: Pick<Dialects, 'keys'>
  readonly serveCall: (call: Call) => void
  readonly serveRest: (call: RestCall) => void
  /** Whether there is a provider for requests that are no model calls. */
  readonly hasRest: () => boolean
  /** Whether others than the gateway's own user may call it. */
  readonly hasSeveralClients: boolean
  readonly findProvider: (name: string) => Pick<Provider, 'allowsManagement' | 'kind'> | undefined
  readonly routes: () => RouteTable
  /** What is known of each of these targets, in their order. */
  readonly knownModels: (targets: readonly Target[]) => Promise<readonly KnownModel[]>
  /** The limits of these models, as they stand. */
  readonly describeLimits: (models: readonly string[]) => Promise<readonly ModelReport[]>
  /** How limits stand that machines share. Undefined: they are this one's alone. */
  readonly describeStore: () => Promise<SharedStoreReport | undefined>
  /** Reads the ledger. */
  readonly readUsage: (question: UsageQuestion) => Promise<UsageAnswer>
  /** The client that the gateway's own user is. */
  readonly ownClientId: string
  /** How a client stands by its own limits. */
  readonly describeClient: (scope: Scope) => Promise<ScopeReport>
  /** How the budgets stand that apply to the client's calls. */
  readonly describeBudgets: (client: Client) => Promise<readonly BudgetState[]>
  /** Who may look at the metrics and the status page. */
  readonly observers: Observers
  /** The Unix user of a connection whose user has not been looked up. */
  readonly findUser: (socket: Socket) => Promise<number | undefined>
  /** `status.via_proxy`. */
  readonly isServedViaProxy: () => boolean
  readonly hasMetrics: boolean
  readonly hasStatusPage: boolean
  /** Reports of what happens, for the status page. */
  readonly status: StatusSource
  /** Whether the status page may offer to call models, to the user that runs the gateway. */
  readonly hasPlayground: () => boolean
  /** Aborted as soon as the gateway begins to stop. */
  readonly draining: AbortSignal
  /** What `GET /metrics` answers, in slices of whole lines. */
  readonly readMetrics: () => Promise<readonly string[]>
  readonly isDraining: () => boolean
  /** For work on large bodies, and on their calls. */
  readonly slicer: TimeSlicer
  readonly events: Events
  readonly now: Clock['now']
  readonly wallNow: Clock['wallNow']
  readonly setTimer: Clock['setTimer']
}
