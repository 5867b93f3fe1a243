// What is spent of budgets, in the ledger: rows of charges, their sums in quarters of an hour, and the holds of calls under
// way. All of it is written within transactions of the ledger's file.
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { ScopeBalance, SpendScope } from '../domain.ts'
import { quarterMs } from './quarter-sums.ts'
import { largest, quartersOf } from './read-spend.ts'
import type { HeldSpending, SpendBatch } from './spend-news.ts'
import type { UnfinishedCall } from './unfinished-call.ts'

/** Of charges that only make the sums complete. */
const noRequest = ''
/** Older sums are in no window but `total`. */
const keptQuarters = (100 * 24 * 60 * 60_000) / quarterMs
const quartersPerPiece = 96

/** The sums as the rows have them, in the columns of `spend`. */
export const sumsOfCharges = `SELECT scope, at_ms / ${quarterMs} AS quarter, MIN(SUM(nano), ${largest}) AS nano,
  MIN(SUM(tokens), ${largest}) AS tokens FROM charges GROUP BY 1, 2`

export class SpendTables {
  readonly #database: DatabaseSync
  readonly #run: number
  readonly #findScope: StatementSync
  readonly #addScope: StatementSync
  readonly #addCharge: StatementSync
  readonly #addSum: StatementSync
  readonly #putHold: StatementSync
  readonly #dropHold: StatementSync
  readonly #setRevision: StatementSync
  readonly #sumBetween: StatementSync

