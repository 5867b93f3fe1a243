// A worker's way to what the main thread owns: each question is a message, and its answer another one.
import type { ModelReport, ScopeReport } from '../../admission/admission.ts'
import type { BudgetScope, BudgetState, Interruptible, Spent } from '../../admission/budget.ts'
import type { Scope } from '../../admission/scopes.ts'
import type { Outcome } from '../../admission/outcome.ts'
import type {
  AdmissionRequest,
  AdmissionResult,
  Coordinator,
  Hold,
  PromptToCount,
  TargetReport,
} from '../../call/coordinator.ts'
import type { Metered } from '../../call/response/meter.ts'
import type { Target } from '../../domain.ts'
import { GatewayError } from '../../errors.ts'
import type { UsageAnswer } from '../../ledger/ledger.ts'
import type { UsageQuestion } from '../../ledger/report.ts'
import type { ObjectOwners, OwnedObject, OwnersFound } from '../../routing/object-owners.ts'
import type { Discovered } from '../../routing/route-table.ts'
import { isProviderWide, type FailureKind } from '../../routing/target-health.ts'
import { SlotTable } from '../../platform/slot-table.ts'
import type { SharedServices } from '../shared-services.ts'
import type {
  AdmissionMessage,
  ExhaustedError,
  FormatMessage,
  FoundFormats,
  HoldMessage,
  OwnerMessage,
  PermitMessage,
  RestMessage,
  WorkerRequest,
  Requests,
} from './messages.ts'
import type { Outbox } from './outbox.ts'
import { RemoteFloodWindows } from './remote-flood-windows.ts'
import { RemoteKeySets } from './remote-key-sets.ts'
import { RemoteFormats } from './remote-formats.ts'

type ToOwner = Pick<
  Outbox<WorkerRequest | HoldMessage | FormatMessage | PermitMessage | RestMessage>,
  'post' | 'postSoon'
>

interface RemoteParts {
  readonly outbox: ToOwner
  readonly rpm: number | undefined
  readonly now: () => number
  readonly discovered: Discovered
  readonly foundFormats: FoundFormats
}

type AdmittedMessage = AdmissionMessage & { readonly kind: 'admitted' }

export class RemoteServices implements SharedServices {
  readonly coordinator: Coordinator
  readonly formats: RemoteFormats
  readonly owners: ObjectOwners
  readonly floodWindows: RemoteFloodWindows | undefined
  readonly keySets: RemoteKeySets
  discovered: Discovered
  onModels: ((discovered: Discovered) => void) | undefined
  readonly #requests: PendingRequests

  /**
   * @param parts.rpm requests that one client may send in 60 seconds; undefined: unlimited.
   * @param parts.now milliseconds of a monotonic clock.
   */
  constructor({ outbox, rpm, now, discovered, foundFormats }: RemoteParts) {
    const requests = new PendingRequests(outbox)
    this.#requests = requests
    this.coordinator = new RemoteCoordinator(requests, outbox, now)
    this.owners = new RemoteObjectOwners(requests, outbox)
    this.discovered = discovered
    this.formats = new RemoteFormats({
      found: foundFormats,
      now,
      ask: (provider, format) => requests.send('find_format', { provider, format }).result,
      post: (message) => outbox.post(message),
    })
    this.keySets = new RemoteKeySets({
      now,
      ask: (url, kid) => requests.send('find_keys', { url, kid }).result,
    })
    const take = (client: string) => requests.send('take', { client }).result
    const post = (message: PermitMessage) => outbox.post(message)
    this.floodWindows = rpm === undefined ? undefined : new RemoteFloodWindows({ rpm, now, take, post })
  }

  async refreshModels(model: string): Promise<void> {
    await this.#requests.send('refresh', { model }).result
  }

  readUsage(question: UsageQuestion): Promise<UsageAnswer> {
    return this.#requests.send('usage', question).result
  }

  onMessage(message: OwnerMessage): void {
    switch (message.kind) {
      case 'response':
        this.#requests.onResponse(message.id, message.result)
        return
      case 'models':
        this.discovered = message.discovered
        this.onModels?.(message.discovered)
        return
      case 'formats':
        this.formats.onFound(message.found)
        return
      case 'permits':
        this.floodWindows?.onPermits(message.client, message.count)
        return
      case 'recall':
        this.floodWindows?.onRecall(message.client)
        return
      case 'exhausted':
        this.#requests.onExhausted(message.hold, message.error)
        return
      default:
        message satisfies never
    }
  }
}

/** A question that is not answered yet, or was answered with a hold that is not settled. */
interface PendingRequest {
  readonly resolve: (result: never) => void
  /** Whether its id goes on to be that of a hold. */
  readonly isForHold: boolean
  /** For a call that waits for its admission. */
  cancel: ((kind: 'gone' | 'shutting_down') => void) | undefined
  /** Whose call it is, where a spent budget may end it. */
  interruptible: Interruptible | undefined
  /** Why its call is to end, of which it was not known yet that it is admitted. */
  exhausted: GatewayError | undefined
}

