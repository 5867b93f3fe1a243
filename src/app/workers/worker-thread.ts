// One worker thread as the main thread sees it, from its start to its end, whatever brings that about.
import { MessageChannel, Worker } from 'node:worker_threads'
import { StartError } from '../../errors.ts'
import type { Cell } from '../../ledger/call-row.ts'
import type { UnfinishedCall } from '../../ledger/unfinished-call.ts'
import type { GatewayEvent } from '../../observe/events.ts'
import { errorOf } from '../../platform/thrown.ts'
import type { StatusSource } from '../../status/status-source.ts'
import type { SharedServices } from '../shared-services.ts'
import type { Command, CountsMessage, FromWorker, Look, ToWorker, WorkerStart } from './messages.ts'
import type { FloodLeases } from './flood-leases.ts'
import type { Inbox } from './inbox.ts'
import { Outbox } from './outbox.ts'
import { sentError } from './sent-error.ts'
import { WorkerSession } from './worker-session.ts'

/** A thread that is busy for longer is left out of a report. */
const maxLookMs = 1_000

const nothingSeen: Look = { calls: [], recent: { calls: [], providers: [], failures: [] } }

export interface WorkerThreadParts {
  /** The file that the thread runs. */
  readonly entry: URL
  readonly start: Omit<WorkerStart, 'port'>
  /** Receives what the thread sends, together with what the others do. */
  readonly inbox: Inbox<FromWorker>
  readonly services: SharedServices
  /** What all threads know. */
  readonly status: StatusSource
  /** Undefined: requests of a client are not limited. */
  readonly leases: FloodLeases | undefined
  /** Receives whole lines for the log. */
  readonly onLog: (text: string) => void
  /** Receives the ends of calls, for the ledger. */
  readonly onRows: (rows: readonly Cell[]) => void
  /** Receives the calls that budgets apply to and that are under way when the thread ends. */
  readonly onUnfinished: (call: UnfinishedCall) => void
  readonly onAudited: (event: GatewayEvent) => void
  /** Receives what was thrown while what the thread held was released: it cannot report that itself any more. */
  readonly onBug: (error: unknown) => void
  /** Receives what the thread has counted. */
  readonly onCounts: (message: CountsMessage) => void
}

export class WorkerThread {
  /** Its addresses. Rejects when it can't start, with a StartError where the cause is known. */
  readonly started: Promise<readonly string[]>
  /**
   * Resolves when the thread has ended, everything that it sent has been handled and its calls hold nothing any more:
   * undefined if it was asked to end, else why it did.
   */
  readonly ended: Promise<Error | undefined>
  /** Resolves when the thread has done all that it does at a stop. Its end may take longer, while a name is looked up. */
  readonly stopped: Promise<void>
  readonly #worker: Worker
  readonly #outbox: Outbox<ToWorker>
  readonly #session: WorkerSession
  readonly #onLog: (text: string) => void
  readonly #onRows: WorkerThreadParts['onRows']
  readonly #onAudited: WorkerThreadParts['onAudited']
  readonly #onCounts: WorkerThreadParts['onCounts']
  readonly #commands = new Map<number, (calls: number) => void>()
  readonly #looks = new Map<number, (look: Look) => void>()
  readonly #starting = Promise.withResolvers<readonly string[]>()
  readonly #stopping = Promise.withResolvers<void>()
  #cause: Error | undefined
  #lastCommand = 0
  #unansweredPings = 0
  #isStopping = false
  #hasEnded = false