  /** @param run of this process. */
  constructor(database: DatabaseSync, run: number) {
    this.#database = database
    this.#run = run
    this.#findScope = database.prepare('SELECT id, entry FROM scopes WHERE name = ?')
    this.#addScope = database.prepare(
      `INSERT INTO scopes(name, entry) VALUES(?, ?)
        ON CONFLICT(name) DO UPDATE SET entry = excluded.entry RETURNING id`,
    )
    this.#addCharge = database.prepare(
      'INSERT INTO charges(at_ms, scope, request_id, nano, tokens) VALUES(?, ?, ?, ?, ?)',
    )
    this.#addSum = database.prepare(
      `INSERT INTO spend(scope, quarter, nano, tokens) VALUES(?, ?, ?, ?)
        ON CONFLICT(scope, quarter) DO UPDATE SET nano = MIN(nano + excluded.nano, ${largest}),
        tokens = MIN(tokens + excluded.tokens, ${largest})`,
    )
    this.#putHold = database.prepare(
      `INSERT INTO holds(run, hold, since_ms, scope, total, nano, tokens, prompt, request_id, client, key, secret, via,
        dialect, model) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT(run, hold) DO UPDATE SET nano = excluded.nano, tokens = excluded.tokens WHERE charged = 0`,
    )
    this.#dropHold = database.prepare(
      'DELETE FROM holds WHERE run = ? AND hold = ? RETURNING charged, nano, tokens',
    )
    this.#setRevision = database.prepare(
      `INSERT INTO budgets(one, revision) VALUES(1, ?)
        ON CONFLICT(one) DO UPDATE SET revision = MAX(revision, excluded.revision)`,
    )
    this.#sumBetween = database.prepare(
      `SELECT COALESCE(MIN(SUM(nano), ${largest}), 0) AS nano, COALESCE(MIN(SUM(tokens), ${largest}), 0) AS tokens
        FROM spend WHERE scope = ? AND quarter >= ? AND quarter < ?`,
    )
  }

  /** @param nameOf the number of a name. */
  write(
    { charges, holds, ended, balance, isBalanceComplete, revision, takenMs }: SpendBatch,
    nameOf: NameOf,
  ): void {
    /** By another process, as calls of one that was killed. What they took beyond that is still to be charged. */
    const charged = new Map<number, DroppedHold>()
    for (const id of ended) {
      const held = this.#dropHold.get(this.#run, id) as DroppedHold | undefined
      if (held?.charged === 1) charged.set(id, held)
    }
    for (const { atMs, scope, requestId, hold, ...amounts } of charges) {
      const known = hold === undefined ? undefined : charged.get(hold)
      const nano = Math.max(0, amounts.nano - (known?.nano ?? 0))
      const tokens = Math.max(0, amounts.tokens - (known?.tokens ?? 0))
      if (known !== undefined && nano === 0 && tokens === 0) continue
      this.#charge(this.#idOf(scope), { atMs, requestId, nano, tokens })
    }
    for (const held of holds) this.#hold(held, nameOf)
    if (balance !== undefined) {
      this.complete(balance, { revision, nowMs: takenMs, isComplete: isBalanceComplete })
    }
    this.#database.prepare('UPDATE budgets SET revision = MAX(revision, ?)').run(revision)
  }

  /** Undefined: the sums do not begin with the first call. */
  get revision(): number | undefined {
    return this.#database.prepare('SELECT revision FROM budgets').get()?.['revision'] as number | undefined
  }

  /**
   * Forgets which calls of others are charged already. A process that is about to end may still end them, and must not charge
   * them again; those that were charged at an earlier start are over.
   */
  forgetCharged(): void {
    this.#database.prepare('DELETE FROM holds WHERE charged = 1').run()
  }

  /** Makes charges of the calls that other processes have left under way. @returns them. */
  takeUnfinished(nowMs: number): UnfinishedCall[] {
    const left = this.#database
      .prepare(
        `SELECT h.*, c.name AS client_name, k.name AS key_name, s.name AS secret_name, v.name AS via_name,
          d.name AS dialect_name, m.name AS model_name, o.name AS scope_name FROM holds h
          JOIN names c ON c.id = h.client LEFT JOIN names k ON k.id = h.key LEFT JOIN names s ON s.id = h.secret
          LEFT JOIN names v ON v.id = h.via JOIN names d ON d.id = h.dialect LEFT JOIN names m ON m.id = h.model
          LEFT JOIN scopes o ON o.id = h.scope WHERE h.run <> ? AND h.charged = 0 ORDER BY h.run, h.hold`,
      )
      .all(this.#run) as unknown as HoldRow[]
    for (const { scope, total, request_id: requestId, nano, tokens } of left) {
      for (const id of [scope, total]) {
        if (id !== null) this.#charge(id, { atMs: nowMs, requestId, nano, tokens })
      }
    }
    this.#database.prepare('UPDATE holds SET charged = 1 WHERE run <> ?').run(this.#run)
    return left.map((row) => ({
      requestId: row.request_id,
      client: row.client_name,
      key: row.key_name ?? undefined,
      secret: row.secret_name ?? undefined,
      via: row.via_name ?? undefined,
      dialect: row.dialect_name,
      model: row.model_name ?? undefined,
      scope: row.scope_name ?? undefined,
      nano: row.nano,
      promptTokens: Math.min(row.prompt, row.tokens),
      tokens: row.tokens,
    }))
  }

  /** Of charges before `chargesBeforeMs` a piece is removed, whose sums stay; old sums become one. @returns whether there may be more. */
  prunePiece(chargesBeforeMs: number, nowMs: number, rowsPerPiece: number): boolean {
    const { changes } = this.#database
      .prepare(
        `DELETE FROM charges WHERE id IN (SELECT id FROM charges WHERE at_ms < ? ORDER BY at_ms LIMIT ${rowsPerPiece})`,
      )
      .run(chargesBeforeMs)
    if (changes > 0) return true
    const { oldest } = this.#database
      .prepare('SELECT MIN(quarter) AS oldest FROM spend WHERE quarter > 0')
      .get() as { oldest: number | null }
    const before = Math.min(Math.floor(nowMs / quarterMs) - keptQuarters, (oldest ?? 0) + quartersPerPiece)
    if (oldest === null || oldest >= before) return false
    this.#database
      .prepare(
        `INSERT INTO spend(scope, quarter, nano, tokens) SELECT scope, 0, SUM(nano), SUM(tokens) FROM spend
          WHERE quarter > 0 AND quarter < ? GROUP BY scope
          ON CONFLICT(scope, quarter) DO UPDATE SET nano = MIN(nano + excluded.nano, ${largest}),
          tokens = MIN(tokens + excluded.tokens, ${largest})`,
      )
      .run(before)
    this.#database.prepare('DELETE FROM spend WHERE quarter > 0 AND quarter < ?').run(before)
    return true
  }

  #charge(scope: number, { atMs, requestId, nano, tokens }: Amounts): void {
    this.#addCharge.run(atMs, scope, requestId, nano, tokens)
    this.#addSum.run(scope, Math.floor(atMs / quarterMs), nano, tokens)
  }

  #hold({ id, sinceMs, scopes, nano, tokens, promptTokens, call }: HeldSpending, nameOf: NameOf): void {
    const own = scopes.find(({ name }) => name !== totalScope)
    const total = scopes.find(({ name }) => name === totalScope)
    this.#putHold.run(
      this.#run,
      id,
      sinceMs,
      own === undefined ? null : this.#idOf(own),
      total === undefined ? null : this.#idOf(total),
      nano,
      tokens,
      promptTokens,
      call.requestId,
      nameOf('client', call.client),
      nameOf('key', call.key),
      nameOf('secret', call.secret),
      nameOf('via', call.via),
      nameOf('dialect', call.dialect),
      nameOf('model', call.model),
    )
  }

  /**
   * Makes the sums of the current windows what `balances` has, by further charges, which are below 0 where the file has
   * more. Windows come from the latest start on: what is charged at the start of one is in none of those before it.
   * @param of.revision of the balances. Undefined: they are later than all that the file has.
   * @param of.isComplete false: what the file has more stays.
   */
  complete(balances: readonly ScopeBalance[], { revision, nowMs, isComplete }: BalanceFacts): void {
    for (const { scope, windows } of balances) {
      const id = this.#idOf(scope)
      let latestMs = Infinity
      for (const [startMs, endMs, nano, tokens] of windows) {
        const has = this.#sumBetween.get(id, ...quartersOf(startMs, endMs)) as {
          nano: number
          tokens: number
        }
        const atMs = latestMs === Infinity ? Math.max(nowMs, startMs) : startMs
        // At the start of a shorter window, less would be too little there.
        const least = isComplete && startMs < latestMs ? -Infinity : 0
        const lacks = {
          nano: Math.max(least, nano - has.nano),
          tokens: Math.max(least, tokens - has.tokens),
        }
        if (lacks.nano !== 0 || lacks.tokens !== 0) {
          this.#charge(id, { atMs, requestId: noRequest, ...lacks })
        }
        latestMs = startMs
      }
    }
    this.#setRevision.run(revision ?? (this.revision ?? 0) + 1)
  }

  #idOf({ name, entry }: SpendScope): number {
    const found = this.#findScope.get(name) as { id: number; entry: string } | undefined
    if (found?.entry === entry) return found.id
    return (this.#addScope.get(name, entry) as { id: number }).id
  }
}

/** The name of the scope of all clients together. */
const totalScope = 'total'

type NameOf = (
  kind: 'client' | 'key' | 'secret' | 'via' | 'dialect' | 'model',
  name: string | undefined,
) => number | null

interface BalanceFacts {
  readonly revision: number | undefined
  readonly nowMs: number
  readonly isComplete: boolean
}

interface Amounts {
  readonly atMs: number
  readonly requestId: string
  readonly nano: number
  readonly tokens: number
}

interface DroppedHold {
  readonly charged: number
  readonly nano: number
  readonly tokens: number
}

interface HoldRow {
  readonly scope: number | null
  readonly total: number | null
  readonly request_id: string
  readonly nano: number
  readonly tokens: number
  readonly prompt: number
  readonly client_name: string
  readonly key_name: string | null
  readonly secret_name: string | null
  readonly via_name: string | null
  readonly dialect_name: string
  readonly model_name: string | null
  readonly scope_name: string | null
}
