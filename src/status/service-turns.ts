// Which calls wait for others of a group of model servers, and for which.
import type { OpenCall, ServiceTurn } from './open-call.ts'
import { startWaitText } from './services-text.ts'
import type { ServiceRow } from './status-report.ts'

/** A service that keeps its group's place. */
const running: ReadonlySet<ServiceRow['state']> = new Set(['starting', 'ready', 'draining', 'stopping'])

/** Calls with what the services, as they are at the same moment, show of their wait. */
export function withTurns(calls: readonly OpenCall[], services: readonly ServiceRow[]): OpenCall[] {
  return calls.map((call) => {
    if (call.phase !== 'starting') return call
    const turn = turnOf(call, services)
    return { ...call, turn, waits_for: startWaitText({ ...call, turn }) }
  })
}

function turnOf({ provider }: OpenCall, services: readonly ServiceRow[]): ServiceTurn | null {
  const own = services.find((row) => row.provider === provider)
  if (own === undefined || own.group === null || running.has(own.state)) return null
  const others = services.filter((row) => row.group === own.group && running.has(row.state))
  if (others.length === 0) return null
  return { group: own.group, running: others.map((row) => row.provider) }
}
