// Model servers that the gateway starts, as reports show them.
import type { ServiceState } from '../upstream/services/services.ts'
import { shownOrNull, shownText } from './shown-text.ts'
import type { ServiceRow } from './status-report.ts'

/**
 * Those that have failed first, then by name.
 * @param seesAll without it, what calls of others have brought to light is left out.
 */
export function serviceRows(services: readonly ServiceState[], seesAll: boolean): ServiceRow[] {
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
      failure: seesAll ? shownOrNull(service.failure) : null,
      probe: seesAll ? shownOrNull(service.probe) : null,
      retry_at: service.retryAtMs === undefined ? null : isoOf(service.retryAtMs),
      starts: service.starts,
      stops: service.stops,
      failures: service.failures,
    }))
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString()
}
