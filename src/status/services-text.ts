// Model servers as text: `llm-gateway status`, `llm-gateway services`, and calls that wait for one.
import { durationText } from '../platform/duration.ts'
import type { ServiceTurn } from './open-call.ts'
import type { ServiceRow } from './status-report.ts'

export const serviceHeads = [
  'provider',
  'state',
  'since',
  'calls',
  'waiting',
  'memory',
  'last start',
  'group',
  'unit',
]

/** A service as cells of a table. @param nowMs milliseconds since 1970, for ages. */
export function serviceCells(each: ServiceRow, nowMs: number): string[] {
  return [
    each.provider,
    each.state,
    ago(each.since, nowMs),
    `${each.calls}`,
    `${each.waiting}`,
    memoryText(each.memory_bytes),
    each.last_start_ms === null ? '-' : durationText(each.last_start_ms),
    each.group ?? '-',
    each.unit,
  ]
}

/** All that is known of a service: names and values. */
export function serviceFacts(each: ServiceRow, nowMs: number): (readonly [string, string])[] {
  const { starts, failures, stops } = each
  const failure = failureText(each, nowMs)
  return [
    ['service', each.provider],
    ['unit', each.unit],
    ['group', each.group ?? '-'],
    ['state', `${each.state} for ${durationText(nowMs - Date.parse(each.since))}`],
    ...(failure === undefined ? [] : [['failure', failure] as const]),
    ['calls', `${each.calls} under way, ${each.waiting} waiting`],
    ['memory', memoryText(each.memory_bytes)],
    ['last start', each.last_start_ms === null ? '-' : durationText(each.last_start_ms)],
    ['by this gateway', `${starts} started (${failures} failed), ${stops} stopped`],
  ]
}

/** Why, in words. @param probe absent in the answer of an older gateway. */
export function failureReason({ failure, probe }: Pick<ServiceRow, 'failure' | 'probe'>): string {
  const reason = resultText(failure ?? '')
  return (probe ?? null) === null ? reason : `${reason}: the last request to its ready path got ${probe}`
}

/** Why a service has failed that has not been ready since. Undefined: it has not. */
export function failureText(
  { state, failure, probe, retry_at }: ServiceRow,
  nowMs: number,
): string | undefined {
  if (failure === null) return undefined
  const inMs = retry_at === null ? 0 : Date.parse(retry_at) - nowMs
  const again = inMs > 0 ? `calls start it again in ${durationText(inMs)}` : 'the next call starts it again'
  return `${failureReason({ failure, probe })}${state === 'failed' ? `; ${again}` : ''}`
}

/** In powers of 1024, as the service manager has them: `850.0M`, `4.2G`. */
function memoryText(bytes: number | null): string {
  if (bytes === null) return '-'
  const gibibytes = bytes / 2 ** 30
  return gibibytes < 1 ? `${(bytes / 2 ** 20).toFixed(1)}M` : `${gibibytes.toFixed(1)}G`
}

function ago(iso: string, nowMs: number): string {
  return `${durationText(nowMs - Date.parse(iso))} ago`
}

/** Nothing of the unit has run in a start that ends so: what its journal has is of earlier ones. */
const beforeItsRun: ReadonlySet<string> = new Set([
  'bad-setting',
  'busy',
  'configuration',
  'configuration-changed',
  'masked',
  'not-found',
  'not-permitted',
  'same-unit',
  'starter-unreachable',
])

/** Whether the journal of the unit can have the cause. @param failure a result, which words may follow after a colon. */
export function isInJournal(failure: string): boolean {
  return !beforeItsRun.has(failure.split(':', 1)[0] ?? '')
}

/** Where the word alone does not show what to do. */
const sentences: Readonly<Record<string, string>> = {
  'configuration-changed': 'the configuration file has changed: reload the gateway',
}

/** @param result as `NotStarted.result` has it. */
export function resultText(result: string): string {
  return sentences[result] ?? result
}

/** What a call waits for in the phase `starting`: `qwen to start`, `its turn in gpu0 (gemma runs)`. */
export function startWaitText({
  provider,
  turn,
}: {
  readonly provider: string | null
  /** Absent in the answer of an older gateway. */
  readonly turn?: ServiceTurn | null | undefined
}): string {
  if (!turn) return `waiting for ${provider ?? 'its server'} to start`
  const { group, running: names } = turn
  return `waiting for its turn in ${group} (${names.join(', ')} ${names.length > 1 ? 'run' : 'runs'})`
}
