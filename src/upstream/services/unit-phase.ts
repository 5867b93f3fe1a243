// What a report of the service manager means.
import type { UnitReport } from '../../platform/unit-report.ts'

/** `coming`: it starts, or waits for its restart. `going`: it stops. */
export type UnitPhase = 'down' | 'coming' | 'up' | 'going'

const phases: Readonly<Record<string, UnitPhase>> = {
  activating: 'coming',
  active: 'up',
  deactivating: 'going',
  refreshing: 'up',
  reloading: 'up',
}

/** Ends of a process that have a number. */
const numbered: ReadonlySet<string> = new Set(['core-dump', 'exit-code', 'signal'])

/** A unit of which nothing is known does not run. */
export function phaseOf(report: UnitReport | undefined): UnitPhase {
  return phases[report?.active ?? ''] ?? 'down'
}

/** Why a unit cannot be loaded: `masked`, `not-found`. Undefined: it can, or nothing is known. */
export function loadFaultOf(report: UnitReport | undefined): string | undefined {
  const load = report?.load ?? 'loaded'
  return load === 'loaded' || load === 'transient' ? undefined : load
}

/** Whether the manager is about to restart the unit by itself, after its process has ended. */
export function isAutoRestart({ sub }: UnitReport): boolean {
  return sub.startsWith('auto-restart')
}

/** Why a unit has ended that should run: `exit-code 1`, `signal 9`, `oom-kill`. */
export function failureOf({ result, exitStatus }: UnitReport): string {
  if (result === 'success') return 'exit-code 0'
  return numbered.has(result) && exitStatus !== undefined ? `${result} ${exitStatus}` : result
}
