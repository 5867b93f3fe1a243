// All calls of a run with keys together: against what the keys allowed, against the log and the ledger, and where texts of keys
// stand that should not.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { verifyLedger } from '../../../src/ledger/verify.ts'
import { findKey } from '../../support/key-forms.ts'
import { keyErrors } from '../judge.ts'
import { faultOfLine } from '../records.ts'
import { keyNames, purses } from './key-desk.ts'
import { type Fate, fatesOf, mayUse, versionsDuring } from './key-history.ts'
import { type KeyedCall, type KeysWorld, lanesOfKey } from './keys-world.ts'
import { faultOfOvershoot, faultsOfCharges, faultsOfSpend, readCharges, readRows } from './spend.ts'

/** @returns calls with a key by what became of them. */
export function judgeKeys(world: KeysWorld): ReadonlyMap<string, number> {
  const { calls, lives, accuse } = world
  const fates = new Map<string, number>()
  for (const each of calls) {
    const fate = fateIn(each)
    const fault = fate && faultOfFate(world, each, fate)
    if (fault !== undefined) accuse(`${each.call.id} ${fault}`)
    if (each.held !== undefined) fates.set(fate ?? 'unknown', (fates.get(fate ?? 'unknown') ?? 0) + 1)
    const ofLine = faultOfLogged(world, each, fate)
    if (ofLine !== undefined) accuse(`${each.call.id} ${ofLine}`)
  }
  for (const { log } of lives.all) for (const fault of log.faults) accuse(fault)
  for (const fault of faultsOfStores(world)) accuse(fault)
  for (const fault of faultsOfTexts(world)) accuse(fault)
  return fates
}

function faultOfFate({ desk }: KeysWorld, each: KeyedCall, fate: Fate): string | undefined {
  const { call, held, life, verdict, sentAtMs, endedAtMs } = each
  if (held === undefined) {
    const expected = life.isKeyRequired ? 'key_required' : 'served'
    return fate === expected ? undefined : `without a key was ${fate} and not ${expected}`
  }
  const span = { fromMs: sentAtMs, toMs: endedAtMs }
  const possible = fatesOf(desk.versions, held, call.model, span)
  if (!possible.has(fate)) return `of ${held.name} was ${fate}, and may be ${[...possible].join(' or ')}`
  const hasRunOut = 'code' in verdict && verdict.code === 'budget_exceeded'
  return hasRunOut && !purses[held.name].runsOut ? `of ${held.name} has run out of its budget` : undefined
}

/** A refusal by the key has no line of its own, and of a process that was killed the last lines may lack. */
function faultOfLogged({ desk }: KeysWorld, each: KeyedCall, fate: Fate | undefined): string | undefined {
  const { call, held, life, sentAtMs, endedAtMs } = each
  const lines = life.log.calls.get(call.id)
  const span = { fromMs: sentAtMs, toMs: endedAtMs }
  if (held !== undefined && lines?.[0]?.fallback === true) {
    const mayFallBack = versionsDuring(desk.versions, span).some(({ keys }) =>
      keys.some(({ name, terms }) => name === held.name && mayUse(terms.models, 'queue')),
    )
    if (!mayFallBack) return `of ${held.name} fell back to a model that its key may not use`
  }
  const hasLine = fate === 'served' || fate === 'model_not_allowed' || fate === 'key_revoked'
  const isWholeLife = life.endedBy === 'SIGTERM' && life.endingAtMs! > endedAtMs
  return hasLine && isWholeLife ? faultOfLine(each, lines) : undefined
}

function* faultsOfStores({ desk, lives, spend, connections }: KeysWorld): Generator<string> {
  const path = join(lives.stateDirectory, 'usage.db')
  const database = new DatabaseSync(path, { readOnly: true })
  const { damages, wrongSums } = verifyLedger(database)
  database.close()
  if (damages.length > 0) yield `the ledger is damaged: ${damages.join('; ')}`
  if (wrongSums > 0) yield `${wrongSums} sums of the ledger differ from its rows`
  const records = desk.versions.flatMap(({ keys }) => keys)
  const recordOf = new Map(records.flatMap(({ id, secrets }) => secrets.map((secret) => [secret.id, id])))
  const rows = readRows(path, recordOf)
  const ids = Map.groupBy(rows, ({ requestId }) => requestId)
  for (const [id, { length }] of ids) if (length > 1) yield `${id} has ${length} rows in the ledger`
  let unrecorded = connections
  for (const { log, endedBy } of lives.all) {
    for (const [id, lines] of log.calls) {
      if (ids.has(id) || !lines.some(({ isCall }) => isCall)) continue
      if (endedBy === 'SIGTERM') yield `${id} has a line in the log and no row in the ledger`
      unrecorded += 1
    }
  }
  const charges = readCharges(path)
  yield* faultsOfCharges(rows, charges)
  yield* faultsOfSpend(spend, charges, unrecorded)
  for (const name of keyNames) {
    if (!purses[name].runsOut) continue
    const unit = name === 'dollars' ? 'nano' : 'tokens'
    const limit = desk.limits[name] * (unit === 'nano' ? 1e9 : 1)
    // A client that has left calls again before the gateway knows it.
    const atOnce = 2 * lanesOfKey(connections)
    for (const id of new Set(records.filter((each) => each.name === name).map((each) => each.id))) {
      const fault = faultOfOvershoot(rows, `key:${id}`, { unit, limit, atOnce })
      if (fault !== undefined) yield `${name}: ${fault}`
    }
  }
}

/** In the log, and in every file of the gateway. */
function* faultsOfTexts({ desk, lives }: KeysWorld): Generator<string> {
  const files = readdirSync(lives.home, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  const texts = [...Object.values(desk.texts).flat(), desk.masterText]
  const places = [
    ['the log', lives.log] as const,
    ...files.map((file) => [file, readFileSync(file, 'latin1')] as const),
  ]
  for (const [place, content] of places) {
    for (const text of texts) {
      const forms = findKey(content, text)
      if (forms.length > 0) yield `${place} has of a key: ${forms.join(', ')}`
    }
  }
}

/** What became of a call by its key; undefined: its client cannot know. */
export function fateIn({
  wire,
  verdict,
  call,
}: Pick<KeyedCall, 'wire' | 'verdict' | 'call'>): Fate | undefined {
  if (verdict.end === 'left') {
    const status = wire.message?.startLine.split(' ')[1]
    if (status === '200') return 'served'
    const code = wire.message?.header('x-llm-gateway-error')
    return code !== undefined && isFate(code) ? code : undefined
  }
  if (verdict.end === 'gateway_error' && isFate(verdict.code)) return verdict.code
  // A stream of Messages has the type of the error only.
  if (
    verdict.end === 'stream_broken' &&
    call.dialect === 'messages' &&
    verdict.code === 'authentication_error'
  )
    return 'key_revoked'
  if (verdict.end === 'stream_broken' && isFate(verdict.code)) return verdict.code
  return 'served'
}

/** A budget that has run out is a fate of a key that is served. */
function isFate(code: string): code is Exclude<Fate, 'served'> {
  return keyErrors[code] !== undefined && code !== 'budget_exceeded'
}
