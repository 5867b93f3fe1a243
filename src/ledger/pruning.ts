// Removes from the ledger what is older than it is to be kept, piece by piece, so that batches are written in between.
import type { DatabaseSync } from 'node:sqlite'
import type { CallDigests } from './call-digests.ts'
import { quarterMs } from './quarter-sums.ts'
import type { SpendTables } from './spend-tables.ts'

/**
 * Rows of a piece of work that holds the write lock. The next piece has half as many after one that took longer than
 * `longPieceMs`, and twice as many after one that took less than half of that: a piece is to stay below 20 ms on any disk.
 */
export const rowsOfPiece = { first: 500, fewest: 50, most: 2_000 } as const
const longPieceMs = 10
/** A page of the file takes as long to give back as so many rows to remove. */
const rowsPerPage = 4
/** Free pages are used again; more than so many are given back. */
const keptFreePages = 1_000

interface PruningParts {
  readonly database: DatabaseSync
  readonly digests: Pick<CallDigests, 'prune'>
  readonly spend: Pick<SpendTables, 'prunePiece'>
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  /** Runs what changes the file. */
  readonly transaction: (work: () => void) => void
}

export class Pruning {
  readonly #parts: PruningParts
  #pieceRows: number = rowsOfPiece.first

  constructor(parts: PruningParts) {
    this.#parts = parts
  }

  /**
   * Removes a piece. @param callsBeforeMs rows of calls and of servers, @param sumsBeforeMs sums that ended before these are
   * removed. @returns whether there may be more. @throws what SQLite throws.
   */
  prunePiece(callsBeforeMs: number, sumsBeforeMs: number, nowMs: number): boolean {
    const startMs = this.#parts.now()
    const hasChanged = this.#prunePiece(callsBeforeMs, Math.floor(sumsBeforeMs / quarterMs), nowMs)
    const tookMs = this.#parts.now() - startMs
    if (tookMs > longPieceMs) this.#pieceRows = Math.max(rowsOfPiece.fewest, Math.floor(this.#pieceRows / 2))
    else if (tookMs < longPieceMs / 2) this.#pieceRows = Math.min(rowsOfPiece.most, this.#pieceRows * 2)
    return hasChanged
  }

  #prunePiece(callsBeforeMs: number, beforeQuarter: number, nowMs: number): boolean {
    const { database, digests, spend, transaction } = this.#parts
    const sql = `DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE ended_ms < ? ORDER BY ended_ms LIMIT ?)`
    let removed: number | bigint = 0
    transaction(() => {
      digests.prune(callsBeforeMs)
      removed = database.prepare(sql).run(callsBeforeMs, this.#pieceRows).changes
    })
    if (removed > 0) return true
    const stepsSql = `DELETE FROM service_steps WHERE id IN
      (SELECT id FROM service_steps WHERE at_ms < ? ORDER BY at_ms LIMIT ?)`
    if (this.#change(stepsSql, callsBeforeMs, this.#pieceRows) > 0) return true
    let hasMore = false
    transaction(() => (hasMore = spend.prunePiece(callsBeforeMs, nowMs, this.#pieceRows)))
    if (hasMore) return true
    const sums = 'quarter, key, client, model, provider'
    const sumsSql = `DELETE FROM quarters WHERE (${sums}) IN
      (SELECT ${sums} FROM quarters WHERE quarter < ? ORDER BY ${sums} LIMIT ?)`
    if (this.#change(sumsSql, beforeQuarter, this.#pieceRows) > 0) return true
    const { freelist_count: free } = database.prepare('PRAGMA freelist_count').get() as {
      freelist_count: number
    }
    if (free <= keptFreePages) return false
    database.exec(`PRAGMA incremental_vacuum(${Math.ceil(this.#pieceRows / rowsPerPage)})`)
    return true
  }

  #change(sql: string, ...parameters: readonly number[]): number {
    let changes = 0
    const { database, transaction } = this.#parts
    transaction(() => {
      changes = Number(database.prepare(sql).run(...parameters).changes)
    })
    return changes
  }
}
