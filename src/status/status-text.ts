// The report as text: `llm-gateway status`, and `GET /status` for clients that accept plain text only.
import { durationText } from '../platform/duration.ts'
import { calledName } from './called-name.ts'
import { dimensionWords, roomText } from './limit-words.ts'
import { outcomeText, wordsIn } from './outcome-words.ts'
import { providerText } from './providers-text.ts'
import { stateWords } from './state-words.ts'
import { usdText } from './usd-text.ts'
import type { StatusReport, UsageRow } from './status-report.ts'
import { failureText, serviceCells, serviceHeads, startWaitText } from './services-text.ts'
import { machineCells, machineHeads, storeNotes, storeText } from './shared-store-text.ts'
import { columns } from './text-columns.ts'

/** Of lists that go on. */
const shownCalls = 20
const shownFailures = 10

/** @returns lines without their ends. @param nowMs milliseconds since 1970, for ages. */
export function statusText(report: StatusReport, nowMs: number): string[] {
  return [
    head,
    failedCall,
    attention,
    openCalls,
    providers,
    services,
    limits,
    budgets,
    machines,
    failures,
    recentCalls,
    usage,
  ]
    .map((section) => section(report, nowMs))
    .filter((lines) => lines.length > 0)
    .flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]))
}

function head(report: StatusReport, nowMs: number): string[] {
  const { version, started_at, draining, config_file, workers, reload } = report
  const lines = [
    `llm-gateway ${version} ${draining ? 'finishes its last calls' : 'serves'}, started ${ago(started_at, nowMs)}`,
    `configuration ${config_file}`,
  ]
  if (workers.wanted > 1) lines.push(`${workers.running} of ${workers.wanted} worker threads`)
  if (reload !== null) {
    lines.push(
      `last reload ${ago(reload.at, nowMs)}: ${reload.ok ? 'applied' : 'refused, the old one stays in use'}`,
    )
    lines.push(...reload.problems.map((problem) => `  ${problem}`))
    if (reload.needs_restart.length > 0) lines.push(`  needs a restart: ${reload.needs_restart.join(', ')}`)
  }
  return lines
}

/** A gateway of an older version reports none. */
function failedCall({ last_failure: last = null }: Partial<StatusReport>, nowMs: number): string[] {
  if (last === null) return []
  const { severity, what, at, why, fix, id, client, status, code, after } = last
  return [
    'Last failed call',
    `  ${severity} ${what}, ${ago(at, nowMs)}`,
    ...(why === null ? [] : [`    ${why}`]),
    ...(fix === null ? [] : [`    ${fix}`]),
    `    ${id} of ${client}, status ${status}${code === null ? '' : ` ${code}`}. ${after}`,
  ]
}

function attention({ attention: conditions }: StatusReport, nowMs: number): string[] {
  if (conditions.length === 0) return []
  return [
    'Needs attention',
    ...conditions.flatMap(({ severity, subject, what, why, fix, since }) => [
      `  ${severity} ${subject}: ${what} It began ${ago(since, nowMs)}.`,
      ...(why === '' ? [] : [`    ${why}`]),
      ...(fix === '' ? [] : [`    ${fix}`]),
    ]),
  ]
}

function openCalls({ calls, calls_unshown }: StatusReport): string[] {
  if (calls.length === 0) return ['No call is under way.']
  const rows = calls
    .slice(0, shownCalls)
    .map((call) => [
      call.id,
      call.model ?? '-',
      call.client,
      call.provider ?? '-',
      call.phase === 'starting' ? startWaitText(call) : wordsIn(stateWords, call.phase),
      durationText(call.age_ms),
      `${call.tokens} tokens`,
      speed(call.tokens_per_second),
    ])
  const unshown = calls_unshown + Math.max(0, calls.length - shownCalls)
  return [
    'Calls under way',
    ...columns(['id', 'model', 'client', 'provider', 'phase', 'age', 'so far', 'speed'], rows),
    ...(unshown > 0 ? [`  and ${unshown} more`] : []),
  ]
}

function providers({ providers: states }: StatusReport, nowMs: number): string[] {
  if (states.length === 0) return []
  const rows = states.map((each) => [
    each.name,
    providerText(each),
    `${each.in_flight}${each.max_parallel === null ? '' : `/${each.max_parallel}`}`,
    each.first_token_p50_ms === null ? '-' : durationText(each.first_token_p50_ms),
    speed(each.tokens_per_second),
    each.last_success === null ? 'never' : ago(each.last_success, nowMs),
  ])
  const reasons = states
    .filter(({ trouble, state, reason }) => (trouble !== null || state === 'failing') && reason !== null)
    .map(
      ({ name, reason, until }) =>
        `  ${name}: ${reason}${until === null ? '' : againText(reason, until, nowMs)}`,
    )
  const names = ['provider', 'state', 'under way', 'first token', 'speed', 'last success']
  return ['Providers', ...columns(names, rows), ...reasons]
}

