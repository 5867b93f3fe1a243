// A report for people: what needs attention first, then what happened, then where all of it is from.
import { formatUsd } from '../../ledger/render.ts'
import type { Dimension, UsageCounts, UsageReport } from '../../ledger/report.ts'
import { printable } from '../../platform/printable.ts'
import { counted, type Output } from '../output.ts'
import { printTable } from '../table.ts'
import type { Report } from './gather.ts'
import { instantText } from './period.ts'
import { failuresOf } from './render.ts'

/** Rows of a table; the JSON has all of them. */
const maxRows = 10
/** Characters of a provider's reason. */
const maxReason = 100
const dayMs = 86_400_000
/** A key is named when it will be due within a fortnight. */
const dueMs = 76 * dayMs

export function printReport(out: Output, report: Report): void {
  const { period, zone } = report
  out.line(out.styled('bold', `Report of ${period.label}, ${zone}`))
  printCrossings(out, report)
  printCalls(out, report)
  printFailures(out, report)
  printTroubles(out, report)
  printLimits(out, report)
  printRefusals(out, report)
  printModels(out, report)
  printServices(out, report)
  printUsage(out, report)
  printChanges(out, report)
  printKeys(out, report)
  printSources(out, report)
}

function title(out: Output, text: string): void {
  out.line()
  out.line(out.styled('bold', text))
}

interface Rows {
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
  readonly numbersFrom?: number
}

function printRows(out: Output, { head, rows, numbersFrom = Infinity }: Rows): void {
  const shown = rows.slice(0, maxRows).map((row) => row.map((cell) => printable(cell)))
  printTable(out, { head, rows: shown, numbersFrom })
  if (rows.length > maxRows) out.line(`and ${rows.length - maxRows} more; see --json`)
}

function printCrossings(out: Output, { crossings, zone, isWhole }: Report): void {
  title(out, 'Needs attention')
  if (crossings.length === 0) {
    out.line(
      isWhole ? 'Nothing: no threshold was crossed.' : 'Nothing in what there is; the data is not whole.',
    )
    return
  }
  printRows(out, {
    head: ['alert', 'severity', 'of', 'first at', 'how much'],
    rows: crossings.map(({ rule, severity, subject, atMs, detail }) => [
      rule,
      severity,
      subject,
      atMs === undefined ? '-' : instantText(atMs, zone),
      detail,
    ]),
  })
}

function printCalls(out: Output, { calls, callsBefore, failuresBefore, callsFrom }: Report): void {
  title(out, 'Calls')
  if (callsFrom === undefined) {
    out.line('Unknown: neither the ledger nor the log can be read.')
    return
  }
  out.line(`${grouped(calls.calls)}${changeOf(calls.calls, callsBefore)}`)
  out.line(`${grouped(calls.failures)} failed${changeOf(calls.failures, failuresBefore)}`)
  for (const [outcome, count] of calls.outcomes()) out.line(`  ${outcome.padEnd(22)}${grouped(count)}`)
}

function printFailures(out: Output, report: Report): void {
  const failures = failuresOf(report)
  if (failures.length === 0) return
  title(out, 'Calls that ended with an error')
  printRows(out, {
    head: ['provider', 'outcome', 'calls', 'last at', 'code', 'last reason'],
    rows: failures.map(({ provider, outcome, count, lastMs, code, reason }) => [
      provider ?? '-',
      outcome,
      grouped(count),
      instantText(lastMs, report.zone),
      code ?? '-',
      (reason ?? '-').slice(0, maxReason),
    ]),
  })
}

function printTroubles(out: Output, { troubles, zone }: Report): void {
  if (troubles.length === 0) return
  title(out, 'Other errors and warnings of the log')
  printRows(out, {
    head: ['event', 'level', 'lines', 'last at', 'last reason'],
    rows: troubles.map(({ event, level, count, lastMs, reason }) => [
      event,
      level,
      grouped(count),
      instantText(lastMs, zone),
      (reason ?? '-').slice(0, maxReason),
    ]),
  })
}