  constructor({
    entry,
    start,
    inbox,
    services,
    status,
    leases,
    onLog,
    onRows,
    onUnfinished,
    onAudited,
    onBug,
    onCounts,
  }: WorkerThreadParts) {
    this.#onLog = onLog
    this.#onRows = onRows
    this.#onAudited = onAudited
    this.#onCounts = onCounts
    const { port1: port, port2 } = new MessageChannel()
    const workerData: WorkerStart = { ...start, port: port2 }
    // The environment holds keys, which have come with the configuration already.
    this.#worker = new Worker(entry, {
      workerData,
      transferList: [port2],
      env: {},
      name: `worker ${start.number}`,
    })
    this.#outbox = new Outbox(port)
    const post = (message: ToWorker) => this.#outbox.post(message)
    this.#session = new WorkerSession({ services, status, leases, post, onUnfinished, onBug })
    inbox.open(port, (message) => this.#onMessage(message))
    this.#worker.on('error', (error: unknown) => (this.#cause = errorOf(error)))
    this.started = this.#starting.promise
    this.started.catch(() => {})
    this.stopped = this.#stopping.promise
    this.ended = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        const cause = this.#cause ?? new Error(`worker ${start.number} ended with exit code ${code}`)
        this.#hasEnded = true
        inbox.close(port)
        this.#starting.reject(cause)
        this.#session.end()
        for (const done of this.#commands.values()) done(0)
        for (const done of this.#looks.values()) done(nothingSeen)
        resolve(this.#isStopping ? undefined : cause)
      })
    })
  }

  /** Sends what needs no answer. */
  post(message: ToWorker): void {
    this.#outbox.post(message)
  }

  /** Resolves when it is done, or never will be. The number is of the calls under way when a stop begins, or ended by new keys. */
  request(command: Exclude<Command, { readonly kind: 'look' }>): Promise<number> {
    const number = ++this.#lastCommand
    return new Promise((resolve) => {
      if (this.#hasEnded) return resolve(0)
      this.#commands.set(number, resolve)
      this.#outbox.post({ ...command, command: number })
    })
  }

  /** What the thread knows of its calls; nothing if it has ended, or does not answer within a second. */
  look(): Promise<Look> {
    const number = ++this.#lastCommand
    return new Promise((resolve) => {
      if (this.#hasEnded) return resolve(nothingSeen)
      const finish = (look: Look) => {
        clearTimeout(deadline)
        this.#looks.delete(number)
        resolve(look)
      }
      const deadline = setTimeout(() => finish(nothingSeen), maxLookMs)
      this.#looks.set(number, finish)
      this.#outbox.post({ kind: 'look', command: number })
    })
  }

  /** Whether the ping before this one, if there was one, has been answered. Sends the next one. */
  checkLiveness(): boolean {
    const isAlive = this.#unansweredPings === 0
    this.#unansweredPings += 1
    void this.request({ kind: 'ping' }).then(() => (this.#unansweredPings = 0))
    return isAlive
  }

  /**
   * Lets the thread finish what is under way and end.
   * @param limitMs when it is ended by force.
   * @returns how many calls were under way.
   */
  stop(reason: string, limitMs: number): Promise<number> {
    this.#isStopping = true
    const deadline = setTimeout(() => void this.#worker.terminate(), limitMs)
    void this.ended.then(() => clearTimeout(deadline))
    return this.request({ kind: 'stop', reason })
  }

  /** Ends the thread as it is. */
  async terminate(): Promise<void> {
    this.#isStopping = true
    await this.#worker.terminate()
  }

  /** A bug in what one of its messages leads to ends neither this thread nor that one, which reports it. */
  #onMessage(message: FromWorker): void {
    try {
      this.#take(message)
    } catch (error) {
      this.#outbox.post({ kind: 'failed', id: undefined, error: sentError(error) })
    }
  }

  #take(message: FromWorker): void {
    if ('id' in message) {
      this.#session.onRequest(message)
      return
    }
    if ('hold' in message) {
      this.#session.onHoldMessage(message)
      return
    }
    switch (message.kind) {
      case 'visit_ended':
        this.#session.onVisitMessage(message)
        return
      case 'format_doubted':
        this.#session.onFormatMessage(message)
        return
      case 'remember':
      case 'unreachable':
        this.#session.onRestMessage(message)
        return
      case 'prompt_counted':
        this.#session.onCountMessage(message)
        return
      case 'permit_used':
      case 'permits_returned':
        this.#session.onPermitMessage(message)
        return
      case 'listening':
        this.#starting.resolve(message.addresses)
        return
      case 'refused':
        this.#cause = new StartError(message.message)
        void this.#worker.terminate()
        return
      case 'log':
        this.#onLog(message.text)
        return
      case 'rows':
        this.#onRows(message.rows)
        return
      case 'audited':
        this.#onAudited(message.event)
        return
      case 'counts':
        this.#onCounts(message)
        return
      case 'done':
        this.#commands.get(message.command)?.(message.calls)
        this.#commands.delete(message.command)
        return
      case 'looked':
        this.#looks.get(message.command)?.(message.look)
        return
      case 'stopped':
        this.#stopping.resolve()
        void this.#worker.terminate()
        return
      default:
        message satisfies never
    }
  }
}
