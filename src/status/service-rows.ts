// Model servers that the gateway starts, as reports show them.
import type { ServiceState } from '../upstream/services/services.ts'
import { shownOrNull, shownText } from './shown-text.ts'
import type { ServiceRow } from './status-report.ts'

/** @returns those that need a look first: failed, then by name. */
export function serviceRows(services: readonly ServiceState[]): ServiceRow[] {
  const isCalm = ({ failure }: ServiceState) => (failure === undefined ? 1 : 0)
  return services
    .toSorted((one, other) => isCalm(one) - isCalm(other) || (one.provider < other.provider ? -1 : 1))
    .map((service) => ({
      provider: shownText(service.provider),
      unit: shownText(service.unit),
      group: shownOrNull(service.group),
      state: service.state,
      since: isoOf(service.sinceMs),
      calls: service.calls,
      waiting: service.waiting,
      memory_bytes: service.memoryBytes ?? null,
      last_start_ms: service.lastStartMs === undefined ? null : Math.round(service.lastStartMs),
      failure: shownOrNull(service.failure),
      retry_at: service.retryAtMs === undefined ? null : isoOf(service.retryAtMs),
      starts: service.starts,
      stops: service.stops,
      failures: service.failures,
    }))
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString()
}