function printLimits(out: Output, { calls }: Report): void {
  const hits = calls.limitHits()
  if (hits.length > 0) {
    title(out, 'Limits that refused calls')
    printRows(out, {
      head: ['model', 'client', 'calls'],
      rows: hits.map(({ model, client, calls: count }) => [model, client, grouped(count)]),
      numbersFrom: 2,
    })
  }
  const fallbacks = calls.fallbacks()
  if (fallbacks.length === 0) return
  title(out, 'Fallbacks that answered')
  printRows(out, {
    head: ['model', 'fallback', 'calls'],
    rows: fallbacks.map(({ model, fallback, calls: count }) => [model, fallback, grouped(count)]),
    numbersFrom: 2,
  })
}

function printRefusals(out: Output, { access, accessFrom }: Report): void {
  title(out, 'Requests that were refused')
  const refusals = access.refusals()
  if (accessFrom === undefined) out.line('Unknown: neither the log nor the audit log can be read.')
  else if (refusals.length === 0) out.line('None.')
  else {
    printRows(out, {
      head: ['code', 'requests', 'clients'],
      rows: refusals.map(({ code, requests, clients }) => {
        const most = clients.slice(0, 3).map(([name, count]) => `${name} (${grouped(count)})`)
        const more = clients.length > 3 ? [`${clients.length - 3} more`] : []
        return [code, grouped(requests), [...most, ...more].join(', ')]
      }),
    })
  }
}

function printModels(out: Output, { calls, callsFrom }: Report): void {
  const speeds = calls.speeds().filter(({ firstP50Ms }) => firstP50Ms !== null)
  if (speeds.length === 0) return
  // The ledger does not have the first token.
  const first = callsFrom === 'ledger' ? 'byte' : 'token'
  title(out, `Slowest models, by the time to the first ${first} of streams`)
  const seconds = (ms: number | null) => (ms === null ? '-' : `${(ms / 1000).toFixed(2)} s`)
  printRows(out, {
    head: ['model', 'calls', 'median', '95 %', 'tokens/s'],
    rows: speeds.map(({ model, calls: count, firstP50Ms, firstP95Ms, tokensPerSecond }) => [
      model,
      grouped(count),
      seconds(firstP50Ms),
      seconds(firstP95Ms),
      tokensPerSecond === null ? '-' : tokensPerSecond.toFixed(1),
    ]),
    numbersFrom: 1,
  })
}

function printServices(out: Output, { ledger }: Report): void {
  if (ledger === undefined || ledger.services.length === 0) return
  title(out, 'Model servers that were started on demand')
  printRows(out, {
    head: ['provider', 'starts', 'failed', 'until ready, median', 'calls that waited'],
    rows: ledger.services.map(({ provider, starts, failed, readyP50Ms, waited }) => [
      provider,
      grouped(starts),
      grouped(failed),
      readyP50Ms === null ? '-' : `${(readyP50Ms / 1000).toFixed(1)} s`,
      grouped(waited),
    ]),
    numbersFrom: 1,
  })
}

function printUsage(out: Output, { ledger }: Report): void {
  if (ledger === undefined) return
  const { total, totalBefore, newClients } = ledger
  title(out, 'Usage')
  const tokens = (counts: UsageCounts) => counts.prompt_tokens + counts.completion_tokens
  out.line(`${grouped(tokens(total))} tokens${changeOf(tokens(total), tokens(totalBefore))}`)
  out.line(`${usd(total)} USD${changeOf(total.cost_nano, totalBefore.cost_nano)}`)
  if (total.unpriced > 0) out.line(`${counted(total.unpriced, 'call')} without a known price`)
  if (total.lost > 0) out.line(`${counted(total.lost, 'row')} lost; the sums count them`)
  for (const { by, report } of ledger.usage) printUsageTable(out, by, report)
  if (newClients === undefined || newClients.length === 0) return
  title(out, 'Clients that called for the first time')
  for (const name of newClients.slice(0, maxRows)) out.line(printable(name))
  if (newClients.length > maxRows) out.line(`and ${newClients.length - maxRows} more; see --json`)
}