/** @param reason which it follows: a sentence, or less than one. */
function againText(reason: string | null, until: string, nowMs: number): string {
  const when = ahead(until, nowMs)
  return reason?.endsWith('.') === true ? ` It is tried again ${when}.` : `; tried again ${when}`
}

/** A gateway of an older version reports none. */
function services({ services: rows = [] }: Partial<StatusReport>, nowMs: number): string[] {
  if (rows.length === 0) return []
  const cells = rows.map((row) => serviceCells(row, nowMs))
  const failures = rows.flatMap((row) => {
    const failure = failureText(row, nowMs)
    return failure === undefined ? [] : [`  ${row.provider} failed: ${failure}`]
  })
  return ['Services', ...columns(serviceHeads, cells), ...failures]
}

function limits({ limits: states }: StatusReport): string[] {
  if (states.length === 0) return []
  const rows = states.map((each) => [
    each.model,
    dimensionWords[each.dimension],
    `${each.used}/${each.limit}`,
    `${each.waiting}`,
    roomText(each),
  ])
  const names = ['model', 'of', 'used', 'in line', 'room again']
  return ['Limits of the last 60 seconds', ...columns(names, rows)]
}

function budgets({ budgets: rows }: StatusReport, nowMs: number): string[] {
  if (rows.length === 0) return []
  const shown = rows.map(({ of, unit, per, limit, spent, resets_at }) => [
    of,
    unit === 'usd'
      ? `${usdText(spent)} of ${usdText(limit)} per ${per}`
      : `${spent} of ${limit} ${unit} per ${per}`,
    resets_at === null ? '-' : ahead(resets_at, nowMs),
  ])
  return ['Budgets', ...columns(['of', 'spent', 'starts anew'], shown)]
}

/** A gateway of an older version reports none. */
function machines({ store = null }: Partial<StatusReport>, nowMs: number): string[] {
  if (store === null) return []
  const rows = store.machines.map((machine) => machineCells(machine, nowMs))
  const lines = [storeText(store), ...storeNotes(store)].map((line) => `  ${line}`)
  return ['Machines', ...lines, ...(rows.length > 0 ? columns(machineHeads, rows) : [])]
}

function failures({ failures: rows }: StatusReport, nowMs: number): string[] {
  if (rows.length === 0) return []
  return [
    'Failures of the last 24 hours',
    ...rows
      .slice(0, shownFailures)
      .flatMap(({ code, provider, count, last_at, reason, fix }) => [
        `  ${count} × ${code}${provider === null ? '' : ` at ${provider}`}, last ${ago(last_at, nowMs)}`,
        ...(reason === null ? [] : [`    ${reason}`]),
        ...(fix === null ? [] : [`    ${fix}`]),
      ]),
  ]
}

function recentCalls({ recent }: StatusReport, nowMs: number): string[] {
  if (recent.length === 0) return []
  const rows = recent
    .slice(0, shownCalls)
    .map((call) => [
      ago(call.at, nowMs),
      calledName(call) ?? '-',
      call.client,
      call.provider ?? '-',
      `${outcomeText(call)} ${call.status}`,
      call.first_token_ms === null ? '-' : durationText(call.first_token_ms),
      durationText(call.duration_ms),
      call.completion_tokens === null ? '-' : `${call.prompt_tokens ?? 0}+${call.completion_tokens}`,
      speed(call.tokens_per_second),
      call.cost_usd === null ? '-' : usdText(call.cost_usd),
    ])
  const names = [
    'ended',
    'model',
    'client',
    'provider',
    'outcome',
    'first token',
    'took',
    'prompt+answer',
    'speed',
    'cost',
  ]
  return ['Last calls', ...columns(names, rows)]
}

function usage({ usage: found }: StatusReport): string[] {
  if (found === null) return []
  const today = found.days.at(-1)
  const month = found.days.reduce((sum, { calls }) => sum + calls, 0)
  if (today === undefined || month === 0) return []
  return [
    'Usage',
    `  today: ${usageWords(today)}`,
    ...found.models.map((row) => `  ${row.name}: ${usageWords(row)}`),
  ]
}

function usageWords({ calls, failed, prompt_tokens, completion_tokens, cost_usd }: UsageRow): string {
  const cost = cost_usd === null ? '' : `, ${usdText(cost_usd)}`
  const tokens =
    prompt_tokens + completion_tokens === 0
      ? ''
      : `, ${prompt_tokens} tokens of prompts, ${completion_tokens} of answers`
  return `${calls} ${calls === 1 ? 'call' : 'calls'}, ${failed} failed${tokens}${cost}`
}

function speed(tokensPerSecond: number | null): string {
  return tokensPerSecond === null ? '-' : `${tokensPerSecond} tokens/s`
}

function ago(iso: string, nowMs: number): string {
  return `${durationText(nowMs - Date.parse(iso))} ago`
}

function ahead(iso: string, nowMs: number): string {
  return `in ${durationText(Date.parse(iso) - nowMs)}`
}