class PendingRequests {
  readonly #outbox: ToOwner
  readonly #open = new SlotTable<PendingRequest>()

  constructor(outbox: ToOwner) {
    this.#outbox = outbox
  }

  send<Kind extends keyof Requests>(
    kind: Kind,
    params: Requests[Kind]['params'],
  ): {
    readonly id: number
    readonly result: Promise<Requests[Kind]['result']>
    readonly pending: PendingRequest
  } {
    const { promise, resolve } = Promise.withResolvers<Requests[Kind]['result']>()
    const pending: PendingRequest = {
      resolve,
      isForHold: kind === 'admit',
      cancel: undefined,
      interruptible: undefined,
      exhausted: undefined,
    }
    const id = this.#open.add(pending)
    this.#outbox.post({ kind, id, params } as WorkerRequest)
    return { id, result: promise, pending }
  }

  onResponse(id: number, result: unknown): void {
    const pending = this.#open.get(id)
    if (pending === undefined) return
    pending.cancel = undefined
    if (!pending.isForHold) this.#open.take(id)
    pending.resolve(result as never)
  }

  onExhausted(id: number, { code, message, headers }: ExhaustedError): void {
    const pending = this.#open.get(id)
    if (pending === undefined) return
    const error = new GatewayError(code, message, { headers })
    if (pending.interruptible === undefined) pending.exhausted = error
    else pending.interruptible.interrupt(error)
  }

  setInterruptible(id: number, interruptible: Interruptible | undefined): void {
    const pending = this.#open.get(id)
    if (pending === undefined) return
    pending.interruptible = interruptible
    if (pending.exhausted !== undefined) interruptible?.interrupt(pending.exhausted)
  }

  /** Frees the id, of a hold or of a question whose answer is not awaited any more. */
  drop(id: number): void {
    this.#open.take(id)
  }

  cancelAll(): void {
    for (const { cancel } of this.#open.values()) cancel?.('shutting_down')
  }
}

class RemoteCoordinator implements Coordinator {
  readonly #requests: PendingRequests
  readonly #outbox: ToOwner
  readonly #now: () => number
  #isClosed = false
  #report: Promise<readonly ModelReport[]> | undefined
  /** Asked for once `#report` has come. */
  #nextReport: Promise<readonly ModelReport[]> | undefined
  #reportedModels: readonly string[] = []

  constructor(requests: PendingRequests, outbox: ToOwner, now: () => number) {
    this.#requests = requests
    this.#outbox = outbox
    this.#now = now
  }

