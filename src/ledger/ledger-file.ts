// The open ledger, in the writer's thread: the only connection of the gateway that writes.
import { statSync } from 'node:fs'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Cell } from './call-row.ts'
import { CallDigests } from './call-digests.ts'
import { CallTables } from './call-tables.ts'
import type { RowBatch, Run } from './messages.ts'
import { Names } from './names.ts'
import { type OpenOptions, openDatabase, type SetAside } from './open-database.ts'
import { Pruning, rowsOfPiece } from './pruning.ts'
import type { SpendFound, SpendQuestion } from './spend-question.ts'
import { readSpent } from './read-spend.ts'
import { ServiceSteps } from './service-steps.ts'
import { SpendTables } from './spend-tables.ts'
import { appendUnfinished } from './unfinished-call.ts'

export type OpenedLedger =
  | { readonly kind: 'open'; readonly file: LedgerFile; readonly setAside?: SetAside }
  | { readonly kind: 'unusable'; readonly reason: string }

export interface LedgerFileOptions extends OpenOptions {
  /** Of this process, when its thread was started before. */
  readonly run?: Run | undefined
  /** Milliseconds of a monotonic clock; absent: the system's. */
  readonly now?: () => number
}

/** @throws as `openDatabase`. */
export function openLedgerFile(options: LedgerFileOptions): OpenedLedger {
  const opened = openDatabase(options)
  if (opened.kind === 'unusable') return opened
  const { database, setAside } = opened
  try {
    return { kind: 'open', file: new LedgerFile(database, options), ...(setAside && { setAside }) }
  } catch (error) {
    database.close()
    throw error
  }
}

class LedgerFile {
  readonly run: Run
  readonly #path: string
  readonly #inode: number
  readonly #database: DatabaseSync
  readonly #names: Names
  readonly #spend: SpendTables
  readonly #steps: ServiceSteps
  readonly #digests: CallDigests
  readonly #calls: CallTables
  readonly #pruning: Pruning
  readonly #endBatch: StatementSync
  readonly #dataVersion: StatementSync
  #seq: number
  #seenVersion: unknown
  /** Calls that others had left under way. */
  #hasEndedUnfinished = false

