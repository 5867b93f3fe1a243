// The coordinator of a worker thread: it asks the main thread's by messages, and reports without waiting.
import type { ModelReport, ScopeReport } from '../../admission/admission.ts'
import type { BudgetScope, BudgetState, Interruptible, Spent } from '../../admission/budget.ts'
import type { Outcome } from '../../admission/outcome.ts'
import type { Scope } from '../../admission/scopes.ts'
import type { Disconnect } from '../../admission/waiting-line.ts'
import type {
  AdmissionRequest,
  AdmissionResult,
  Coordinator,
  Entry,
  Hold,
  PromptToCount,
  TargetReport,
} from '../../call/coordinator.ts'
import type { UselessWish } from '../../call/usage-wishes.ts'
import type { Metered } from '../../call/response/meter.ts'
import type { FailureKind, Target } from '../../domain.ts'
import type { PrefixKey } from '../../routing/prefix-hashes.ts'
import type { KnownModel } from '../../routing/server-facts.ts'
import { isProviderWide } from '../../routing/target-health.ts'
import type { ServiceCaller, ServiceEntry, ServiceVisit } from '../../upstream/services/services.ts'
import type { AdmissionMessage } from './messages.ts'
import type { PendingRequests, ToOwner } from './pending-requests.ts'

type AdmittedMessage = AdmissionMessage & { readonly kind: 'admitted' }

export class RemoteCoordinator implements Coordinator {
  readonly prefixKey: PrefixKey
  readonly #requests: PendingRequests
  readonly #outbox: ToOwner
  readonly #now: () => number
  #isClosed = false
  #report: Promise<readonly ModelReport[]> | undefined
  /** Asked for once `#report` has come. */
  #nextReport: Promise<readonly ModelReport[]> | undefined
  #reportedModels: readonly string[] = []

  /** @param prefixKey the owner's. */
  constructor(requests: PendingRequests, outbox: ToOwner, now: () => number, prefixKey: PrefixKey) {
    this.prefixKey = prefixKey
    this.#requests = requests
    this.#outbox = outbox
    this.#now = now
  }

  admit({
    disconnect,
    client: { id: clientId },
    program: sender,
    ...rest
  }: AdmissionRequest): AdmissionResult | Promise<AdmissionResult> {
    if (disconnect.isGone) return { kind: 'gone', waitedMs: 0 }
    if (this.#isClosed) return { kind: 'shutting_down', waitedMs: 0 }
    const sinceMs = this.#now()
    // What else is known of the client may be long.
    const program = sender && { number: sender.number }
    const params = { ...rest, client: { id: clientId }, program }
    const { id, result, pending } = this.#requests.send('admit', params)
    return new Promise((resolve, reject) => {
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
        const now = this.#now
        const parts = { id, targets: params.targets, requests: this.#requests, outbox: this.#outbox, now }
        resolve({ kind: 'admitted', hold: new RemoteHold(parts, message) })
      }, reject)
    })
  }

  async visitService(
    provider: string,
    { client: { id: clientId }, program, disconnect, maxWaitMs }: ServiceCaller,
  ): Promise<ServiceEntry> {
    const client = { id: clientId }
    const asked = this.#requests.send('visit_service', {
      provider,
      client,
      program: program && { number: program.number },
      maxWaitMs,
      isPatient: true,
    })
    const { id } = asked
    const end = () => this.#endVisit(id)
    const entry = await waitFor(asked, { disconnect, now: this.#now, cancel: end })
    if (entry.kind === 'entered') return { ...entry, visit: new RemoteVisit(end) }
    this.#requests.drop(id)
    return entry
  }

  async visitIfOpen(provider: string): Promise<ServiceVisit | undefined> {
    const { id, result } = this.#requests.send('visit_service', {
      provider,
      client: { id: '' },
      isPatient: false,
    })
    const entry = await result
    if (entry?.kind === 'entered') return new RemoteVisit(() => this.#endVisit(id))
    this.#requests.drop(id)
    return undefined
  }

  #endVisit(id: number): void {
    this.#requests.drop(id)
    this.#outbox.postSoon({ kind: 'visit_ended', visit: id })
  }

  countPrompt(prompt: PromptToCount): Promise<number> {
    return this.#requests.send('count', prompt).result
  }

  /** One report at a time, however many clients ask: each is a copy of what may be thousands of models. */
  describe(models: readonly string[]): Promise<readonly ModelReport[]> {
    this.#reportedModels = models
    if (this.#report === undefined) return this.#askReport()
    // The one under way may be older than what this client has seen.
    const ask = () => this.#askReport()
    this.#nextReport ??= this.#report.then(ask, ask)
    return this.#nextReport
  }

  #askReport(): Promise<readonly ModelReport[]> {
    this.#nextReport = undefined
    const report = this.#requests.send('describe', { models: this.#reportedModels }).result
    this.#report = report
    const forget = () => {
      if (this.#nextReport === undefined) this.#report = undefined
    }
    void report.then(forget, forget)
    return report
  }

  knownModels(targets: readonly Target[]): Promise<readonly KnownModel[]> {
    return this.#requests.send('known_models', { targets }).result
  }

  describeClient(scope: Scope): Promise<ScopeReport> {
    return this.#requests.send('describe_client', { scope }).result
  }

  describeBudgets(scopes: readonly BudgetScope[]): Promise<readonly BudgetState[]> {
    return this.#requests.send('describe_budgets', { scopes }).result
  }

  /** The owner knows; the scan of a body has found what the call needs, so that sending it costs nothing. */
  asksNeeds(): boolean {
    return true
  }

  reportCount(prompt: PromptToCount, tokens: number | undefined): void {
    this.#outbox.post({ kind: 'prompt_counted', prompt, tokens })
  }

  reportUnreachable(provider: string): void {
    this.#outbox.post({ kind: 'unreachable', provider })
  }

  close(): void {
    this.#isClosed = true
    this.#requests.cancelAll()
  }
}

