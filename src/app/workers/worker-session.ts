// The main thread's side of one worker: answers its questions, and keeps what its calls hold, so that nothing is left of
// them when the thread ends, wherever in its work.
import type { BudgetRequest } from '../../admission/budget.ts'
import type { AdmissionResult, Entry, Hold } from '../../call/coordinator.ts'
import type { StatusSource } from '../../status/status-source.ts'
import type { Disconnect } from '../../admission/waiting-line.ts'
import type { Target } from '../../domain.ts'
import type { GatewayError } from '../../errors.ts'
import type { UnfinishedCall } from '../../ledger/unfinished-call.ts'
import { MirroredSlots } from '../../platform/slot-table.ts'
import type { SharedServices } from '../shared-services.ts'
import { admittedMessage } from './admission-message.ts'
import { type Answers, answersOf, answerTo, isPlain } from './answers.ts'
import type { FloodLeases, LeaseHolder } from './flood-leases.ts'
import type {
  CountMessage,
  FormatMessage,
  HoldMessage,
  OwnerMessage,
  PermitMessage,
  RestMessage,
  VisitMessage,
  WorkerRequest,
  Requests,
} from './messages.ts'
import { sentError } from './sent-error.ts'
import { WorkerVisits } from './worker-visits.ts'

/** A call from its question for admission on. */
interface Admitting {
  readonly targets: readonly Target[]
  readonly spending: BudgetRequest | undefined
  readonly disconnect: Disconnect
  /** Once it is admitted. */
  hold: Hold | undefined
  /** Of its wait for a service. Undefined: it does not wait. */
  entering: Disconnect | undefined
}

export interface SessionParts {
  readonly services: SharedServices
  readonly status: StatusSource
  /** Undefined: requests of a client are not limited. */
  readonly leases: FloodLeases | undefined
  readonly post: (message: OwnerMessage) => void
  /** Receives the calls that budgets apply to and that are under way when the thread ends. */
  readonly onUnfinished: (call: UnfinishedCall) => void
  /** Receives what was thrown where nobody waits for an answer, and the worker may have ended. */
  readonly onBug: (error: unknown) => void
}

export class WorkerSession implements LeaseHolder {
  readonly #services: SharedServices
  readonly #answers: Answers
  readonly #leases: FloodLeases | undefined
  readonly #post: (message: OwnerMessage) => void
  readonly #onUnfinished: SessionParts['onUnfinished']
  readonly #onBug: SessionParts['onBug']
  #calls = new MirroredSlots<Admitting>()
  readonly #visits: WorkerVisits
  #hasEnded = false

  constructor({ services, status, leases, post, onUnfinished, onBug }: SessionParts) {
    this.#services = services
    this.#answers = answersOf(services, status)
    this.#visits = new WorkerVisits(services.coordinator)
    this.#leases = leases
    this.#post = post
    this.#onUnfinished = onUnfinished
    this.#onBug = onBug
  }

  /** Answers it, with a failure where that comes to a bug. */
  onRequest(request: WorkerRequest): void {
    try {
      this.#answer(request)
    } catch (error) {
      this.#fail(request.id, error)
    }
  }

  #answer(request: WorkerRequest): void {
    const { id } = request
    if (isPlain(request, this.#answers)) {
      this.#respondLater(id, answerTo(request, this.#answers))
      return
    }
    switch (request.kind) {
      case 'admit':
        this.#admit(id, request.params)
        return
      case 'move':
        this.#respondLater(id, this.#move(request.params))
        return
      case 'enter_service':
        this.#respondLater(id, this.#enterService(request.params.hold))
        return
      case 'visit_service':
        this.#respondLater(id, this.#visits.begin(id, request.params))
        return
      case 'take':
        this.#respondLater(id, this.#take(request.params.client))
        return
      default:
        request satisfies never
    }
  }

  onHoldMessage(message: HoldMessage): void {
    const call = this.#calls.get(message.hold)
    if (call === undefined) return
    const { hold } = call
    switch (message.kind) {
      case 'cancel':
        this.#cancel(message.hold, call)
        return
      case 'entry_cancelled':
        if (call.entering !== undefined) leave(call.entering)
        return
      case 'report':
        hold?.report(message.report, call.targets[message.target])
        return
      case 'useless_usage_wish':
        hold?.reportUselessUsageWish(message.why)
        return
      case 'grow':
        hold?.grow(message.tokens)
        return
      case 'settle':
        this.#calls.take(message.hold)
        hold?.settle(message.outcome, message.usage, message.spent)
        return
      default:
        message satisfies never
    }
  }

  onVisitMessage({ visit }: VisitMessage): void {
    this.#visits.end(visit)
  }

  onFormatMessage({ provider, format }: FormatMessage): void {
    this.#services.formats.doubt(provider, format)
  }

  onRestMessage(message: RestMessage): void {
    if (message.kind === 'remember') this.#services.owners.remember(message.objects)
    else this.#services.coordinator.reportUnreachable(message.provider)
  }

  onCountMessage({ prompt, tokens }: CountMessage): void {
    this.#services.coordinator.reportCount(prompt, tokens)
  }

  onPermitMessage(message: PermitMessage): void {
    const { client } = message
    if (message.kind === 'permits_returned') this.#leases?.onReturned(client, this, message.count)
    else {
      this.#leases?.onUsed(client, this)
      this.#lease(client)
    }
  }

  recall(client: string): void {
    this.#post({ kind: 'recall', client })
  }

