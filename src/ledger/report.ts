// What calls took, added up by what is asked for. Read from the sums of quarters where these know it, else from the rows.
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { type PeriodUnit, periodsOf } from './periods.ts'
import { failedSql, quarterMs } from './quarter-sums.ts'

const periodUnits = ['hour', 'day', 'month'] as const satisfies readonly PeriodUnit[]
/** What the sums tell apart. */
const sumDimensions = ['key', 'client', 'model', 'provider'] as const
/** What only rows of calls tell apart. */
const rowDimensions = ['secret', 'scope', 'via', 'target', 'dialect', 'code', 'status'] as const

export const dimensions = [...periodUnits, ...sumDimensions, ...rowDimensions] as const
export type Dimension = (typeof dimensions)[number]

export function isDimension(text: string): text is Dimension {
  return (dimensions as readonly string[]).includes(text)
}

export interface UsageQuestion {
  /** Each once; in the order of the answer's members. */
  readonly by: readonly Dimension[]
  /** Milliseconds since 1970, half open; widened to whole quarters of an hour. */
  readonly sinceMs: number
  readonly untilMs: number
  /** The name of a time zone: of `hour`, `day` and `month`. */
  readonly zone: string
  /** Only calls of this client, or of this key. Undefined: of all. */
  readonly client?: string | undefined
  readonly key?: string | undefined
}

export interface UsageCounts {
  readonly calls: number
  /** Answered with an error, or ended with one. Without those whose client left. */
  readonly failed: number
  readonly prompt_tokens: number
  readonly cached_tokens: number
  readonly cache_write_tokens: number
  readonly completion_tokens: number
  readonly reasoning_tokens: number
  /** In nano-USD: a whole number, of the calls that have a price. */
  readonly cost_nano: number
  /** Calls that took tokens and have no known price. */
  readonly unpriced: number
  /** Calls whose tokens were estimated. */
  readonly estimated: number
  /** Calls whose rows were lost; they are in all of these counts. */
  readonly lost: number
}

/** Reports of several machines are told apart by it, too. */
export type MergedDimension = Dimension | 'machine'

/** The dimensions that were asked for; null where a call has none. */
export type UsageRow = { readonly [D in MergedDimension]?: string | number | null } & UsageCounts

export interface UsageReport {
  /** Of the ledger: another file has another one, and a copy the same. */
  readonly ledgerId: string
  readonly sinceMs: number
  readonly untilMs: number
  readonly zone: string
  readonly rows: readonly UsageRow[]
  readonly total: UsageCounts
  /** There are more rows; the total counts them. */
  readonly isCut: boolean
}

/** More rows are for no person, and a program can ask for less. */
export const maxRows = 50_000

/** What exceeds exact numbers stays at their end: one that cannot be read would take all others with it. */
const costSum = `CAST(MIN(TOTAL(cost_nano), ${Number.MAX_SAFE_INTEGER}) AS INTEGER) AS cost_nano`

const sums = `SUM(calls) AS calls, SUM(failed) AS failed, SUM(prompt) AS prompt_tokens, SUM(cached) AS cached_tokens,
  SUM(cache_write) AS cache_write_tokens, SUM(completion) AS completion_tokens, SUM(reasoning) AS reasoning_tokens,
  ${costSum}, SUM(unpriced) AS unpriced, SUM(estimated) AS estimated, SUM(lost) AS lost`

const sumsOfRows = `COUNT(*) AS calls, SUM(${failedSql}) AS failed, SUM(prompt) AS prompt_tokens,
  SUM(cached) AS cached_tokens, SUM(cache_write) AS cache_write_tokens, SUM(completion) AS completion_tokens,
  SUM(reasoning) AS reasoning_tokens, ${costSum},
  SUM(cost_nano IS NULL AND prompt + completion > 0) AS unpriced, SUM(estimated) AS estimated, 0 AS lost`

/** A day's: grouping that many rows takes half the time for each that it takes for those of a quarter of a year. */
const quartersPerStatement = 96

