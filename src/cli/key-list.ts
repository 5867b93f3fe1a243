// `llm-gateway key list` and `key show NAME`: what each key may use, and its state. The keys themselves are nowhere.
import type { KeyRecord } from '../clients/keys/key-record.ts'
import type { BudgetState } from '../admission/budget.ts'
import { printable } from '../platform/printable.ts'
import { askControl } from './control-client.ts'
import { fail, findKey, type KeyParts, readPlace, usageStatus } from './key-command.ts'
import {
  keyJson,
  lastUseText,
  limitsText,
  modelsText,
  momentText,
  stateOf,
  todayText,
} from './key-description.ts'
import { readSpending, shortSpendingText, spendingJson, spendingText } from './key-spending.ts'
import { nameFault } from './key-options.ts'
import { describeForce } from './key-force.ts'
import { type KeyUsage, readKeyUsage } from './key-usage.ts'
import { describeSharedKeys } from './key-sharing.ts'
import { findGateway, reportedKeys } from './key-place.ts'
import { type CommandIo, counted, Output } from './output.ts'
import { printTable } from './table.ts'

export interface ListOptions {
  readonly config: string | undefined
  readonly json: boolean
}

/** @returns the exit status: 0, or 1 when the key file cannot be read. */
export async function keyListCommand(
  io: CommandIo,
  { wallNow, accounts }: KeyParts,
  { config, json }: ListOptions,
): Promise<number> {
  const read = readPlace(io, config, accounts)
  if ('messages' in read) return fail(io, read.messages)
  const { place, keys, generation } = read
  const nowMs = wallNow()
  const usage = await readKeyUsage({ env: io.env, configFile: place.configFile }, nowMs)
  const out = new Output(io.stdout, io.env)
  const gateway = findGateway(place, io.env)
  const { of: spending, by: spendingBy, note } = await readSpending(place, keys, { env: io.env, wallNow })
  const shared =
    place.sharedKeys === undefined
      ? undefined
      : await askControl(io.env, 'GET /-/keys/shared', place.configFile)
  const signed = shared?.kind === 'answered' ? shared.body : undefined
  if (json) {
    const inForce = gateway === undefined ? undefined : reportedKeys(gateway)?.generation
    out.json({
      file: place.path,
      mode: place.mode,
      generation,
      generation_in_force: inForce ?? null,
      ...(spendingBy !== undefined && { spending_by: spendingBy }),
      ...(signed && { publisher: signed['publisher'], signed_at: signed['signed_at'] }),
      keys: keys.map((key) => ({
        ...keyJson(key, nowMs, usage),
        ...(spending && { spending: spending(key).map(spendingJson) }),
      })),
    })
    return 0
  }
  if (keys.length === 0) {
    out.line(printable(`There are no keys in ${place.path}.`))
    return 0
  }
  const hasBudgets = spending !== undefined && keys.some(({ terms }) => terms.budgets.length > 0)
  const hasNotes = keys.some(({ note }) => note !== '')
  const rows = keys.map((key) => [
    key.name,
    stateOf(key, nowMs),
    modelsText(key),
    limitsText(key) || '-',
    key.expiresMs === undefined ? 'never' : momentText(key.expiresMs),
    ...(usage === undefined ? [] : [lastUseText(usage, key), todayText(usage, key)]),
    ...(hasBudgets ? [spending(key).map(shortSpendingText).join(', ') || '-'] : []),
    ...(hasNotes ? [key.note] : []),
  ])
  const used = usage === undefined ? [] : ['last used', 'today']
  const spent = hasBudgets ? ['spent'] : []
  const head = [
    'name',
    'state',
    'models',
    'limits',
    'expires',
    ...used,
    ...spent,
    ...(hasNotes ? ['note'] : []),
  ]
  printTable(out, { head, rows: rows.map((row) => row.map(printable)) })
  out.line()
  out.line(`${counted(keys.length, 'key')}; ${describeForce(place, generation, io.env).text}`)
  if (hasBudgets && note !== undefined) out.line(note)
  if (signed !== undefined) out.line(`Shared with other machines: ${describeSharedKeys(signed)}.`)
  return 0
}

/** @returns the exit status: 0, or 1 when there is no such key. */
export async function keyShowCommand(
  io: CommandIo,
  { wallNow, accounts }: KeyParts,
  name: string,
  { config, json }: ListOptions,
): Promise<number> {
  const fault = nameFault(name)
  if (fault !== undefined) return fail(io, fault, usageStatus)
  const read = readPlace(io, config, accounts)
  if ('messages' in read) return fail(io, read.messages)
  const found = findKey(read.keys, name)
  if ('message' in found) return fail(io, found.message)
  const nowMs = wallNow()
  const usage = await readKeyUsage({ env: io.env, configFile: read.place.configFile }, nowMs)
  const out = new Output(io.stdout, io.env)
  const spending = await readSpending(read.place, [found.key], { env: io.env, wallNow })
  const spent = spending.of?.(found.key) ?? []
  const ofBudgets = spending.of && {
    spending: spent.map(spendingJson),
    ...(spending.by !== undefined && { spending_by: spending.by }),
  }
  if (json) out.json({ ...keyJson(found.key, nowMs, usage), ...ofBudgets })
  else for (const line of linesOf(found.key, nowMs, { usage, spent })) out.line(printable(line))
  if (json) return 0
  if (spent.length > 0 && spending.note !== undefined) out.line(spending.note)
  out.line(describeForce(read.place, read.generation, io.env).text)
  return 0
}

interface Used {
  readonly usage: KeyUsage | undefined
  readonly spent: readonly BudgetState[]
}

function linesOf(key: KeyRecord, nowMs: number, { usage, spent }: Used): string[] {
  const rows: (readonly [string, string])[] = [
    ['name', key.name],
    ['id', key.id],
    ['role', key.role],
    ['state', stateOf(key, nowMs)],
    ['models', modelsText(key)],
    ['limits', limitsText(key) || 'none'],
    ...spent.map((each) => ['spent', spendingText(each)] as const),
    ['boundary', key.terms.boundary ?? ''],
    ['other routes', key.terms.routes === true ? 'yes' : 'no'],
    ['valid from', key.notBeforeMs === undefined ? '' : momentText(key.notBeforeMs)],
    ['expires', key.expiresMs === undefined ? 'never' : momentText(key.expiresMs)],
    ...key.secrets.map(({ id, createdMs, untilMs }) => {
      const until = untilMs === undefined ? '' : `, until ${momentText(untilMs)}`
      return ['secret', `${id}, created ${momentText(createdMs)}${until}${usesText(usage, id)}`] as const
    }),
    ['today', usage === undefined ? '' : todayText(usage, key)],
    ['note', key.note],
  ]
  return rows.filter(([, value]) => value !== '').map(([title, value]) => `${title.padEnd(14)}${value}`)
}

function usesText(usage: KeyUsage | undefined, secretId: string): string {
  if (usage === undefined) return ''
  const use = usage.uses.get(secretId)
  if (use === undefined) return ', never used'
  return `, first used ${momentText(use.firstMs)}, last used ${momentText(use.lastMs)}`
}
