// The open ledger, in the writer's thread: the only connection of the gateway that writes.
import { statSync } from 'node:fs'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type Cell, column, rowWidth } from './call-row.ts'
import { CallDigests } from './call-digests.ts'
import type { RowBatch, Run } from './messages.ts'
import { Names, type NameKind } from './names.ts'
import { type OpenOptions, openDatabase, type SetAside } from './open-database.ts'
import { type QuarterSum, QuarterSums, quarterMs, sumColumns } from './quarter-sums.ts'
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

/**
 * Rows of a piece of work that holds the write lock. The next piece has half as many after one that took longer than
 * `longPieceMs`, and twice as many after one that took less than half of that: a piece is to stay below 20 ms on any disk.
 */
const rowsOfPiece = { first: 500, fewest: 50, most: 2_000 } as const
const longPieceMs = 10
/** A page of the file takes as long to give back as so many rows to remove. */
const rowsPerPage = 4
/** Free pages are used again; more than so many are given back. */
const keptFreePages = 1_000

const noTariff = '{}'
const maxKeptPrices = 10_000
/** Columns of `calls`; the price of a row is a row of its own. */
const callColumns = rowWidth - 1

const sumOf = sumColumns.map((name) => `${name} = ${name} + excluded.${name}`).join(', ')

class LedgerFile {
  readonly run: Run
  readonly #path: string
  readonly #inode: number
  readonly #database: DatabaseSync
  readonly #names: Names
  readonly #spend: SpendTables
  readonly #steps: ServiceSteps
  readonly #digests: CallDigests
  readonly #insertCall: StatementSync
  readonly #addSum: StatementSync
  readonly #useSecret: StatementSync
  readonly #endBatch: StatementSync
  readonly #dataVersion: StatementSync
  readonly #findPrice: StatementSync
  readonly #insertPrice: StatementSync
  readonly #prices = new Map<string, number>()
  readonly #now: () => number
  #pieceRows: number = rowsOfPiece.first
  #seq: number
  #seenVersion: unknown
  /** Calls that others had left under way. */
  #hasEndedUnfinished = false

