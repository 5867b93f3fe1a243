// What was spent of the budgets against the ledger: its charges, and the rows of its calls. Pure but for the reading. Amounts are whole nano-USD and tokens.
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

/** A process of the gateway, and what it left. */
export interface LifeSpend {
  readonly life: Pick<Life, 'startedAtMs' | 'endedAtMs' | 'endedBy'>
  readonly closing: SavedSpend
}

/** What was spent of one scope by one call, or what a start has corrected. */
export interface SpentCharge extends Amounts {
  /** Empty: a correction. */
  readonly requestId: string
  readonly atMs: number
  readonly scope: string
}

/** A call that has ended. What it cost is 0 where nobody knows it, and then it is not priced. */
export interface SpentRow extends Amounts {
  readonly isPriced: boolean
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

/** Calls that have ended, so that nothing of them is an estimate of the next start. @param recordOf secret → the id of its key. @param path of the ledger of a gateway that has stopped. */
export function readRows(path: string, recordOf: ReadonlyMap<string, string>): SpentRow[] {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const rows = database
      .prepare(
        `SELECT request_id AS id, ended_ms AS endedMs, cost_nano AS nano, prompt + completion AS tokens, name AS secret
        FROM calls LEFT JOIN names ON names.id = calls.secret WHERE status > 0`,
      )
      .all()
    return rows.map(({ id, endedMs, nano, tokens, secret }) => ({
      requestId: String(id),
      endedMs: Number(endedMs),
      nano: Number(nano ?? 0),
      isPriced: nano !== null,
      tokens: Number(tokens),
      scope: secret === null ? undefined : `key:${recordOf.get(String(secret))}`,
    }))
  } finally {
    database.close()
  }
}

/** @param path of the ledger of a gateway that has stopped. */
export function readCharges(path: string): SpentCharge[] {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const charges = database
      .prepare(
        `SELECT at_ms AS atMs, request_id AS requestId, nano, tokens, name AS scope
        FROM charges JOIN scopes ON scopes.id = charges.scope`,
      )
      .all()
    return charges.map((charge) => ({ ...charge }) as unknown as SpentCharge)
  } finally {
    database.close()
  }
}

/** Each call is charged what its row has, of its key and of all together: in one charge, or one for each model that it tried. */
export function* faultsOfCharges(
  rows: readonly SpentRow[],
  charges: readonly SpentCharge[],
): Generator<string> {
  const byCall = Map.groupBy(charges, ({ requestId }) => requestId)
  for (const { requestId, scope, nano, tokens, isPriced } of rows) {
    const ofCall = byCall.get(requestId) ?? []
    for (const name of scope === undefined ? ['total'] : [scope, 'total']) {
      const charge = sumOf(ofScope(ofCall, name))
      const isRight = charge.tokens === tokens && (charge.nano === nano || !isPriced)
      if (!isRight) {
        yield `${requestId} was charged ${charge.nano} nano and ${charge.tokens} tokens of ${name}, and its row has ${nano} and ${tokens}`
      }
    }
  }
}

/** What was spent just before the file was written may not be in it yet. */
const unsavedMs = 1_000

/**
 * What is spent must be the sum of the charges: exactly, where the process ended in order. A killed one may lack what came
 * after the last writing of either; the next start charges that, and corrects.
 * @param unrecorded how many calls may have ended without a charge.
 */
export function* faultsOfSpend(
  lives: readonly LifeSpend[],
  charges: readonly SpentCharge[],
  unrecorded: number,
): Generator<string> {
  const dearest = {
    nano: Math.max(0, ...charges.map(({ nano }) => nano)),
    tokens: Math.max(0, ...charges.map(({ tokens }) => tokens)),
  }
  for (const [index, { life, closing }] of lives.entries()) {
    const { endedAtMs = Infinity, endedBy } = life
    const all = charges.filter(({ atMs }) => atMs <= endedAtMs)
    const saved = all.filter(({ atMs }) => atMs < closing.atMs - unsavedMs)
    for (const [scope, after] of closing.spent) {
      const reserved = closing.reserved.get(scope) ?? none
      for (const unit of ['nano', 'tokens'] as const) {
        const spent = after[unit]
        const [most, least] = [sumOf(ofScope(all, scope))[unit], sumOf(ofScope(saved, scope))[unit]]
        const what = `after process ${index + 1} (${endedBy}) ${spent} ${unit} of ${scope} are spent`
        if (endedBy === 'SIGTERM' && spent !== most) yield `${what}, and its charges are ${most}`
        if (endedBy === 'SIGTERM' && reserved[unit] !== 0)
          yield `${what}, and ${reserved[unit]} still reserved`
        if (spent < least) yield `${what}, and its charges before the last writing are ${least}`
        if (spent > most + unrecorded * dearest[unit]) yield `${what}, and all its charges are ${most}`
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
  const amounts = ofScope(rows, scope).map((row) => row[unit])
  const spent = amounts.reduce((sum, amount) => sum + amount, 0)
  const under = amounts
    .toSorted((one, other) => other - one)
    .slice(0, atOnce)
    .reduce((sum, amount) => sum + amount, 0)
  if (spent <= limit + under) return undefined
  return `${scope} spent ${spent} ${unit} of ${limit}, and ${atOnce} of its calls at once took ${under} at most`
}

function ofScope<Each extends { readonly scope: string | undefined }>(all: readonly Each[], scope: string) {
  return all.filter((each) => each.scope === scope)
}

function sumOf(amounts: readonly Amounts[]): Amounts {
  let [nano, tokens] = [0, 0]
  for (const each of amounts) {
    nano += each.nano
    tokens += each.tokens
  }
  return { nano, tokens }
}
