// What people type after `--models`, `--rpm`, `--expires` and the like.
import { parseBudget } from '../clients/keys/key-budgets.ts'
import { isModelPattern, limitBounds, modelRule, namePattern, nameRule } from '../clients/keys/key-file.ts'
import { prefixPattern, secretLength } from '../clients/keys/key-format.ts'
import type { KeyRecord } from '../clients/keys/key-record.ts'
import type { Budget, ClientTerms } from '../domain.ts'
import { boundaries, type Boundary } from '../platform/boundary.ts'
import { parseDuration } from '../platform/duration.ts'
import { holdsKey } from './without-keys.ts'

/** The options of all commands, as typed. */
export interface TypedOptions {
  readonly models?: string
  readonly rpm?: string
  readonly tpm?: string
  readonly parallel?: string
  readonly budget?: readonly string[]
  readonly boundary?: string
  readonly routes?: boolean
  readonly expires?: string
  readonly notBefore?: string
  readonly note?: string
  readonly grace?: string
  readonly length?: string
  readonly prefix?: string
}

/** The same, read. Absent: not mentioned; null: without this limit. */
export interface KeyOptions {
  readonly models?: readonly string[] | null
  readonly rpm?: number | null
  readonly tpm?: number | null
  readonly parallel?: number | null
  readonly budgets?: readonly Budget[]
  readonly boundary?: Boundary | null
  readonly routes?: boolean
  /** Milliseconds since 1970. */
  readonly expiresMs?: number | null
  /** Milliseconds since 1970. */
  readonly notBeforeMs?: number | null
  readonly note?: string
  /** How long the secret before stays valid, in milliseconds. */
  readonly graceMs?: number
  /** Of the secret part. */
  readonly length?: number
  readonly prefix?: string
}

type Read<Value> = { readonly value: Value } | { readonly fault: string }

/** The fault names the option and what it takes. */
export function readOptions(typed: TypedOptions, nowMs: number): Read<KeyOptions> {
  const faults: string[] = []
  const read = <Value>(
    option: string,
    text: string | undefined,
    reader: (text: string) => Read<Value>,
  ): Value | undefined => {
    const result = text === undefined ? undefined : reader(text)
    if (result === undefined) return undefined
    if ('value' in result) return result.value
    faults.push(`--${option} ${result.fault}`)
    return undefined
  }
  const moment = (text: string) => readMoment(text, nowMs)
  // `none` stands alone: an empty list removes the budgets.
  const typedBudgets = typed.budget?.length === 1 && typed.budget[0] === 'none' ? [] : typed.budget
  const budgets = typedBudgets?.map((each) => read('budget', each, readBudget))
  const options = {
    models: read('models', typed.models, readModels),
    rpm: read('rpm', typed.rpm, (text) => readLimit(text, limitBounds.rpm)),
    tpm: read('tpm', typed.tpm, (text) => readLimit(text, limitBounds.tpm)),
    parallel: read('parallel', typed.parallel, (text) => readLimit(text, limitBounds.max_parallel_requests)),
    budgets: budgets?.filter((each) => each !== undefined),
    boundary: read('boundary', typed.boundary, readTypedBoundary),
    routes: typed.routes,
    expiresMs: read('expires', typed.expires, moment),
    notBeforeMs: read('not-before', typed.notBefore, moment),
    note: read('note', typed.note, readNote),
    graceMs: read('grace', typed.grace, readGrace),
    length: read('length', typed.length, readLength),
    prefix: read('prefix', typed.prefix, readPrefix),
  }
  if (faults.length > 0) return { fault: faults.join('; ') }
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return { value: Object.fromEntries(given) }
}

/** Why a text cannot be the name of a key. */
export function nameFault(name: string): string | undefined {
  if (holdsKey(name))
    return 'That is a key, not the name of one (key list has the names). Your shell may have recorded it: rotate it.'
  return namePattern.test(name) ? undefined : `The name of a key ${nameRule}.`
}

