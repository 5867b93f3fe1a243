// The report as text: `llm-gateway status`, and `GET /status` for clients that accept plain text only.
import { durationText } from '../platform/duration.ts'
import type { LimitState, StatusReport, UsageRow } from './status-report.ts'
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
      call.phase === 'starting' ? startWaitText(call) : phaseWords[call.phase],
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

const phaseWords = {
  reading: 'reading',
  in_line: 'in line',
  starting: 'starting',
  connecting: 'connecting',
  waiting: 'waiting',
  streaming: 'streaming',
  whole: 'whole response',
} as const

function providers({ providers: states }: StatusReport, nowMs: number): string[] {
  if (states.length === 0) return []
  const rows = states.map((each) => [
    each.name,
    each.trouble === null ? each.state : `${each.state} (${each.trouble})`,
    `${each.in_flight}${each.max_parallel === null ? '' : `/${each.max_parallel}`}`,
    each.first_token_p50_ms === null ? '-' : durationText(each.first_token_p50_ms),
    speed(each.tokens_per_second),
    each.last_success === null ? 'never' : ago(each.last_success, nowMs),
  ])
  const reasons = states
    .filter(({ trouble, state, reason }) => (trouble !== null || state === 'failing') && reason !== null)
    .map(
      ({ name, reason, until }) =>
        `  ${name}: ${reason}${until === null ? '' : `; tried again ${ahead(until, nowMs)}`}`,
    )
  const names = ['provider', 'state', 'under way', 'first token', 'speed', 'last answer']
  return ['Providers', ...columns(names, rows), ...reasons]
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
  const rows = states.map((state) => [
    state.model,
    state.dimension,
    `${state.used}/${state.limit}`,
    `${state.waiting}`,
    roomText(state),
  ])
  return ['Limits of the last 60 seconds', ...columns(['model', 'of', 'used', 'in line', 'room'], rows)]
}

/** As the page has it. A gateway of an older version does not say where all slots are taken. */
function roomText({ used, limit, frees_in_ms, full_at = null }: LimitState): string {
  if (frees_in_ms !== null && frees_in_ms > 0) return `in ${durationText(frees_in_ms)}`
  if (full_at !== null) return `when a call at ${full_at} ends`
  return frees_in_ms === 0 || used < limit ? 'now' : 'when a call ends'
}

function budgets({ budgets: rows }: StatusReport, nowMs: number): string[] {
  if (rows.length === 0) return []
  const shown = rows.map(({ of, unit, per, limit, spent, resets_at }) => [
    of,
    `${spent} of ${limit} ${unit}/${per}`,
    resets_at === null ? '-' : ahead(resets_at, nowMs),
  ])
  return ['Budgets', ...columns(['of', 'spent', 'anew'], shown)]
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
      call.model ?? '-',
      call.client,
      call.provider ?? '-',
      `${call.status} ${call.code === 'call_cancelled' ? 'cancelled' : call.outcome}`,
      call.first_token_ms === null ? '-' : durationText(call.first_token_ms),
      durationText(call.duration_ms),
      call.completion_tokens === null ? '-' : `${call.prompt_tokens ?? 0}+${call.completion_tokens}`,
      speed(call.tokens_per_second),
      call.cost_usd === null ? '-' : `${call.cost_usd} USD`,
    ])
  const names = [
    'ended',
    'model',
    'client',
    'provider',
    'end',
    'first token',
    'took',
    'tokens',
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
  const cost = cost_usd === null ? '' : `, ${cost_usd} USD`
  return `${calls} ${calls === 1 ? 'call' : 'calls'}, ${failed} failed, ${prompt_tokens}+${completion_tokens} tokens${cost}`
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