  constructor(
    database: DatabaseSync,
    { path, nowMs, run, now = () => performance.now() }: LedgerFileOptions,
  ) {
    this.#now = now
    this.#database = database
    this.#path = path
    this.#inode = statSync(path).ino
    this.#names = new Names(database)
    this.#steps = new ServiceSteps(database)
    this.#insertCall = database.prepare(
      `INSERT INTO calls(ended_ms, request_id, client, key, secret, via, dialect, model, provider, target, fallback,
        status, code, stream, prompt, cached, cache_write, completion, reasoning, cost_nano, price, estimated, attempts,
        wait_ms, first_ms, duration_ms, scope, first_token_ms, provider_status, trouble,
        start_ms) VALUES(${Array.from({ length: callColumns }, () => '?').join(', ')})`,
    )
    this.#addSum = database.prepare(
      `INSERT INTO quarters(quarter, key, client, model, provider, ${sumColumns.join(', ')})
        VALUES(?, ?, ?, ?, ?${', ?'.repeat(sumColumns.length)})
        ON CONFLICT(quarter, key, client, model, provider) DO UPDATE SET ${sumOf}`,
    )
    this.#useSecret = database.prepare(
      `INSERT INTO key_state(secret, first_used_ms, last_used_ms) VALUES(?, ?, ?)
        ON CONFLICT(secret) DO UPDATE SET last_used_ms = MAX(last_used_ms, excluded.last_used_ms)`,
    )
    this.#endBatch = database.prepare('UPDATE runs SET seq = ?, lost_rows = lost_rows + ? WHERE id = ?')
    this.#dataVersion = database.prepare('PRAGMA data_version')
    this.#digests = new CallDigests(database, () => this.#dataVersion.get()!['data_version'])
    this.#findPrice = database.prepare('SELECT id FROM prices WHERE target = ? AND source = ? AND json = ?')
    this.#insertPrice = database.prepare(
      'INSERT INTO prices(since_ms, target, source, json) VALUES(?, ?, ?, ?)',
    )
    const known = run === undefined ? undefined : this.#seqOf(run)
    this.run = known === undefined ? this.#begin(nowMs) : run!
    this.#seq = known ?? 0
    this.#spend = new SpendTables(database, this.run.id)
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
      const sums = new QuarterSums()
      sums.addRows(rows)
      for (let at = 0; at < rows.length; at += rowWidth) this.#writeRow(rows, at)
      for (const sum of lostSums) sums.add(sum)
      for (const sum of sums.values()) this.#writeSum(sum)
      if (spend !== undefined) {
        // At the start the file could not be read; the balance has these calls, and the next start is not to charge them again.
        if (spend.balance !== undefined && !this.#hasEndedUnfinished) this.#endUnfinished(spend.takenMs)
        const nameOf = (kind: NameKind, name: string | undefined) => this.#nameOf(kind, name ?? null)
        this.#spend.write(spend, nameOf)
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
    const sums = new QuarterSums()
    sums.addRows(rows)
    for (let at = 0; at < rows.length; at += rowWidth) this.#writeRow(rows, at)
    for (const sum of sums.values()) this.#writeSum(sum)
    return calls.length
  }

  /**
   * Removes a piece of what is older than it is to be kept.
   * @param callsBeforeMs rows of calls and of servers, @param sumsBeforeMs sums that ended before these are removed.
   * @returns whether there may be more.
   */
  prunePiece(callsBeforeMs: number, sumsBeforeMs: number, nowMs: number): boolean {
    const startMs = this.#now()
    const hasChanged = this.#prunePiece(callsBeforeMs, Math.floor(sumsBeforeMs / quarterMs), nowMs)
    const tookMs = this.#now() - startMs
    if (tookMs > longPieceMs) this.#pieceRows = Math.max(rowsOfPiece.fewest, Math.floor(this.#pieceRows / 2))
    else if (tookMs < longPieceMs / 2) this.#pieceRows = Math.min(rowsOfPiece.most, this.#pieceRows * 2)
    return hasChanged
  }

  #prunePiece(callsBeforeMs: number, beforeQuarter: number, nowMs: number): boolean {
    const sql = `DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE ended_ms < ? ORDER BY ended_ms LIMIT ?)`
    let removed: number | bigint = 0
    this.#transaction(() => {
      this.#digests.prune(callsBeforeMs)
      removed = this.#database.prepare(sql).run(callsBeforeMs, this.#pieceRows).changes
    })
    if (removed > 0) return true
    const stepsSql = `DELETE FROM service_steps WHERE id IN
      (SELECT id FROM service_steps WHERE at_ms < ? ORDER BY at_ms LIMIT ?)`
    if (this.#change(stepsSql, callsBeforeMs, this.#pieceRows) > 0) return true
    let hasMore = false
    this.#transaction(() => (hasMore = this.#spend.prunePiece(callsBeforeMs, nowMs, this.#pieceRows)))
    if (hasMore) return true
    const sums = 'quarter, key, client, model, provider'
    const sumsSql = `DELETE FROM quarters WHERE (${sums}) IN
      (SELECT ${sums} FROM quarters WHERE quarter < ? ORDER BY ${sums} LIMIT ?)`
    if (this.#change(sumsSql, beforeQuarter, this.#pieceRows) > 0) return true
    const { freelist_count: free } = this.#database.prepare('PRAGMA freelist_count').get() as {
      freelist_count: number
    }
    if (free <= keptFreePages) return false
    this.#database.exec(`PRAGMA incremental_vacuum(${Math.ceil(this.#pieceRows / rowsPerPage)})`)
    return true
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

  #writeRow(rows: readonly Cell[], at: number): void {
    const cell = (offset: number) => rows[at + offset]!
    const name = (kind: NameKind, offset: number) => this.#nameOf(kind, cell(offset) as string | null)
    const secret = name('secret', column.secret)
    const target = name('target', column.target)
    const endedMs = cell(column.endedMs) as number
    const digested = {
      endedMs,
      client: name('client', column.client),
      model: name('model', column.model),
      fallback: name('model', column.fallback),
      provider: name('provider', column.provider),
      status: cell(column.status) as number,
      code: name('code', column.code),
      trouble: name('trouble', column.trouble),
      providerStatus: cell(column.providerStatus) as number | null,
      isStream: cell(column.stream) === 1,
      waitMs: (cell(column.waitMs) as number) - ((cell(column.startMs) as number | null) ?? 0),
      firstMs: (cell(column.firstTokenMs) ?? cell(column.firstMs)) as number | null,
      durationMs: cell(column.durationMs) as number,
      outputTokens: cell(column.completion) as number,
    }
    this.#digests.add(digested)
    this.#insertCall.run(
      endedMs,
      cell(column.requestId),
      digested.client,
      name('key', column.key),
      secret,
      name('via', column.via),
      name('dialect', column.dialect),
      digested.model,
      digested.provider,
      target,
      digested.fallback,
      digested.status,
      digested.code,
      cell(column.stream),
      cell(column.prompt),
      cell(column.cached),
      cell(column.cacheWrite),
      cell(column.completion),
      cell(column.reasoning),
      cell(column.costNano),
      this.#priceOf(rows, at, target),
      cell(column.estimated),
      cell(column.attempts),
      cell(column.waitMs),
      cell(column.firstMs),
      cell(column.durationMs),
      name('scope', column.scope),
      cell(column.firstTokenMs),
      digested.providerStatus,
      digested.trouble,
      cell(column.startMs),
    )
    if (secret !== null) this.#useSecret.run(secret, endedMs, endedMs)
  }

  #writeSum({ quarter, key, client, model, provider, counts }: QuarterSum): void {
    this.#addSum.run(
      quarter,
      this.#nameOf('key', key) ?? 0,
      this.#nameOf('client', client) ?? 0,
      this.#nameOf('model', model) ?? 0,
      this.#nameOf('provider', provider) ?? 0,
      ...counts,
    )
  }

  #nameOf(kind: NameKind, name: string | null): number | null {
    return name === null ? null : this.#names.idOf(kind, name)
  }

  /** The price of a row, by which its cost can be computed again; `{}` where it cannot. */
  #priceOf(rows: readonly Cell[], at: number, target: number | null): number | null {
    const source = rows[at + column.price] as string | null
    if (source === null) return null
    const json = (rows[at + column.tariff] as string | null) ?? noTariff
    const price = [target ?? 0, source, json] as const
    const key = price.join('\n')
    const known = this.#prices.get(key)
    if (known !== undefined) return known
    const found = this.#findPrice.get(...price) as { id: number } | undefined
    const sinceMs = rows[at + column.endedMs] as number
    const id = found?.id ?? Number(this.#insertPrice.run(sinceMs, ...price).lastInsertRowid)
    if (this.#prices.size >= maxKeptPrices) this.#prices.clear()
    this.#prices.set(key, id)
    return id
  }

  /** After a transaction that was rolled back, or when another process may have changed something. */
  #forget(): void {
    this.#digests.forget()
    this.#names.forget()
    this.#prices.clear()
  }

  #change(sql: string, ...parameters: readonly number[]): number {
    let changes = 0
    this.#transaction(() => {
      changes = Number(this.#database.prepare(sql).run(...parameters).changes)
    })
    return changes
  }
}

/** Of two copies of what was spent. */
function isLater(revision: number | undefined, known: number | undefined): boolean {
  return revision === undefined || known === undefined || revision > known
}

export type { LedgerFile }