/** Reads by short statements, so that the writer is never held up. @throws what SQLite throws. */
export function readReport(database: DatabaseSync, question: UsageQuestion): UsageReport {
  const { by, zone } = question
  const since = Math.floor(question.sinceMs / quarterMs)
  const until = Math.max(since, Math.ceil(question.untilMs / quarterMs))
  const fromRows = by.some((dimension) => (rowDimensions as readonly string[]).includes(dimension))
  const columns = by.filter((dimension) => !isPeriodUnit(dimension))
  const filter = filterOf(database, question)
  const times = fromRows ? 'ended_ms >= ? AND ended_ms < ?' : 'quarter >= ? AND quarter < ?'
  const scale = fromRows ? quarterMs : 1
  const statement = database.prepare(
    `SELECT ${[...columns, fromRows ? sumsOfRows : sums].join(', ')} FROM ${fromRows ? 'calls' : 'quarters'}
      WHERE ${[times, ...filter.conditions].join(' AND ')} ${columns.length > 0 ? `GROUP BY ${columns.join(', ')}` : ''}`,
  )
  const nameOf = nameReader(database)
  const unit = periodUnits.find((each) => by.includes(each))
  const recorded = recordedSpan(database, fromRows)
  const start = Math.max(since, recorded.start)
  const end = Math.max(start, Math.min(until, recorded.end))
  const periods = unit === undefined ? [{ label: '', start, end }] : periodsOf(start, end, zone, unit)
  const rows: UsageRow[] = []
  for (const period of periods) {
    const groups = new Map<string, Record<string, unknown>>()
    for (let from = period.start; from < period.end; from += quartersPerStatement) {
      const to = Math.min(period.end, from + quartersPerStatement)
      for (const found of statement.iterate(from * scale, to * scale, ...filter.values))
        addTo(groups, columns.map((column) => found[column] as number | null).join(), found)
    }
    for (const found of groups.values()) rows.push(rowOf(found, by, period.label, nameOf))
  }
  const sorted = rows.toSorted(comparing(by))
  return {
    ledgerId: database.prepare("SELECT value FROM meta WHERE name = 'id'").get()!['value'] as string,
    sinceMs: since * quarterMs,
    untilMs: until * quarterMs,
    zone,
    rows: sorted.slice(0, maxRows),
    total: totalOf(rows),
    isCut: rows.length > maxRows,
  }
}

/**
 * Reports of one span by several sets of dimensions. What the sums tell apart is read once, for all of these.
 * @throws what SQLite throws.
 */
export function readReports(
  database: DatabaseSync,
  span: Omit<UsageQuestion, 'by'>,
  sets: readonly (readonly Dimension[])[],
): UsageReport[] {
  const isOfSums = (by: readonly Dimension[]) =>
    by.every((dimension) => (sumDimensions as readonly string[]).includes(dimension))
  const all = sumDimensions.filter((dimension) => sets.some((by) => isOfSums(by) && by.includes(dimension)))
  const whole = readReport(database, { ...span, by: all })
  return sets.map((by) =>
    isOfSums(by) && !whole.isCut ? addedUp(whole, by) : readReport(database, { ...span, by }),
  )
}

/** By some of the dimensions of a report. */
function addedUp(report: UsageReport, by: readonly Dimension[]): UsageReport {
  const groups = new Map<string, Record<string, unknown>>()
  for (const row of report.rows) {
    const named = Object.fromEntries(by.map((dimension) => [dimension, row[dimension]]))
    addTo(groups, JSON.stringify(named), { ...named, ...countsOf(row as unknown as Record<string, unknown>) })
  }
  const rows = [...groups.values()] as unknown as UsageRow[]
  return { ...report, rows: rows.toSorted(comparing(by)) }
}

/**
 * In quarters, half open: what there is to read. Whoever asks about two centuries does not keep the writer waiting for it.
 * (Two questions, because SQLite answers either from the end of an index, and both at once from all of it.)
 */
function recordedSpan(database: DatabaseSync, fromRows: boolean): { start: number; end: number } {
  const [column, table] = fromRows ? ['ended_ms', 'calls'] : ['quarter', 'quarters']
  const edge = (of: 'MIN' | 'MAX') =>
    database.prepare(`SELECT ${of}(${column}) AS edge FROM ${table}`).get()?.['edge'] as number | null
  const [first, last] = [edge('MIN'), edge('MAX')]
  if (first === null || last === null) return { start: 0, end: 0 }
  const quarterOf = (edge: number) => Math.floor(edge / (fromRows ? quarterMs : 1))
  return { start: quarterOf(first), end: quarterOf(last) + 1 }
}

