// The questions of a worker thread to the main thread that are not answered yet, and the holds that are not settled.
import type { Interruptible } from '../../admission/budget.ts'
import { GatewayError } from '../../errors.ts'
import { SlotTable } from '../../platform/slot-table.ts'
import type {
  ExhaustedError,
  FormatMessage,
  HoldMessage,
  PermitMessage,
  Requests,
  CountMessage,
  RestMessage,
  VisitMessage,
  WorkerRequest,
} from './messages.ts'
import type { Outbox } from './outbox.ts'

export type ToOwner = Pick<
  Outbox<
    WorkerRequest | HoldMessage | VisitMessage | FormatMessage | PermitMessage | RestMessage | CountMessage
  >,
  'flush' | 'post' | 'postSoon'
>

/** A question that is not answered yet, or was answered with a hold that is not settled. */
interface PendingRequest {
  readonly resolve: (result: never) => void
  readonly reject: (error: Error) => void
  /** Whether its id goes on to be that of a hold or a visit. */
  readonly isForHold: boolean
  /** For a call that waits for its admission, or for a service. */
  cancel: ((kind: 'gone' | 'shutting_down') => void) | undefined
  /** Whose call it is, where a spent budget may end it. */
  interruptible: Interruptible | undefined
  /** Why its call is to end, of which it was not known yet that it is admitted. */
  exhausted: GatewayError | undefined
}

export class PendingRequests {
  readonly #outbox: ToOwner
  readonly #open = new SlotTable<PendingRequest>()

  constructor(outbox: ToOwner) {
    this.#outbox = outbox
  }

  /** The result rejects with a bug of the owner alone. */
  send<Kind extends keyof Requests>(
    kind: Kind,
    params: Requests[Kind]['params'],
  ): {
    readonly id: number
    readonly result: Promise<Requests[Kind]['result']>
    readonly pending: PendingRequest
  } {
    const { promise, resolve, reject } = Promise.withResolvers<Requests[Kind]['result']>()
    const pending: PendingRequest = {
      resolve,
      reject,
      isForHold: kind === 'admit' || kind === 'visit_service',
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

  /** The owner has a bug. @returns whether somebody awaits the answer, who is to report it. */
  onFailed(id: number, error: Error): boolean {
    const pending = this.#open.take(id)
    pending?.reject(error)
    return pending !== undefined
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