  /** The thread has ended. Its waiting calls leave the lines; those under way are charged as cut: what they took is unknown. */
  end(): void {
    this.#hasEnded = true
    this.#try(() => this.#leases?.end(this))
    const calls = this.#calls.values()
    this.#calls = new MirroredSlots()
    // All leave first, so that nothing that gets free goes to one of them.
    const visits = this.#visits.takeAll()
    const waits = [...calls, ...visits].map(({ disconnect }) => disconnect)
    const entering = calls.map((call) => call.entering).filter((each) => each !== undefined)
    for (const disconnect of [...waits, ...entering]) disconnect.isGone = true
    for (const disconnect of [...waits, ...entering]) this.#try(() => disconnect.onGone?.())
    for (const { visit } of visits) this.#try(() => visit?.leave())
    for (const call of calls) {
      this.#try(() => this.#recordUnfinished(call))
      this.#try(() => call.hold?.settle({ kind: 'cut', tokens: 0 }))
    }
  }

  /** One of several steps: a bug in it keeps none of the others from being taken. */
  #try(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.#onBug(error)
    }
  }

  #recordUnfinished({ hold, spending }: Admitting): void {
    if (hold?.reserved === undefined || spending === undefined) return
    this.#onUnfinished(unfinishedOf(hold, hold.reserved, spending))
  }

  #admit(id: number, params: Requests['admit']['params']): void {
    const { targets } = params
    const disconnect: Disconnect = { isGone: false, onGone: undefined }
    const call: Admitting = {
      targets,
      spending: params.spending,
      disconnect,
      hold: undefined,
      entering: undefined,
    }
    this.#calls.set(id, call)
    const result = this.#services.coordinator.admit({ ...params, disconnect })
    if (result instanceof Promise) void this.#admitLate(id, call, result)
    else this.#takeResult(id, call, result)
  }

  async #admitLate(id: number, call: Admitting, admitting: Promise<AdmissionResult>): Promise<void> {
    try {
      this.#takeResult(id, call, await admitting)
    } catch (error) {
      this.#fail(id, error)
    }
  }

  #takeResult(id: number, call: Admitting, result: AdmissionResult): void {
    // Taken back meanwhile: nobody waits for the answer.
    if (call.disconnect.isGone) {
      if (result.kind === 'admitted') result.hold.settle({ kind: 'unsent' })
    } else if (result.kind === 'admitted') {
      call.hold = result.hold
      if (result.hold.isBudgeted) {
        const interrupt = ({ code, message, headers }: GatewayError) =>
          this.#post({ kind: 'exhausted', hold: id, error: { code, message, headers } })
        result.hold.interruptible = { interrupt }
      }
      this.#respond(id, admittedMessage(result.hold, call.targets))
    } else {
      this.#calls.take(id)
      this.#respond(id, result)
    }
  }

  #cancel(id: number, { disconnect, hold }: Admitting): void {
    this.#calls.take(id)
    disconnect.isGone = true
    disconnect.onGone?.()
    hold?.settle({ kind: 'unsent' })
  }

  #move({
    hold: id,
    targets: indexes,
  }: Requests['move']['params']): number | undefined | Promise<number | undefined> {
    const call = this.#calls.get(id)
    if (call?.hold === undefined) return undefined
    const { hold, targets } = call
    const indexOf = (target: Target | undefined) =>
      target === undefined ? undefined : targets.indexOf(target)
    const moved = hold.moveTo(indexes.map((index) => targets[index]!))
    return moved instanceof Promise ? moved.then(indexOf) : indexOf(moved)
  }

  #enterService(id: number): Entry | Promise<Entry> {
    const call = this.#calls.get(id)
    if (call?.hold === undefined) return { kind: 'gone', waitedMs: 0 }
    const disconnect: Disconnect = { isGone: false, onGone: undefined }
    const entering = call.hold.enterService(disconnect)
    if (entering === undefined) return { kind: 'entered', waitedMs: 0 }
    call.entering = disconnect
    return entering.then((entry) => {
      call.entering = undefined
      return entry
    })
  }

  async #take(client: string): Promise<number> {
    const waitMs = (await this.#leases?.take(client)) ?? 0
    if (waitMs === 0) this.#lease(client)
    return waitMs
  }

  #lease(client: string): void {
    // Asked before the thread ended, answered after: nobody would return the permits, and the others would wait for them.
    if (this.#hasEnded) return
    const count = this.#leases?.lease(client, this) ?? 0
    if (count > 0) this.#post({ kind: 'permits', client, count })
  }

  #respond(id: number, result: unknown): void {
    this.#post({ kind: 'response', id, result })
  }

  #respondLater(id: number, result: unknown): void {
    if (result instanceof Promise) void this.#respondLate(id, result)
    else this.#respond(id, result)
  }

  async #respondLate(id: number, result: Promise<unknown>): Promise<void> {
    try {
      this.#respond(id, await result)
    } catch (error) {
      this.#fail(id, error)
    }
  }

  /** Who asked gets no hold and no visit. */
  #fail(id: number, error: unknown): void {
    this.#post({ kind: 'failed', id, error: sentError(error) })
    this.#visits.forget(id)
    this.#try(() => this.#calls.take(id)?.hold?.settle({ kind: 'unsent' }))
  }
}

function leave(disconnect: Disconnect): void {
  disconnect.isGone = true
  disconnect.onGone?.()
}

/** It is charged what it has reserved. */
function unfinishedOf(
  { promptTokens }: Hold,
  { nano, tokens }: NonNullable<Hold['reserved']>,
  { call, scopes }: BudgetRequest,
): UnfinishedCall {
  const scope = scopes.find(({ name }) => name !== 'total')?.name
  return { ...call, scope, nano, tokens, promptTokens }
}
