// Calls in the ledger: their rows, the sums of these in quarters of an hour, and what goes with them (prices, uses of secrets,
// digests). All of it is written within transactions of the ledger's file.
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { CallDigests } from './call-digests.ts'
import { type Cell, column, rowWidth } from './call-row.ts'
import type { NameKind, Names } from './names.ts'
import type { SecretUse } from './secret-uses.ts'
import { type QuarterSum, QuarterSums, sumColumns } from './quarter-sums.ts'

const noTariff = '{}'
const maxKeptPrices = 10_000
/** Columns of `calls`; the price of a row is a row of its own. */
const callColumns = rowWidth - 1

/** Of the calls of one batch, by the number of the secret. */
type SecretUses = Map<number, SecretUse>

const sumOf = sumColumns.map((name) => `${name} = ${name} + excluded.${name}`).join(', ')

export class CallTables {
  readonly #names: Names
  readonly #digests: CallDigests
  readonly #insertCall: StatementSync
  readonly #addSum: StatementSync
  readonly #useSecret: StatementSync
  readonly #findPrice: StatementSync
  readonly #insertPrice: StatementSync
  readonly #prices = new Map<string, number>()

  constructor(database: DatabaseSync, names: Names, digests: CallDigests) {
    this.#names = names
    this.#digests = digests
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
    this.#findPrice = database.prepare('SELECT id FROM prices WHERE target = ? AND source = ? AND json = ?')
    this.#insertPrice = database.prepare(
      'INSERT INTO prices(since_ms, target, source, json) VALUES(?, ?, ?, ?)',
    )
  }

  /** @param lostSums of rows that are not kept. @throws what SQLite throws. */
  write(rows: readonly Cell[], lostSums: readonly QuarterSum[]): void {
    const sums = new QuarterSums()
    const uses: SecretUses = new Map()
    sums.addRows(rows)
    for (let at = 0; at < rows.length; at += rowWidth) this.#writeRow(rows, at, uses)
    for (const sum of lostSums) sums.add(sum)
    for (const sum of sums.values()) this.#writeSum(sum)
    for (const [secret, { firstMs, lastMs }] of uses) this.#useSecret.run(secret, firstMs, lastMs)
  }

  /** After a transaction that was rolled back, or when another process may have changed a price. */
  forget(): void {
    this.#prices.clear()
  }

  #writeRow(rows: readonly Cell[], at: number, uses: SecretUses): void {
    const cell = (offset: number) => rows[at + offset]!
    const name = (kind: NameKind, offset: number) => this.#names.idOrNull(kind, cell(offset) as string | null)
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
    if (secret !== null) {
      const { firstMs, lastMs } = uses.get(secret) ?? { firstMs: endedMs, lastMs: endedMs }
      uses.set(secret, { firstMs, lastMs: Math.max(lastMs, endedMs) })
    }
  }

  #writeSum({ quarter, key, client, model, provider, counts }: QuarterSum): void {
    this.#addSum.run(
      quarter,
      this.#names.idOrNull('key', key) ?? 0,
      this.#names.idOrNull('client', client) ?? 0,
      this.#names.idOrNull('model', model) ?? 0,
      this.#names.idOrNull('provider', provider) ?? 0,
      ...counts,
    )
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
}
