// The ledger as the gateway has it: takes the end of each call, and hands rows to the thread that writes them.
//
// A broken ledger fails no call. Rows stay here until they are in the file; while that cannot be written they wait, and
// are tried again. When too many wait, the oldest rows are given up, but what they add up to is kept.
import type { Clock } from '../platform/clock.ts'
import { type Cell, type EndedCall, rowWidth } from './call-row.ts'
import type { LedgerEvent } from './ledger-event.ts'
import type { FromWriter, RowBatch, Run, WriterStart } from './messages.ts'
import type { ScopeSpending, SpendJournal, SpendSource } from '../domain.ts'
import { PendingRows } from './pending-rows.ts'
import type { ServiceStep } from './service-steps.ts'
import { SpendNews } from './spend-news.ts'
import type { SpendFound, SpendQuestion } from './spend-question.ts'
import type { UsageQuestion, UsageReport } from './report.ts'
import { UsageRequests } from './usage-requests.ts'
import { type Writer, type WriterOwner, WriterThread } from './writer-thread.ts'

export interface LedgerOptions {
  /** Of the database. */
  readonly path: string
  readonly keepCallsDays: number
  readonly keepHoursDays: number
  readonly clock: Pick<Clock, 'wallNow' | 'setTimer'>
  readonly onEvent: (event: LedgerEvent) => void
  /** Bounds, for tests; the usual ones when absent. */
  readonly bounds?: Partial<LedgerBounds>
  /** The file that its thread runs; the package's own when absent. */
  readonly writerEntry?: URL | undefined
  /** What writes the file, for tests; a thread when absent. */
  readonly openWriter?: (owner: WriterOwner) => Writer
}

interface LedgerBounds {
  /** Rows that may wait; about 200 bytes each. */
  readonly maxWaitingRows: number
  /** Between two tries to write. */
  readonly retryMs: number
  /** How long a lock of another process is waited for. */
  readonly busyTimeoutMs: number
  /** How long `stop` waits for the last rows. */
  readonly stopMs: number
}

const usualBounds: LedgerBounds = {
  maxWaitingRows: 50_000,
  retryMs: 5_000,
  busyTimeoutMs: 5_000,
  stopMs: 5_000,
}

interface LedgerState {
  /** `idle`: there was nothing to write so far. */
  readonly state: 'idle' | 'writing' | 'waiting' | 'off'
  /** Why it waits, or is off. */
  readonly reason: string | undefined
  readonly waitingRows: number
  readonly lostRows: number
}

/** What the ledger knows, and how it is. */
export interface UsageAnswer {
  /** Undefined: nothing is recorded here. */
  readonly state: LedgerState | undefined
  /** Undefined: it cannot be read now. */
  readonly report: UsageReport | undefined
  /** Of all budgets that something was spent of; empty where the question is about one client or key. */
  readonly spending: readonly ScopeSpending[]
}

export interface Ledger {
  /** Writes down that a call has ended. Returns at once, and never throws. */
  record(call: EndedCall): void
  /** The same for rows of another thread. */
  recordRows(rows: readonly Cell[]): void
  /** Writes down what became of a model server. Returns at once, and never throws. */
  recordStep(step: ServiceStep): void
  /** Receives what happens to budgets, and writes it down with the rows. */
  readonly spending: SpendJournal
  /** Names what knows all that is spent. Before it, nothing of budgets is written. */
  followSpending(source: SpendSource): void
  /** What was spent until now, before the first call. Never rejects. */
  restoreSpending(question: SpendQuestion): Promise<SpendFound>
  /** Undefined: the ledger cannot be read now. */
  read(question: UsageQuestion): Promise<UsageReport | undefined>
  state(): LedgerState
  /** Writes what there is, closes the file and ends the thread. */
  stop(): Promise<void>
}

/** A row is written so much later at most, when few calls end. */
const batchMs = 200
/** Between two tries to write while it stops: what keeps the file may be over soon, and the wait is short. */
const stopRetryMs = 250
const warnEveryMs = 60_000
/** Steps of model servers that may wait; the oldest are given up. */
const maxWaitingSteps = 1_000

/** Opens nothing yet: the thread and the file come with the first call, or the first start of a model server. */
export function openLedger(options: LedgerOptions): Ledger {
  return new ThreadLedger(options)
}

function isOther(before: Run | undefined, now: Run): boolean {
  return before !== undefined && before.startedMs !== now.startedMs
}

