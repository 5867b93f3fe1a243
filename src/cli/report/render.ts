// A report as programs read it. Member names are part of the interface: they are added to, never changed.
import { formatUsd, renderReport } from '../../ledger/render.ts'
import type { Report } from './gather.ts'

const dayMs = 86_400_000

export function renderJson(report: Report): object {
  const { period, zone, calls, ledger, access, changes, keys, versions, crossings, sources } = report
  const instant = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString())
  return {
    label: period.label,
    since: instant(period.sinceMs),
    until: instant(period.untilMs),
    zone,
    is_whole: report.isWhole,
    sources: sources.map(({ beginMs, note = null, ...source }) => ({
      ...source,
      note,
      begin: instant(beginMs),
    })),
    crossed: crossings.map(({ atMs, ...crossing }) => ({ ...crossing, at: instant(atMs) })),
    calls: {
      from: report.callsFrom ?? null,
      total: calls.calls,
      total_before: report.callsBefore,
      failed: calls.failures,
      failed_before: report.failuresBefore,
      outcomes: Object.fromEntries(calls.outcomes()),
    },
    failures: failuresOf(report).map(({ lastMs, ...failure }) => ({ ...failure, last_at: instant(lastMs) })),
    troubles: report.troubles.map(({ lastMs, ...trouble }) => ({ ...trouble, last_at: instant(lastMs) })),
    limit_hits: calls.limitHits(),
    fallbacks: calls.fallbacks(),
    models: calls.speeds().map((speed) => ({
      model: speed.model,
      calls: speed.calls,
      first_p50_ms: speed.firstP50Ms,
      first_p95_ms: speed.firstP95Ms,
      tokens_per_second: speed.tokensPerSecond,
      wait_p90_ms: speed.waitP90Ms,
    })),
    services:
      ledger?.services.map(({ provider, starts, failed, readyP50Ms, waited }) => ({
        provider,
        starts,
        failed,
        ready_p50_ms: readyP50Ms,
        calls_waited: waited,
      })) ?? null,
    refusals: {
      from: report.accessFrom ?? null,
      data: access.refusals().map(({ code, requests, clients }) => ({
        code,
        requests,
        clients: Object.fromEntries(clients),
      })),
    },
    usage:
      ledger === undefined
        ? null
        : {
            total: { ...ledger.total, cost_usd: formatUsd(ledger.total.cost_nano) },
            total_before: { ...ledger.totalBefore, cost_usd: formatUsd(ledger.totalBefore.cost_nano) },
            by: ledger.usage.map(({ by, report: usage }) => ({ dimensions: by, ...renderReport(usage) })),
            new_clients: ledger.newClients ?? null,
          },
    changes: {
      from: report.changesFrom ?? null,
      data: changes.changes().map(({ atMs, ...change }) => ({ at: instant(atMs), ...change })),
      unlisted: changes.unlistedChanges,
    },
    keys: keys.map(({ name, kind, ageMs }) => ({ name, kind, age_days: Math.floor(ageMs / dayMs) })),
    versions: { installed: versions.installed, running: versions.running ?? null },
  }
}

/** Failures with the last reason that the log has of them. */
export function failuresOf({
  calls,
  reasons,
}: Pick<Report, 'calls' | 'reasons'>): ReturnType<Report['calls']['failureGroups']> {
  const known = new Map<string, string>()
  const idOf = (provider: string | null, outcome: string) => `${provider ?? ''}\n${outcome}`
  for (const { provider, outcome, reason } of reasons.failureGroups()) {
    const id = idOf(provider, outcome)
    if (reason !== null && !known.has(id)) known.set(id, reason)
  }
  return calls.failureGroups().map((failure) => ({
    ...failure,
    reason: failure.reason ?? known.get(idOf(failure.provider, failure.outcome)) ?? null,
  }))
}
