// What was spent of the budgets against the rows of the ledger. Pure but for the reading. Amounts are whole nano-USD and tokens.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { readBudgetsFile } from '../../../src/admission/budgets-file.ts'
import type { Life } from './lives.ts'

export interface Amounts {
  readonly nano: number
  readonly tokens: number
}

const none: Amounts = { nano: 0, tokens: 0 }

/** By scope: `key:ID`, `total`. */
export type Spend = ReadonlyMap<string, Amounts>

/** What a gateway has left behind. */
export interface SavedSpend {
  /** When it was written, in milliseconds since 1970. */
  readonly atMs: number
  readonly spent: Spend
  /** By calls that were under way. */
  readonly reserved: Spend
}

/** A process of the gateway, from what it found to what it left. */
export interface LifeSpend {
  readonly life: Pick<Life, 'startedAtMs' | 'endedAtMs' | 'endedBy'>
  readonly opening: Spend
  readonly closing: SavedSpend
}

export interface SpentRow extends Amounts {
  readonly requestId: string
  readonly endedMs: number
  /** `key:ID` of the record that the call's key belongs to; undefined: there was none. */
  readonly scope: string | undefined
}

export async function readSaved(stateDirectory: string): Promise<SavedSpend> {
  const path = join(stateDirectory, 'budgets.json')
  const saved = await readBudgetsFile(path)
  if (saved === undefined) return { atMs: 0, spent: new Map(), reserved: new Map() }
  if (typeof saved === 'string') throw new Error(`${path}: ${saved}`)
  const spent = new Map<string, Amounts>()
  for (const { name, windows } of saved.accounts) {
    const total = windows.find(([per]) => per === 'total')
    if (total !== undefined) spent.set(name, { nano: total[2], tokens: total[3] })
  }
  const reserved = new Map(saved.accounts.map(({ name, nano, tokens }) => [name, { nano, tokens }]))
  return { atMs: statSync(path).mtimeMs, spent, reserved }
}

/** What the next process begins with: what calls under way had reserved counts as spent. */
export function openingAfter({ spent, reserved }: SavedSpend): Spend {
  const names = new Set([...spent.keys(), ...reserved.keys()])
  return new Map(
    Array.from(names, (name) => [name, sumOf([spent.get(name) ?? none, reserved.get(name) ?? none])]),
  )
}

/** @param recordOf secret → the id of its key. @param path of the ledger of a gateway that has stopped. */
export function readRows(path: string, recordOf: ReadonlyMap<string, string>): SpentRow[] {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const rows = database
      .prepare(
        `SELECT request_id AS id, ended_ms AS endedMs, cost_nano AS nano, prompt + completion AS tokens, name AS secret
        FROM calls LEFT JOIN names ON names.id = calls.secret`,
      )
      .all()
    return rows.map(({ id, endedMs, nano, tokens, secret }) => ({
      requestId: String(id),
      endedMs: Number(endedMs),
      nano: Number(nano ?? 0),
      tokens: Number(tokens),
      scope: secret === null ? undefined : `key:${recordOf.get(String(secret))}`,
    }))
  } finally {
    database.close()
  }
}

/** What was spent just before the file was written may not be in it yet. */
const unsavedMs = 1_000

/**
 * What a process has spent must be the sum of the rows of its calls: exactly, where it ended in order. A killed one may lack
 * what came after the last writing of either.
 * @param unrecordedRows how many calls may have ended without a row.
 */
export function* faultsOfSpend(
  lives: readonly LifeSpend[],
  rows: readonly SpentRow[],
  unrecordedRows: number,
): Generator<string> {
  const dearest = {
    nano: Math.max(0, ...rows.map(({ nano }) => nano)),
    tokens: Math.max(0, ...rows.map(({ tokens }) => tokens)),
  }
  for (const [index, { life, opening, closing }] of lives.entries()) {
    const { startedAtMs, endedAtMs = Infinity, endedBy } = life
    const own = rows.filter(({ endedMs }) => endedMs >= startedAtMs && endedMs <= endedAtMs)
    const saved = own.filter(({ endedMs }) => endedMs < closing.atMs - unsavedMs)
    for (const scope of new Set([...opening.keys(), ...closing.spent.keys()])) {
      const before = opening.get(scope) ?? none
      const after = closing.spent.get(scope) ?? none
      const reserved = closing.reserved.get(scope) ?? none
      for (const unit of ['nano', 'tokens'] as const) {
        const spent = after[unit] - before[unit]
        const least = sumOf(rowsOf(saved, scope))[unit]
        const all = sumOf(rowsOf(own, scope))[unit]
        const what = `process ${index + 1} (${endedBy}) spent ${spent} ${unit} of ${scope}`
        if (endedBy === 'SIGTERM' && spent !== all) yield `${what}, and its rows are ${all}`
        if (endedBy === 'SIGTERM' && reserved[unit] !== 0)
          yield `${what}, and still has ${reserved[unit]} reserved`
        if (spent < least) yield `${what}, and its rows before the last writing are ${least}`
        if (spent > all + unrecordedRows * dearest[unit]) yield `${what}, and all its rows are ${all}`
      }
    }
  }
}

/**
 * A budget may be exceeded only by what calls under way took beyond their reservations, which is less than those calls cost.
 * @param limit of all that was ever allowed. @param atOnce calls of the key under way at the same time.
 */
export function faultOfOvershoot(
  rows: readonly SpentRow[],
  scope: string,
  { unit, limit, atOnce }: { readonly unit: keyof Amounts; readonly limit: number; readonly atOnce: number },
): string | undefined {
  const amounts = rowsOf(rows, scope).map((row) => row[unit])
  const spent = amounts.reduce((sum, amount) => sum + amount, 0)
  const under = amounts
    .toSorted((one, other) => other - one)
    .slice(0, atOnce)
    .reduce((sum, amount) => sum + amount, 0)
  if (spent <= limit + under) return undefined
  return `${scope} spent ${spent} ${unit} of ${limit}, and ${atOnce} of its calls at once took ${under} at most`
}

function rowsOf(rows: readonly SpentRow[], scope: string): readonly SpentRow[] {
  return scope === 'total' ? rows : rows.filter((row) => row.scope === scope)
}

function sumOf(amounts: readonly Amounts[]): Amounts {
  let [nano, tokens] = [0, 0]
  for (const each of amounts) {
    nano += each.nano
    tokens += each.tokens
  }
  return { nano, tokens }
}
