// Model servers as text: `llm-gateway status` and `llm-gateway services`.
import { durationText } from '../platform/duration.ts'
import type { ServiceRow } from './status-report.ts'
import { columns } from './text-columns.ts'

const heads = ['provider', 'state', 'since', 'calls', 'waiting', 'memory', 'last start', 'group', 'unit']

/** @param nowMs milliseconds since 1970, for ages. */
export function serviceTable(services: readonly ServiceRow[], nowMs: number): string[] {
  const rows = services.map((each) => [
    each.provider,
    each.state,
    ago(each.since, nowMs),
    `${each.calls}`,
    `${each.waiting}`,
    memoryText(each.memory_bytes),
    each.last_start_ms === null ? '-' : durationText(each.last_start_ms),
    each.group ?? '-',
    each.unit,
  ])
  return columns(heads, rows)
}

/** A line for each service that has failed and has not been ready since. */
export function serviceFailures(services: readonly ServiceRow[], nowMs: number): string[] {
  return services.flatMap(({ provider, failure, retry_at: retryAt }) =>
    failure === null ? [] : [`  ${provider}: failed with ${failure}${againText(retryAt, nowMs)}`],
  )
}

/** `; the next call starts it again`. */
export function againText(retryAt: string | null, nowMs: number): string {
  const inMs = retryAt === null ? 0 : Date.parse(retryAt) - nowMs
  return inMs > 0 ? `; calls start it again in ${durationText(inMs)}` : '; the next call starts it again'
}

/** In powers of 1024, as the service manager has them: `850.0M`, `4.2G`. */
export function memoryText(bytes: number | null): string {
  if (bytes === null) return '-'
  const gibibytes = bytes / 2 ** 30
  return gibibytes < 1 ? `${(bytes / 2 ** 20).toFixed(1)}M` : `${gibibytes.toFixed(1)}G`
}

function ago(iso: string, nowMs: number): string {
  return `${durationText(nowMs - Date.parse(iso))} ago`
}