  constructor(
    database: DatabaseSync,
    { path, nowMs, run, now = () => performance.now() }: LedgerFileOptions,
  ) {
    this.#database = database
    this.#path = path
    this.#inode = statSync(path).ino
    this.#names = new Names(database)
    this.#steps = new ServiceSteps(database)
    this.#endBatch = database.prepare('UPDATE runs SET seq = ?, lost_rows = lost_rows + ? WHERE id = ?')
    this.#dataVersion = database.prepare('PRAGMA data_version')
    this.#digests = new CallDigests(database, () => this.#dataVersion.get()!['data_version'])
    this.#calls = new CallTables(database, this.#names, this.#digests)
    const known = run === undefined ? undefined : this.#seqOf(run)
    this.run = known === undefined ? this.#begin(nowMs) : run!
    this.#seq = known ?? 0
    this.#spend = new SpendTables(database, this.run.id)
    this.#pruning = new Pruning({
      database,
      digests: this.#digests,
      spend: this.#spend,
      now,
      transaction: (work) => this.#transaction(work),
    })
  }

  /** Of the last batch of the run. */
  get seq(): number {
    return this.#seq
  }

  get database(): DatabaseSync {
    return this.#database
  }

  /** Whether another file, or none, is at the path by now: what is written would be lost with the process. */
  get isReplaced(): boolean {
    return statSync(this.#path, { throwIfNoEntry: false })?.ino !== this.#inode
  }

  /** All or nothing. @throws what SQLite throws. */
  write({ seq, rows, lostSums, spend, steps = [] }: RowBatch): void {
    if (seq <= this.#seq) return
    this.#transaction(() => {
      this.#calls.write(rows, lostSums)
      if (spend !== undefined) {
        // At the start the file could not be read; the balance has these calls, and the next start is not to charge them again.
        if (spend.balance !== undefined && !this.#hasEndedUnfinished) this.#endUnfinished(spend.takenMs)
        this.#spend.write(spend, (kind, name) => this.#names.idOrNull(kind, name))
      }
      this.#steps.write(steps, (kind, name) => this.#names.idOf(kind, name))
      const lost = lostSums.reduce((total, { counts }) => total + counts[0]!, 0)
      this.#endBatch.run(seq, lost, this.run.id)
    })
    this.#seq = seq
    if (spend?.balance !== undefined) this.#hasEndedUnfinished = true
  }

  /**
   * What was spent of budgets, for a gateway that starts. Calls that others have left under way become rows with status 0,
   * and charges of what they had reserved. @throws what SQLite throws.
   */
  restoreSpend({ spans, copy, nowMs }: SpendQuestion): SpendFound {
    let found: SpendFound = { kind: 'unknown' }
    this.#transaction(() => {
      this.#spend.forgetCharged()
      const unfinished = this.#endUnfinished(nowMs)
      const known = this.#spend.revision
      const wasCompleted = copy !== undefined && isLater(copy.revision, known)
      if (wasCompleted) {
        // What could be rescued of a damaged ledger may be later than an old copy.
        const isComplete = known !== undefined
        this.#spend.complete(copy.balances, { revision: copy.revision, nowMs, isComplete })
      }
      const revision = this.#spend.revision
      if (revision === undefined) return
      const spent = readSpent(this.#database, spans)
      found = { kind: 'found', spent, revision, wasCompleted, unfinished }
    })
    this.#hasEndedUnfinished = true
    return found
  }

  /** @returns how many. */
  #endUnfinished(nowMs: number): number {
    const calls = this.#spend.takeUnfinished(nowMs)
    const rows: Cell[] = []
    for (const call of calls) appendUnfinished(rows, call, nowMs)
    this.#calls.write(rows, [])
    return calls.length
  }

  /**
   * Removes a piece of what is older than it is to be kept.
   * @param callsBeforeMs rows of calls and of servers, @param sumsBeforeMs sums that ended before these are removed.
   * @returns whether there may be more. @throws what SQLite throws.
   */
  prunePiece(callsBeforeMs: number, sumsBeforeMs: number, nowMs: number): boolean {
    return this.#pruning.prunePiece(callsBeforeMs, sumsBeforeMs, nowMs)
  }

  /** Prepares a piece of what reports are read from. @returns whether there may be more. @throws what SQLite throws. */
  digestPiece(nowMs: number): boolean {
    return this.#digests.makePiece(nowMs, rowsOfPiece.most, (work) => this.#transaction(work))
  }

  /** Moves what was written into the main file, as far as no reader is in the way. */
  checkpoint(): void {
    this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  /** The run is over, in order. */
  end(nowMs: number): void {
    this.#database.prepare('UPDATE runs SET ended_ms = ? WHERE id = ?').run(nowMs, this.run.id)
  }

  /** This was no run of a gateway. */
  forgetRun(): void {
    this.#database.prepare('DELETE FROM runs WHERE id = ?').run(this.run.id)
  }

  close(): void {
    this.#database.close()
  }

  #begin(startedMs: number): Run {
    const insert = this.#database.prepare('INSERT INTO runs(started_ms) VALUES(?)')
    return { id: Number(insert.run(startedMs).lastInsertRowid), startedMs }
  }

  /** Undefined: the run is not in this file. */
  #seqOf({ id, startedMs }: Run): number | undefined {
    const find = this.#database.prepare('SELECT seq FROM runs WHERE id = ? AND started_ms = ?')
    const found = find.get(id, startedMs)
    return found?.['seq'] as number | undefined
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      const version = this.#dataVersion.get()!['data_version']
      if (version !== this.#seenVersion) this.#forget()
      work()
      this.#database.exec('COMMIT')
      this.#seenVersion = version
    } catch (error) {
      // SQLite has rolled back some errors by itself.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      this.#forget()
      throw error
    }
  }

  /** After a transaction that was rolled back, or when another process may have changed something. */
  #forget(): void {
    this.#digests.forget()
    this.#names.forget()
    this.#calls.forget()
  }
}

/** Of two copies of what was spent. */
function isLater(revision: number | undefined, known: number | undefined): boolean {
  return revision === undefined || known === undefined || revision > known
}

export type { LedgerFile }
