// The ledger of a process: where it lies, and how calls get into it.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { UsageConfig } from '../config/observe-types.ts'
import { ledgerFileName } from '../ledger/ledger-name.ts'
import { type Ledger, openLedger } from '../ledger/ledger.ts'
import type { Events, Sink } from '../observe/events.ts'
import type { Clock } from '../platform/clock.ts'

export interface LedgerParts {
  readonly clock: Clock
  readonly emit: Events['emit']
  /** Undefined: there is none. */
  readonly stateDirectory: string | undefined
}

/** Undefined: nothing is recorded. */
export function openLedgerOf(
  { enabled, keepCallsDays, keepHoursDays }: UsageConfig,
  { clock, emit, stateDirectory }: LedgerParts,
): Ledger | undefined {
  if (!enabled || stateDirectory === undefined) return undefined
  const path = join(stateDirectory, ledgerFileName)
  return openLedger({ path, keepCallsDays, keepHoursDays, clock, onEvent: emit })
}

/** Whether there is something to read. */
export function hasLedgerFile(stateDirectory: string): boolean {
  return existsSync(join(stateDirectory, ledgerFileName))
}

export function ledgerSink(ledger: Pick<Ledger, 'record'>): Sink {
  return {
    name: 'ledger',
    wants: (kind) => kind === 'call_ended',
    receive(event) {
      if (event.kind === 'call_ended') ledger.record(event.call)
    },
  }
}
