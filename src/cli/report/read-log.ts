// What the gateway's own lines say, from the journal or a file.
import { isObject, type JsonObject, parseJson } from '../../bytes/json/parse.ts'
import { type JudgedCall, outcomeOf } from '../../observe/outcome.ts'
import type { AccessTally } from './access-tally.ts'
import type { CallTally, TalliedCall } from './call-tally.ts'
import { forEachLine } from './lines.ts'
import type { Span } from './period.ts'

/** What is counted of a period. */
interface Tallies {
  readonly calls: CallTally
  readonly access: AccessTally
}

/** A period, and what counts its lines. */
export interface SpanTallies extends Span, Tallies {}

export interface ReadLog {
  /** Lines of the gateway; others, such as those of the service manager about the unit, are not counted. */
  readonly lines: number
  /** Torn, changed or too long: what they said is not in the report. */
  readonly unreadable: number
  /** The time of the earliest line; undefined: there is none. */
  readonly earliestMs: number | undefined
  /** Before the gateway's first start there is no call: nothing of it is missing. */
  readonly beginsWithStart: boolean
}

/** @throws what the stream throws. */
export async function readLog(
  stream: AsyncIterable<Buffer>,
  spans: readonly SpanTallies[],
): Promise<ReadLog> {
  const read = {
    lines: 0,
    unreadable: 0,
    earliestMs: undefined as number | undefined,
    beginsWithStart: false,
  }
  let hasBegun = false
  await forEachLine(stream, (text) => {
    const line = text === undefined ? undefined : lineOf(text)
    if (line === 'foreign') return
    if (line === undefined) {
      read.unreadable += 1
      return
    }
    read.lines += 1
    read.earliestMs = Math.min(read.earliestMs ?? line.atMs, line.atMs)
    const isStart = line.facts['event'] === 'listening'
    if (isStart && !hasBegun) read.beginsWithStart = true
    if (isStart || line.facts['client'] !== undefined) hasBegun = true
    const span = spans.find(({ sinceMs, untilMs }) => sinceMs <= line.atMs && line.atMs < untilMs)
    if (span !== undefined) countLine(line, span)
  })
  return read
}

interface Line {
  readonly atMs: number
  readonly facts: JsonObject
}

/** Undefined: it should have been a line of the gateway. `foreign`: it is of another program. */
function lineOf(text: string): Line | 'foreign' | undefined {
  const json = text.replace(/^<\d>/, '')
  if (!json.startsWith('{')) return 'foreign'
  let facts = parseJson(json)
  // `journalctl -o json` has the line in a record.
  if (isObject(facts) && typeof facts['MESSAGE'] === 'string') {
    if (!facts['MESSAGE'].startsWith('{')) return 'foreign'
    facts = parseJson(facts['MESSAGE'])
  }
  if (!isObject(facts)) return undefined
  const atMs = typeof facts['time'] === 'string' ? Date.parse(facts['time']) : NaN
  return Number.isNaN(atMs) || typeof facts['event'] !== 'string' ? 'foreign' : { atMs, facts }
}

function countLine({ atMs, facts }: Line, { calls, access }: Tallies): void {
  const event = text(facts['event']) ?? ''
  if (typeof facts['duration_ms'] === 'number' && typeof facts['attempts'] === 'number') {
    calls.add(callOf(facts, atMs))
    return
  }
  if (typeof facts['method'] === 'string' || typeof facts['status'] === 'number') {
    const unlogged = number(facts['unlogged']) ?? 0
    if (typeof facts['client'] === 'string') {
      access.refuse(event, facts['client'], atMs, 1 + Math.max(0, unlogged))
    }
    return
  }
  const { level } = facts
  if (level === 'ERROR' || level === 'WARN') {
    const reason = text(facts['reason']) ?? text(facts['message']) ?? text(facts['detail'])
    access.trouble({ event, level, atMs, reason })
  }
  countEvent({ event, facts, atMs, access })
}

function callOf(facts: JsonObject, atMs: number): TalliedCall {
  const model = text(facts['model'])
  return {
    atMs,
    client: text(facts['client']) ?? '-',
    model,
    fallback: text(facts['fallback_model']),
    provider: text(facts['provider']),
    outcome: outcomeOf(judgedCall(facts)),
    code: text(facts['code']) ?? text(facts['provider_code']),
    reason: text(facts['reason']),
    isStream: facts['stream'] === true,
    waitMs: (number(facts['wait_ms']) ?? 0) - (number(facts['start_ms']) ?? 0),
    firstMs: number(facts['first_token_ms']) ?? number(facts['first_byte_ms']),
    durationMs: number(facts['duration_ms']) ?? 0,
    outputTokens: number(facts['completion_tokens']) ?? 0,
  }
}

/** A line may have been changed: members of other types count as absent. */
function judgedCall(facts: JsonObject): JudgedCall {
  const known = {
    status: number(facts['status']) ?? 500,
    code: text(facts['code']) ?? undefined,
    trouble: text(facts['trouble']) ?? undefined,
    provider_status: number(facts['provider_status']) ?? undefined,
  }
  return known as JudgedCall
}

function countEvent({
  event,
  facts,
  atMs,
  access,
}: {
  readonly event: string
  readonly facts: JsonObject
  readonly atMs: number
  readonly access: AccessTally
}): void {
  const change = (detail: string) => access.change({ atMs, event, detail })
  switch (event) {
    case 'listening':
      return change(text(facts['config']) ?? '')
    case 'reloaded':
      return change(reloadText(facts))
    case 'reload_refused':
      access.reloadsRefused.add('configuration', atMs)
      return change(listText(facts['problems']))
    case 'keys_loaded':
      return change(`generation ${number(facts['generation']) ?? '-'}, ${number(facts['keys']) ?? '-'} keys`)
    case 'stopped':
      return change('')
    case 'worker_ended':
      access.workerEnds.add('workers', atMs)
      return change(text(facts['reason']) ?? '')
    case 'peer_users_unreadable':
      access.peersUnreadable.add('peers', atMs)
      return change(text(facts['reason']) ?? '')
    case 'budget_exhausted':
      return access.budgetsSpent.add(budgetText(facts), atMs)
    case 'budget_nearly_spent':
      return access.budgetsNearlySpent.add(budgetText(facts), atMs)
    default:
  }
}

function reloadText(facts: JsonObject): string {
  const restart = listText(facts['needs_restart'])
  return restart === '' ? (text(facts['config']) ?? '') : `a restart applies ${restart}`
}

function budgetText(facts: JsonObject): string {
  return `${text(facts['scope']) ?? '-'} ${text(facts['budget']) ?? ''}`.trim()
}

/** Of members that are text, or lists of it; at most three of them. */
function listText(value: unknown): string {
  const texts = Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []
  const more = texts.length > 3 ? ` and ${texts.length - 3} more` : ''
  return texts.slice(0, 3).join('; ') + more
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}
