// Model servers that the gateway starts: which run, who waits for them, why one failed.
import type { VNode } from 'preact'
import type { ServiceRow, StatusReport } from '../status-report.ts'
import { duration, rate, time } from './format.ts'
import { type Column, section, state, table, two } from './parts.ts'

export function servicesSection({ services }: StatusReport): VNode | false {
  return services.length > 0 && section('services', 'Services', null, table('Servers', services, columns))
}

const columns: readonly Column<ServiceRow>[] = [
  ['Provider', '', (each) => two(each.provider, each.unit)],
  ['State', 'text', (each) => two(state(each.state), each.failure)],
  ['Since', 'n', 'since', time],
  ['Calls', 'n', ({ calls, waiting }) => two(calls, waiting && `${waiting} waiting`)],
  ['Last start', 'n m', 'last_start_ms', duration],
  ['RAM, GiB', 'n m', ({ memory_bytes: of }) => rate(of && of / 2 ** 30)],
  ['Group', 'l', 'group'],
]