/** `a,b*`; `any` for every model. */
function readModels(text: string): Read<readonly string[] | null> {
  if (text === 'any') return { value: null }
  const models = text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
  if (models.length === 0) return { fault: 'must name at least one model, or any' }
  return models.every(isModelPattern) ? { value: models } : { fault: `: each ${modelRule}` }
}

/** `none` for no limit. */
function readLimit(text: string, most: number): Read<number | null> {
  if (text === 'none') return { value: null }
  const count = /^\d{1,15}$/.test(text) ? Number(text) : 0
  if (count >= 1 && count <= most) return { value: count }
  return { fault: `must be a whole number from 1 to ${most}, or none` }
}

function readBudget(text: string): Read<Budget> {
  const value = parseBudget(text)
  if (value !== undefined) return { value }
  return {
    fault: 'must be an amount and a period: 5usd/day, 20usd/month, 1000000tokens/total; or none alone',
  }
}

/** `any` for none. */
function readTypedBoundary(text: string): Read<Boundary | null> {
  const value = boundaries.find((each) => each === text)
  if (value === undefined) return { fault: 'must be local, private or any' }
  return { value: value === 'any' ? null : value }
}

/** A duration from now on, a date or a time in UTC; `never` for none. */
function readMoment(text: string, nowMs: number): Read<number | null> {
  if (text === 'never') return { value: null }
  const lasting = parseDuration(text)
  const value = lasting === undefined ? timeMs(text) : nowMs + lasting
  if (value !== undefined && value <= latestMs) return { value }
  return {
    fault:
      'must be a duration (90d, 12h, 2w), a date or a time in UTC (2027-01-31, 2027-01-31T18:00Z), or never',
  }
}

/** The end of the year 9999, which is the last that the key file can hold. */
const latestMs = 253_402_300_799_999

function readNote(text: string): Read<string> {
  return text.length <= 500 ? { value: text } : { fault: 'must be at most 500 characters' }
}

const maxGraceMs = 90 * 86_400_000

function readGrace(text: string): Read<number> {
  const value = text === '0' ? 0 : parseDuration(text)
  if (value !== undefined && value <= maxGraceMs) return { value }
  return {
    fault: 'must be a duration of at most 90 days (24h, 30m, 7d), or 0 to end the secret before at once',
  }
}

function readLength(text: string): Read<number> {
  const { least, most } = secretLength
  const value = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (value >= least && value <= most) return { value }
  return { fault: `must be a whole number from ${least} to ${most}` }
}

function readPrefix(text: string): Read<string> {
  if (prefixPattern.test(text)) return { value: text }
  return { fault: 'must be a lower-case letter, 1 to 7 lower-case letters or digits, and _' }
}

function timeMs(text: string): number | undefined {
  const isTime = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?Z)?$/.test(text)
  const ms = isTime ? Date.parse(text) : NaN
  // 30 February would be taken for 2 March.
  return Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(text.slice(0, 10)) ? undefined : ms
}

/** The record with what the options set. */
export function withTerms(key: KeyRecord, options: KeyOptions): KeyRecord {
  const { terms, notBeforeMs, expiresMs, ...rest } = key
  const next: ClientTerms = {
    name: key.name,
    models: options.models === undefined ? terms.models : (options.models ?? undefined),
    ...kept('rpm', options.rpm, terms.rpm),
    ...kept('tpm', options.tpm, terms.tpm),
    ...kept('maxParallelRequests', options.parallel, terms.maxParallelRequests),
    budgets: options.budgets ?? terms.budgets,
    ...kept('boundary', options.boundary, terms.boundary),
    ...kept('routes', options.routes, terms.routes),
  }
  return {
    ...rest,
    terms: next,
    ...kept('notBeforeMs', options.notBeforeMs, notBeforeMs),
    ...kept('expiresMs', options.expiresMs, expiresMs),
    note: options.note ?? key.note,
  }
}

/** The new value, else the old one; neither where the new one is null. */
function kept<Name extends string, Value>(
  name: Name,
  next: Value | null | undefined,
  old: Value | undefined,
): { readonly [name in Name]?: Value } {
  const value = next === undefined ? old : (next ?? undefined)
  return (value === undefined ? {} : { [name]: value }) as { readonly [name in Name]?: Value }
}