class ThreadLedger implements Ledger {
  readonly #options: LedgerOptions
  readonly #bounds: LedgerBounds
  readonly #writer: Writer
  readonly #rows: PendingRows
  #run: Run | undefined
  /** Of model servers. */
  #steps: ServiceStep[] = []
  /** Sent, and not known to be in the file. */
  #sent: RowBatch | undefined
  #seq = 0
  /** The last one that was in the file. */
  #writtenSeq = 0
  #cancelTimer: (() => void) | undefined
  #cancelRetry: (() => void) | undefined
  #fault: string | undefined
  #warnedAtMs: number | undefined
  #offReason: string | undefined
  readonly #spending: SpendNews
  /** What is new of budgets goes with the rows that are collected meanwhile, or once it is time for them. */
  #isSpendingDue = false
  #onRestored: ((found: SpendFound) => void) | undefined
  readonly #requests = new UsageRequests()
  #isStopping = false
  /** Nothing is sent any more. */
  #isOver = false
  #onIdle: (() => void) | undefined
  readonly #stopped = Promise.withResolvers<void>()

  constructor(options: LedgerOptions) {
    this.#options = options
    this.#bounds = { ...usualBounds, ...options.bounds }
    this.#rows = new PendingRows(this.#bounds.maxWaitingRows)
    this.#spending = new SpendNews(() => this.#onSpending(), this.#bounds.maxWaitingRows)
    const { writerEntry, openWriter = (owner) => new WriterThread(owner, writerEntry) } = options
    this.#writer = openWriter({
      start: () => this.#writerStart(),
      onMessage: (message) => this.#onMessage(message),
      onExit: (reason) => this.#onExit(reason),
    })
  }

  get spending(): SpendJournal {
    return this.#spending
  }

  followSpending(source: SpendSource): void {
    this.#spending.follow(source)
  }

  restoreSpending(question: SpendQuestion): Promise<SpendFound> {
    return new Promise((resolve) => {
      this.#onRestored = (found) => {
        this.#onRestored = undefined
        // The process may end while nothing else keeps it.
        this.#writer.release()
        if (found.kind === 'found') this.#spending.settled()
        resolve(found)
      }
      this.#writer.post({ kind: 'restore', question })
      this.#writer.hold()
    })
  }

  record(call: EndedCall): void {
    if (this.#offReason !== undefined || this.#isStopping) return
    this.#rows.add(call, this.#options.clock.wallNow())
    this.#onRows()
  }

  recordRows(rows: readonly Cell[]): void {
    if (this.#offReason !== undefined || this.#isStopping) return
    this.#rows.addRows(rows)
    this.#onRows()
  }

  recordStep(step: ServiceStep): void {
    if (this.#offReason !== undefined || this.#isStopping) return
    this.#steps.push(step)
    if (this.#steps.length > maxWaitingSteps) this.#steps.shift()
    this.#sendSoon()
  }

  read(question: UsageQuestion): Promise<UsageReport | undefined> {
    if (this.#offReason !== undefined || this.#isStopping || this.#requests.isFull)
      return Promise.resolve(undefined)
    // What has ended before the question is in the answer.
    this.#cut()
    this.#send()
    const answer = this.#requests.add(question)
    this.#ask()
    return answer
  }

  state(): LedgerState {
    return {
      state: this.#stateName(),
      reason: this.#offReason ?? this.#fault,
      waitingRows: this.#rows.count + this.#sentRows,
      lostRows: this.#rows.lostRows,
    }
  }

  async stop(): Promise<void> {
    if (this.#isStopping) return this.#stopped.promise
    this.#isStopping = true
    this.#cut()
    if (this.#cancelRetry === undefined) this.#send()
    else this.#retryNow()
    await this.#untilWritten()
    this.#isOver = true
    this.#cancelRetry?.()
    await this.#writer.end(this.#bounds.stopMs)
    // The thread may have written the batch under way before its end.
    const rows = this.state().waitingRows
    if (rows > 0) this.#options.onEvent({ kind: 'ledger_rows_lost', rows })
    this.#stopped.resolve()
  }

  #stateName(): LedgerState['state'] {
    if (this.#offReason !== undefined) return 'off'
    if (this.#fault !== undefined) return 'waiting'
    return this.#writer.isRunning ? 'writing' : 'idle'
  }

  get #sentRows(): number {
    return (this.#sent?.rows.length ?? 0) / rowWidth
  }

  #onSpending(): void {
    if (this.#offReason !== undefined || this.#isStopping) return
    this.#sendSoon()
  }

  #onRows(): void {
    if (this.#rows.isBatchFull) {
      this.#cut()
      this.#send()
      return
    }
    this.#sendSoon()
  }

  #sendSoon(): void {
    this.#cancelTimer ??= this.#options.clock.setTimer(() => {
      this.#cut()
      this.#send()
    }, batchMs)
  }

  /** Ends the batch that is being collected. */
  #cut(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#isSpendingDue = true
    this.#rows.cut()
  }

  /** One batch at a time, so that those that wait behind a slow one are written together. */
  #send(): void {
    if (this.#offReason !== undefined || this.#isOver) return
    if (this.#sent !== undefined || this.#cancelRetry !== undefined) return
    const hasSpending = this.#isSpendingDue && !this.#spending.isEmpty
    if (this.#rows.hasBatch || hasSpending || this.#steps.length > 0) this.#sendBatch()
  }

  /** Sends questions once all rows before them are sent, or cannot be written. */
  #ask(): void {
    if (this.#rows.hasBatch && this.#fault === undefined) return
    for (const message of this.#requests.takeUnsent()) this.#writer.post(message)
  }

  #sendBatch(): void {
    this.#seq += 1
    const spend = this.#spending.take(this.#options.clock.wallNow())
    this.#isSpendingDue = false
    const steps = this.#steps
    this.#steps = []
    this.#sent = { seq: this.#seq, ...this.#rows.take(), spend, steps }
    this.#writer.post({ kind: 'batch', batch: this.#sent })
  }

  #writerStart(): WriterStart {
    const { path, keepCallsDays, keepHoursDays } = this.#options
    const { busyTimeoutMs } = this.#bounds
    return { path, keepCallsDays, keepHoursDays, busyTimeoutMs, run: this.#run }
  }

  #onMessage(message: FromWriter): void {
    switch (message.kind) {
      case 'opened':
        // Another file than before, or an older copy of it: it lacks some of what was spent, or all.
        if (
          message.setAside !== undefined ||
          isOther(this.#run, message.run) ||
          message.seq < this.#writtenSeq
        )
          this.#spending.rebased()
        this.#run = message.run
        if (message.setAside !== undefined)
          this.#options.onEvent({ kind: 'ledger_set_aside', ...message.setAside })
        return
      case 'written':
        this.#onWritten(message.seq)
        return
      case 'not_written':
        this.#onNotWritten(message.seq, message.reason)
        return
      case 'unusable':
        this.#turnOff(message.reason)
        return
      case 'answer':
        this.#requests.answer(message.id, message.report)
        return
      case 'restored':
        this.#onRestored?.(message.found)
        return
      case 'stopped':
        return
      default:
        message satisfies never
    }
  }

  #onWritten(seq: number): void {
    this.#writtenSeq = seq
    if (this.#sent?.seq === seq) this.#sent = undefined
    if (this.#fault !== undefined) {
      this.#fault = undefined
      this.#warnedAtMs = undefined
      this.#options.onEvent({ kind: 'ledger_writing', lost_rows: this.#rows.lostRows })
    }
    this.#send()
    this.#ask()
    if (this.#sent === undefined) this.#onIdle?.()
  }

  #onNotWritten(seq: number, reason: string): void {
    const sent = this.#sent
    if (sent === undefined || sent.seq !== seq) return
    this.#sent = undefined
    this.#rows.giveBack(sent)
    this.#steps = [...(sent.steps ?? []), ...this.#steps].slice(-maxWaitingSteps)
    if (sent.spend !== undefined) {
      this.#spending.giveBack(sent.spend)
      this.#isSpendingDue = true
    }
    this.#waitWith(reason)
    this.#ask()
    this.#retryLater()
  }

  #waitWith(reason: string): void {
    this.#fault = reason
    const now = this.#options.clock.wallNow()
    if (this.#warnedAtMs !== undefined && Math.abs(now - this.#warnedAtMs) < warnEveryMs) return
    this.#warnedAtMs = now
    const { waitingRows: waiting_rows, lostRows: lost_rows } = this.state()
    this.#options.onEvent({ kind: 'ledger_waiting', reason, waiting_rows, lost_rows })
  }

  #retryLater(): void {
    if (this.#isOver) return
    this.#cancelRetry?.()
    const { retryMs } = this.#bounds
    const delayMs = this.#isStopping ? Math.min(retryMs, stopRetryMs) : retryMs
    this.#cancelRetry = this.#options.clock.setTimer(() => this.#retryNow(), delayMs)
  }

  /** Sends the batch that a thread took along when it died, else what waits. */
  #retryNow(): void {
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    if (this.#sent === undefined) this.#send()
    else this.#writer.post({ kind: 'batch', batch: this.#sent })
  }

  /** Not asked for: the batch under way may be in the file or not, which the next thread finds by its number. */
  #onExit(reason: string): void {
    this.#onRestored?.({ kind: 'unreadable', reason })
    this.#requests.fail()
    if (this.#isOver || this.#offReason !== undefined) return
    this.#waitWith(reason)
    this.#retryLater()
  }

  #turnOff(reason: string): void {
    this.#offReason = reason
    this.#onRestored?.({ kind: 'unreadable', reason })
    this.#rows.clear()
    this.#steps = []
    this.#sent = undefined
    this.#options.onEvent({ kind: 'ledger_off', reason })
    this.#ask()
    this.#onIdle?.()
  }

  async #untilWritten(): Promise<void> {
    if (this.#sent === undefined) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onIdle = resolve
    const deadline = setTimeout(resolve, this.#bounds.stopMs)
    await promise
    clearTimeout(deadline)
  }
}