function printUsageTable(out: Output, by: readonly Dimension[], { rows, total }: UsageReport): void {
  if (rows.length === 0) return
  out.line()
  const cells = (counts: UsageCounts) => [
    grouped(counts.calls),
    grouped(counts.prompt_tokens),
    grouped(counts.completion_tokens),
    usd(counts),
  ]
  // Days are in order of time, and a month has more than ten of them.
  const isOfTime = by.some(
    (dimension) => dimension === 'day' || dimension === 'hour' || dimension === 'month',
  )
  const shown = isOfTime ? rows : rows.slice(0, maxRows)
  printTable(out, {
    head: [...by, 'calls', 'prompt', 'output', 'USD'],
    rows: shown.map((row) => [...by.map((name) => printable(String(row[name] ?? '-'))), ...cells(row)]),
    foot: [...by.map((_, index) => (index === 0 ? 'total' : '')), ...cells(total)],
    numbersFrom: by.length,
  })
  if (shown.length < rows.length) out.line(`and ${rows.length - shown.length} more; the total counts them`)
}

function printChanges(out: Output, { changes, changesFrom, zone }: Report): void {
  title(out, 'Starts and changes')
  const listed = changes.changes()
  if (changesFrom === undefined) out.line('Unknown: neither the audit log nor the log can be read.')
  else if (listed.length === 0) out.line('None.')
  for (const { atMs, event, detail } of listed.slice(0, 3 * maxRows))
    out.line(printable(`${instantText(atMs, zone)}  ${event}  ${detail}`.trimEnd()))
  const unshown = listed.length - 3 * maxRows + changes.unlistedChanges
  if (unshown > 0) out.line(`and ${unshown} more`)
}

function printKeys(out: Output, { keys, versions }: Report): void {
  const due = keys.filter(({ ageMs }) => ageMs > dueMs)
  title(out, 'Keys and versions')
  for (const { name, kind, ageMs } of due)
    out.line(printable(`${kind} ${name}: ${Math.floor(ageMs / dayMs)} days old; rotate it every 90 days`))
  if (due.length === 0)
    out.line(keys.length === 0 ? 'No stored key can be seen from here.' : 'No key is due for rotation.')
  const { installed, running } = versions
  if (running === undefined) out.line(`Version ${installed} is installed; no gateway of this user runs.`)
  else if (running === installed) out.line(`Version ${running} runs, as installed.`)
  else out.line(printable(`Version ${running} runs, and ${installed} is installed: restart the gateway.`))
}

function printSources(
  out: Output,
  { sources, zone, callsFrom, accessFrom, changesFrom, isWhole }: Report,
): void {
  title(out, 'Sources')
  for (const { name, place, state, note, beginMs } of sources) {
    const begin = beginMs === undefined ? '' : `, from ${instantText(beginMs, zone)} on`
    out.line(printable(`${name} (${place}): ${state}${begin}${note === undefined ? '' : `; ${note}`}`))
  }
  const from = [
    callsFrom !== undefined && `calls from the ${callsFrom}`,
    accessFrom !== undefined && `refusals from the ${accessFrom}`,
    changesFrom !== undefined && `changes from the ${changesFrom}`,
  ].filter((part) => part !== false)
  if (from.length > 0) out.line(`Read: ${from.join(', ')}.`)
  if (!isWhole) out.line(out.styled('yellow', 'The data is not whole.'))
}

/** Against the period before; nothing where that has none, because a share of nothing says nothing. */
function changeOf(now: number, before: number): string {
  if (before === 0) return now === 0 ? '' : ' (none before)'
  const percent = Math.round(((now - before) / before) * 100)
  return ` (${percent > 0 ? '+' : ''}${percent} % against the time before)`
}

function usd(counts: UsageCounts): string {
  return `${formatUsd(Math.ceil(counts.cost_nano / 100_000) * 100_000)}${counts.unpriced > 0 ? '+' : ''}`
}

function grouped(count: number): string {
  return count.toLocaleString('en-US')
}