/** @param id of the group that what was found is added to. */
function addTo(
  groups: Map<string, Record<string, unknown>>,
  id: string,
  found: Record<string, unknown>,
): void {
  // Without groups there is a row also where there are no calls.
  if (!((found['calls'] as number | null) ?? 0)) return
  const group = groups.get(id)
  if (group === undefined) groups.set(id, found)
  else for (const name of countNames) group[name] = (group[name] as number) + (found[name] as number)
}

function isPeriodUnit(dimension: MergedDimension): dimension is PeriodUnit {
  return (periodUnits as readonly string[]).includes(dimension)
}

function filterOf(
  database: DatabaseSync,
  { client, key }: UsageQuestion,
): { readonly conditions: readonly string[]; readonly values: readonly SQLInputValue[] } {
  const find = database.prepare('SELECT id FROM names WHERE kind = ? AND name = ?')
  const wanted = Object.entries({ client, key }).filter(([, name]) => name !== undefined)
  return {
    conditions: wanted.map(([kind]) => `${kind} = ?`),
    // No call has the number -1.
    values: wanted.map(([kind, name]) => (find.get(kind, name!)?.['id'] as number | undefined) ?? -1),
  }
}

function nameReader(database: DatabaseSync): (id: number) => string | null {
  const find = database.prepare('SELECT name FROM names WHERE id = ?')
  const known = new Map<number, string | null>()
  return (id) => {
    const name = known.get(id)
    if (name !== undefined) return name
    const found = (find.get(id)?.['name'] as string | undefined) ?? null
    known.set(id, found)
    return found
  }
}

function rowOf(
  found: Record<string, unknown>,
  by: readonly Dimension[],
  label: string,
  nameOf: (id: number) => string | null,
): UsageRow {
  const dimensionsOf = by.map((dimension) => {
    if (isPeriodUnit(dimension)) return [dimension, label.slice(0, lengths[dimension])]
    const value = found[dimension] as number | null
    if (dimension === 'status') return [dimension, value]
    return [dimension, value === null || value === 0 ? null : nameOf(value)]
  })
  return { ...Object.fromEntries(dimensionsOf), ...countsOf(found) }
}

/** Of a label; the finest unit that was asked for has all of it. */
const lengths = { hour: undefined, day: 'yyyy-mm-dd'.length, month: 'yyyy-mm'.length } as const

const noCounts: UsageCounts = {
  calls: 0,
  failed: 0,
  prompt_tokens: 0,
  cached_tokens: 0,
  cache_write_tokens: 0,
  completion_tokens: 0,
  reasoning_tokens: 0,
  cost_nano: 0,
  unpriced: 0,
  estimated: 0,
  lost: 0,
}
export const countNames = Object.keys(noCounts) as (keyof UsageCounts)[]

function countsOf(found: Record<string, unknown>): UsageCounts {
  return Object.fromEntries(countNames.map((name) => [name, found[name]])) as unknown as UsageCounts
}

export function totalOf(rows: readonly UsageCounts[]): UsageCounts {
  const total: { -readonly [Name in keyof UsageCounts]: number } = { ...noCounts }
  for (const row of rows) for (const name of countNames) total[name] += row[name]
  return total
}

/** By period, then by cost, tokens and calls, the most first, then by name. */
export function comparing(by: readonly MergedDimension[]): (one: UsageRow, other: UsageRow) => number {
  const unit = periodUnits.find((each) => by.includes(each))
  const names = by.filter((dimension) => !isPeriodUnit(dimension))
  const tokens = (row: UsageRow) => row.prompt_tokens + row.completion_tokens
  const nameOf = (row: UsageRow) => names.map((name) => String(row[name] ?? '')).join('\n')
  return (one, other) => {
    const [first, second] = unit === undefined ? ['', ''] : [String(one[unit]), String(other[unit])]
    if (first.slice(0, 16) !== second.slice(0, 16)) return first < second ? -1 : 1
    const difference =
      other.cost_nano - one.cost_nano || tokens(other) - tokens(one) || other.calls - one.calls
    if (difference !== 0) return difference
    return nameOf(one) < nameOf(other) ? -1 : 1
  }
}