  admit({
    disconnect,
    client: { id: clientId },
    ...rest
  }: AdmissionRequest): AdmissionResult | Promise<AdmissionResult> {
    if (disconnect.isGone) return { kind: 'gone', waitedMs: 0 }
    if (this.#isClosed) return { kind: 'shutting_down', waitedMs: 0 }
    const sinceMs = this.#now()
    // What else is known of the client may be long.
    const params = { ...rest, client: { id: clientId } }
    const { id, result, pending } = this.#requests.send('admit', params)
    return new Promise((resolve) => {
      const cancel = (kind: 'gone' | 'shutting_down') => {
        disconnect.onGone = undefined
        this.#requests.drop(id)
        this.#outbox.postSoon({ kind: 'cancel', hold: id })
        resolve({ kind, waitedMs: this.#now() - sinceMs })
      }
      pending.cancel = cancel
      const leave = () => cancel('gone')
      disconnect.onGone = leave
      void result.then((message) => {
        disconnect.onGone = undefined
        if (message.kind !== 'admitted') {
          this.#requests.drop(id)
          return resolve(message)
        }
        const parts = { id, targets: params.targets, requests: this.#requests, outbox: this.#outbox }
        resolve({ kind: 'admitted', hold: new RemoteHold(parts, message) })
      })
    })
  }

  countPrompt(prompt: PromptToCount): Promise<number> {
    return this.#requests.send('count', prompt).result
  }

  /** One report at a time, however many clients ask: each is a copy of what may be thousands of models. */
  describe(models: readonly string[]): Promise<readonly ModelReport[]> {
    this.#reportedModels = models
    if (this.#report === undefined) return this.#askReport()
    // The one under way may be older than what this client has seen.
    this.#nextReport ??= this.#report.then(() => this.#askReport())
    return this.#nextReport
  }

  #askReport(): Promise<readonly ModelReport[]> {
    this.#nextReport = undefined
    const report = this.#requests.send('describe', { models: this.#reportedModels }).result
    this.#report = report
    void report.then(() => {
      if (this.#nextReport === undefined) this.#report = undefined
    })
    return report
  }

  describeClient(scope: Scope): Promise<ScopeReport> {
    return this.#requests.send('describe_client', { scope }).result
  }

  describeBudgets(scopes: readonly BudgetScope[]): Promise<readonly BudgetState[]> {
    return this.#requests.send('describe_budgets', { scopes }).result
  }

  reportUnreachable(provider: string): void {
    this.#outbox.post({ kind: 'unreachable', provider })
  }

  close(): void {
    this.#isClosed = true
    this.#requests.cancelAll()
  }
}

class RemoteObjectOwners implements ObjectOwners {
  readonly #requests: PendingRequests
  readonly #outbox: ToOwner

  constructor(requests: PendingRequests, outbox: ToOwner) {
    this.#requests = requests
    this.#outbox = outbox
  }

  remember(objects: readonly OwnedObject[]): void {
    // Its client may ask for the object at once, at another worker.
    if (objects.length > 0) this.#outbox.postSoon({ kind: 'remember', objects })
  }

  ownersOf(ids: readonly string[]): OwnersFound | Promise<OwnersFound> {
    return ids.length === 0 ? [] : this.#requests.send('owners', { ids }).result
  }

  hasAny(client: string, kind: string): Promise<boolean> {
    return this.#requests.send('has_objects', { client, kind }).result
  }
}

interface HoldParts {
  readonly id: number
  /** As they were asked for. */
  readonly targets: readonly Target[]
  readonly requests: PendingRequests
  readonly outbox: ToOwner
}

class RemoteHold implements Hold {
  readonly targets: readonly Target[]
  readonly promptTokens: number
  readonly waitedMs: number
  readonly isSlotLimited: boolean
  readonly isBudgeted: boolean
  readonly limitStatus: Hold['limitStatus']
  readonly reserved = undefined
  target: Target
  tokens: number
  readonly #parts: HoldParts
  readonly #failureKinds: Map<Target, FailureKind>
  readonly #uselessUsageWishes: readonly string[]
  #isSettled = false

  constructor(parts: HoldParts, admitted: AdmittedMessage) {
    this.#parts = parts
    this.targets = admitted.order.map((index) => parts.targets[index]!)
    this.target = parts.targets[admitted.target]!
    this.promptTokens = admitted.promptTokens
    this.tokens = admitted.tokens
    this.waitedMs = admitted.waitedMs
    this.isSlotLimited = admitted.isSlotLimited
    this.isBudgeted = admitted.isBudgeted
    this.limitStatus = admitted.limitStatus
    this.#failureKinds = new Map(
      admitted.failureKinds.map(([index, failureKind]) => [parts.targets[index]!, failureKind]),
    )
    this.#uselessUsageWishes = admitted.uselessUsageWishes
  }

  set interruptible(interruptible: Interruptible | undefined) {
    if (this.isBudgeted) this.#parts.requests.setInterruptible(this.#parts.id, interruptible)
  }

  async moveTo(targets: readonly Target[]): Promise<Target | undefined> {
    const { id, targets: all, requests } = this.#parts
    const indexes = targets.map((target) => all.indexOf(target))
    const index = await requests.send('move', { hold: id, targets: indexes }).result
    if (index === undefined) return undefined
    this.target = all[index]!
    return this.target
  }

  report(report: TargetReport, target = this.target): void {
    const { id, targets, outbox } = this.#parts
    outbox.post({ kind: 'report', hold: id, report, target: targets.indexOf(target) })
    if (report.kind !== 'failing') return
    const { failureKind } = report
    for (const each of this.targets) {
      const isConcerned =
        each === target || (isProviderWide(failureKind) && each.provider === target.provider)
      if (isConcerned) this.#failureKinds.set(each, failureKind)
    }
  }

  failureKindOf(target: Target): FailureKind | undefined {
    return this.#failureKinds.get(target)
  }

  isUsageWishUseless(provider: string): boolean {
    return this.#uselessUsageWishes.includes(provider)
  }

  reportUselessUsageWish(): void {
    this.#parts.outbox.post({ kind: 'useless_usage_wish', hold: this.#parts.id })
  }

  grow(tokens: number): void {
    if (this.#isSettled || tokens <= this.tokens) return
    this.tokens = tokens
    this.#parts.outbox.post({ kind: 'grow', hold: this.#parts.id, tokens })
  }

  settle(outcome: Outcome, usage?: Metered, spent?: Spent): void {
    if (this.#isSettled) return
    this.#isSettled = true
    const { id, outbox, requests } = this.#parts
    requests.drop(id)
    const message = { kind: 'settle', hold: id, outcome, usage, spent } as const
    // Its client may call again at once, perhaps at another worker, and is to find the slot free. To hurry costs 25 µs.
    if (this.isSlotLimited || this.isBudgeted) outbox.postSoon(message)
    else outbox.post(message)
  }
}
