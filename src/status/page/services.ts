// Model servers that the gateway starts: which run, who waits for them, why one failed.
import type { VNode } from 'preact'
import type { ServiceRow, StatusReport } from '../status-report.ts'
import { duration, rate, time, type Tone } from './format.ts'
import { type Column, section, state, table, two } from './parts.ts'

const tones: Readonly<Partial<Record<ServiceRow['state'], Tone>>> = {
  ready: 'good',
  failed: 'bad',
}

export function servicesSection({ services, now }: StatusReport): VNode | false {
  return (
    services.length > 0 &&
    section('services', 'Services', undefined, table('Servers', columnsAt(now), { rows: services }))
  )
}

function columnsAt(now: string): readonly Column<ServiceRow>[] {
  return [
    ['Provider', '', (each) => two(each.provider, each.unit)],
    ['State', 'text', (each) => two(state(tones[each.state] ?? 'calm', each.state), each.failure)],
    ['Since', 'n', (each) => time(each.since, now)],
    ['Calls', 'n', ({ calls, waiting }) => two(calls, waiting && `${waiting} waiting`)],
    ['Last start', 'n m', (each) => duration(each.last_start_ms)],
    ['RAM, GiB', 'n m', ({ memory_bytes: of }) => rate(of && of / 2 ** 30)],
    ['Group', 'l', (each) => each.group],
  ]
}
