// The last starts and stops of a model server, from the ledger of the running gateway.
import { join } from 'node:path'
import { ledgerFileName } from '../ledger/ledger-name.ts'
import { openReader } from '../ledger/reader.ts'
import { readServiceSteps, type ServiceStep } from '../ledger/service-steps.ts'
import { durationText } from '../platform/duration.ts'
import { printable } from '../platform/printable.ts'
import { reasonOf } from '../platform/thrown.ts'
import { ownTimeZone } from '../platform/time-zone.ts'
import { askControl } from './control-client.ts'
import type { Output } from './output.ts'
import { instantText } from './report/period.ts'
import { printTable } from './table.ts'

export interface ServiceHistory {
  /** The latest first. */
  readonly steps: readonly ServiceStep[]
  /** Why there are none. Undefined: they could be read. */
  readonly fault: string | undefined
}

const shownSteps = 10

/** Never rejects. */
export async function serviceHistory(
  env: NodeJS.ProcessEnv,
  config: string | undefined,
  provider: string,
): Promise<ServiceHistory> {
  const fault = (reason: string) => ({ steps: [], fault: reason })
  const state = await askControl(env, 'GET /-/state', config)
  const directory = state.kind === 'answered' ? state.body['state_directory'] : null
  if (typeof directory !== 'string') return fault('the gateway keeps no ledger')
  const opened = openReader(join(directory, ledgerFileName))
  if (opened.kind === 'absent') return { steps: [], fault: undefined }
  if (opened.kind === 'fault') return fault(opened.reason)
  try {
    return { steps: readServiceSteps(opened.database, provider, shownSteps), fault: undefined }
  } catch (error) {
    return fault(reasonOf(error))
  } finally {
    opened.database.close()
  }
}

export function printHistory(out: Output, { steps, fault }: ServiceHistory): void {
  if (fault !== undefined) return out.line(printable(`  (they cannot be read: ${fault})`))
  if (steps.length === 0) return out.line('  (none is recorded)')
  const zone = ownTimeZone()
  const rows = steps.map(({ atMs, what, readyMs, reason }) => {
    const detail = readyMs === undefined ? (reason ?? '') : `after ${durationText(readyMs)}`
    return [instantText(atMs, zone), what, printable(detail)]
  })
  printTable(out, { head: ['at', 'what', ''], rows })
}

/** As programs read it; null: it cannot be read. */
export function historyJson({ steps, fault }: ServiceHistory): readonly object[] | null {
  if (fault !== undefined) return null
  return steps.map(({ atMs, unit, what, readyMs, reason }) => ({
    at: new Date(atMs).toISOString(),
    unit,
    what,
    ready_ms: readyMs ?? null,
    reason: reason ?? null,
  }))
}