interface Waiting {
  readonly disconnect: Disconnect
  readonly now: () => number
  /** The owner is to do without it. */
  readonly cancel: () => void
}

/** The answer of the owner, unless the client leaves or the thread closes before. */
function waitFor(
  { result, pending }: ReturnType<PendingRequests['send']>,
  { disconnect, now, cancel }: Waiting,
): Promise<Entry> {
  const sinceMs = now()
  return new Promise((resolve, reject) => {
    const stop = (kind: 'gone' | 'shutting_down') => {
      disconnect.onGone = undefined
      cancel()
      resolve({ kind, waitedMs: now() - sinceMs })
    }
    const leave = () => stop('gone')
    void result.then((entry) => {
      // Whoever has left meanwhile has been answered.
      if (disconnect.onGone === leave) disconnect.onGone = undefined
      resolve(entry as Entry)
    }, reject)
    if (disconnect.isGone) return stop('gone')
    pending.cancel = stop
    disconnect.onGone = leave
  })
}

class RemoteVisit implements ServiceVisit {
  /** A further attempt of such a request asks again. */
  readonly isValid = true
  readonly #end: () => void
  #hasLeft = false

  constructor(end: () => void) {
    this.#end = end
  }

  leave(): void {
    if (this.#hasLeft) return
    this.#hasLeft = true
    this.#end()
  }
}

interface HoldParts {
  readonly id: number
  /** As they were asked for. */
  readonly targets: readonly Target[]
  readonly requests: PendingRequests
  readonly outbox: ToOwner
  readonly now: () => number
}

class RemoteHold implements Hold {
  readonly targets: readonly Target[]
  readonly placement: Hold['placement']
  readonly promptTokens: number
  readonly waitedMs: number
  readonly isSlotLimited: boolean
  readonly countsAs: Hold['countsAs']
  readonly isBudgeted: boolean
  readonly limitStatus: Hold['limitStatus']
  readonly reserved = undefined
  target: Target
  tokens: number
  readonly #parts: HoldParts
  readonly #failureKinds: Map<Target, FailureKind>
  readonly #uselessUsageWishes: ReadonlyMap<string, UselessWish>
  #isSettled = false

  constructor(parts: HoldParts, admitted: AdmittedMessage) {
    this.#parts = parts
    this.targets = admitted.order.map((index) => parts.targets[index]!)
    this.target = parts.targets[admitted.target]!
    this.placement = admitted.placement
    this.promptTokens = admitted.promptTokens
    this.tokens = admitted.tokens
    this.waitedMs = admitted.waitedMs
    this.isSlotLimited = admitted.isSlotLimited
    this.countsAs = admitted.countsAs
    this.isBudgeted = admitted.isBudgeted
    this.limitStatus = admitted.limitStatus
    this.#failureKinds = new Map(
      admitted.failureKinds.map(([index, failureKind]) => [parts.targets[index]!, failureKind]),
    )
    this.#uselessUsageWishes = new Map(admitted.uselessUsageWishes)
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

  enterService(disconnect: Disconnect): Promise<Entry> {
    const { id, requests, outbox, now } = this.#parts
    const cancel = () => outbox.postSoon({ kind: 'entry_cancelled', hold: id })
    return waitFor(requests.send('enter_service', { hold: id }), { disconnect, now, cancel })
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

  uselessUsageWishOf(provider: string): UselessWish | undefined {
    return this.#uselessUsageWishes.get(provider)
  }

  reportUselessUsageWish(why: UselessWish): void {
    this.#parts.outbox.post({ kind: 'useless_usage_wish', hold: this.#parts.id, why })
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
    // Its client may call again at once, perhaps at another worker, and is to find the slot free, and its server idle. To
    // hurry costs 25 µs.
    const isPlaced = this.placement.promptBytes !== undefined
    if (this.isSlotLimited || this.isBudgeted || isPlaced) outbox.postSoon(message)
    else outbox.post(message)
  }
}
