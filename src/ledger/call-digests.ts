// Keeps a digest of the calls of each quarter of an hour that is over, so that a report need not read their rows. It is put
// together while the rows are written; after a start, or where that has failed, it is made of the rows, piece by piece when the
// writer's thread has nothing else to write. A quarter without a digest is read from its rows.
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import {
  CallGroupsDraft,
  callOfRow,
  type GroupedCall,
  groupedColumns,
  type GroupedRow,
} from './call-groups.ts'
import { quarterMs } from './quarter-sums.ts'

/** After the end of a quarter its last rows are on their way, in milliseconds. Later ones undo its digest. */
const settleMs = 60_000

/** Quarters that rows come for: the one that has begun, and the one before, whose last rows are on their way. */
const liveQuarters = 2

/** A quarter with more groups has no digest: providers choose their codes, and of clients there is no end. */
const maxGroups = 10_000

interface Unfinished {
  readonly draft: CallGroupsDraft
  /** The last row that is in it: when it ended, and its id. */
  last: readonly [endedMs: number, id: number]
  /** Of the file: whether another process has changed it since. */
  readonly version: unknown
}

export class CallDigests {
  readonly #nextCall: StatementSync
  readonly #find: StatementSync
  readonly #rows: StatementSync
  readonly #put: StatementSync
  readonly #drop: StatementSync
  readonly #dropBefore: StatementSync
  readonly #version: () => unknown
  /** Every quarter before it that has calls has a digest, as far as this process knows. */
  #frontier = 0
  #unfinished: Unfinished | undefined
  /** Drafts of the newest quarters that have all of their rows so far. */
  readonly #live = new Map<number, CallGroupsDraft>()
  #liveVersion: unknown
  #newest = 0

  /** @param version changes whenever another process has changed the file. */
  constructor(database: DatabaseSync, version: () => unknown) {
    this.#version = version
    this.#nextCall = database.prepare('SELECT MIN(ended_ms) AS next FROM calls WHERE ended_ms >= ?')
    this.#find = database.prepare('SELECT 1 FROM digests WHERE quarter = ?')
    this.#rows = database.prepare(
      `SELECT ${groupedColumns} FROM calls
        WHERE ended_ms >= ? AND ended_ms < ? AND (ended_ms, id) > (?, ?) ORDER BY ended_ms, id LIMIT ?`,
    )
    this.#rows.setReturnArrays(true)
    this.#put = database.prepare('INSERT OR REPLACE INTO digests(quarter, calls, groups) VALUES(?, ?, ?)')
    this.#drop = database.prepare('DELETE FROM digests WHERE quarter = ?')
    this.#dropBefore = database.prepare('DELETE FROM digests WHERE quarter < ?')
  }

  /** In the transaction that adds its row, before that. What was made of its quarter is made again. */
  add(call: GroupedCall): void {
    const quarter = Math.floor(call.endedMs / quarterMs)
    if (quarter > this.#newest) this.#goOnTo(quarter)
    const live = this.#live.get(quarter)
    if (live !== undefined && live.size > maxGroups) this.#live.delete(quarter)
    else live?.add(call)
    if (this.#unfinished?.draft.quarter === quarter) this.#unfinished = undefined
    if (quarter >= this.#frontier) return
    this.#frontier = quarter
    this.#drop.run(quarter)
  }

  /** After a transaction that was rolled back, or when another process may have changed something. */
  forget(): void {
    this.#live.clear()
  }

  /** In the transaction that removes rows of calls that ended before an instant, in milliseconds since 1970. */
  prune(callsBeforeMs: number): void {
    this.#dropBefore.run(Math.ceil(callsBeforeMs / quarterMs))
  }

  /**
   * Goes on with the oldest quarter that has none, until it has read about so many rows.
   * @param transaction runs what changes the file. @returns whether there may be more.
   */
  makePiece(nowMs: number, rows: number, transaction: (work: () => void) => void): boolean {
    const finished: CallGroupsDraft[] = []
    const version = this.#version()
    let hasMore = true
    for (let left = rows; left > 0 && hasMore; left -= 1) {
      if (this.#unfinished?.version !== version) this.#unfinished = undefined
      if (this.#unfinished === undefined) hasMore = this.#step(nowMs, version)
      else {
        const found = this.#read(this.#unfinished, left)
        if (found === left) break
        left -= found
        if (this.#unfinished.draft.size <= maxGroups) finished.push(this.#unfinished.draft)
        this.#frontier = this.#unfinished.draft.quarter + 1
        this.#unfinished = undefined
      }
    }
    if (finished.length === 0) return hasMore
    try {
      transaction(() => {
        // Of what was read, another process may have removed some since.
        if (this.#version() !== version) this.#frontier = 0
        else for (const draft of finished) this.#put.run(draft.quarter, draft.calls, draft.encoded())
      })
    } catch (error) {
      this.#frontier = 0
      throw error
    }
    return hasMore
  }

  #goOnTo(quarter: number): void {
    this.#newest = quarter
    const version = this.#version()
    if (version !== this.#liveVersion) this.#live.clear()
    this.#liveVersion = version
    const { next } = this.#nextCall.get(quarter * quarterMs) as { next: number | null }
    if (next === null) this.#live.set(quarter, new CallGroupsDraft(quarter))
    for (const old of this.#live.keys()) if (this.#live.size > liveQuarters) this.#live.delete(old)
  }

  /** Looks at the next quarter with calls, and begins its digest if it has none. @returns false: none is over. */
  #step(nowMs: number, version: unknown): boolean {
    const { next } = this.#nextCall.get(this.#frontier * quarterMs) as { next: number | null }
    if (next === null) return false
    const quarter = Math.floor(next / quarterMs)
    this.#frontier = quarter
    if ((quarter + 1) * quarterMs + settleMs > nowMs) return false
    if (this.#find.get(quarter) !== undefined) {
      this.#frontier = quarter + 1
      return true
    }
    const live = version === this.#liveVersion ? this.#live.get(quarter) : undefined
    // Of a live one no row is left to be read.
    const last = live === undefined ? ([0, 0] as const) : ([(quarter + 1) * quarterMs, 0] as const)
    this.#unfinished = { draft: live ?? new CallGroupsDraft(quarter), last, version }
    return true
  }

  /** @returns how many rows there were, at most `limit`. */
  #read(unfinished: Unfinished, limit: number): number {
    const { draft, last } = unfinished
    const start = draft.quarter * quarterMs
    const rows = this.#rows.all(Math.max(start, last[0]), start + quarterMs, ...last, limit)
    for (const row of rows as unknown as GroupedRow[]) draft.add(callOfRow(row))
    if (draft.size > maxGroups) return 0
    const end = rows.at(-1) as unknown as GroupedRow | undefined
    if (end !== undefined) unfinished.last = [end[1]!, end[0]!]
    return rows.length
  }
}
