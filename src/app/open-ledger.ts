// The ledger of a process: where it lies, and how calls get into it.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { UsageConfig } from '../config/observe-types.ts'
import { ledgerFileName } from '../ledger/ledger-name.ts'
import { type Ledger, openLedger } from '../ledger/ledger.ts'
import type { ServiceStep } from '../ledger/service-steps.ts'
import type { Events, Sink } from '../observe/events.ts'
import type { Clock } from '../platform/clock.ts'

export interface LedgerParts {
  readonly clock: Clock
  readonly emit: Events['emit']
  /** Undefined: there is none. */
  readonly stateDirectory: string | undefined
  /** The file that its thread runs; the package's own when absent. */
  readonly writerEntry?: URL | undefined
}

/** Undefined: nothing is recorded. */
export function openLedgerOf(
  { enabled, keepCallsDays, keepHoursDays }: UsageConfig,
  { clock, emit, stateDirectory, writerEntry }: LedgerParts,
): Ledger | undefined {
  if (!enabled || stateDirectory === undefined) return undefined
  const path = join(stateDirectory, ledgerFileName)
  return openLedger({ path, keepCallsDays, keepHoursDays, clock, onEvent: emit, writerEntry })
}

/** Whether there is something to read. */
export function hasLedgerFile(stateDirectory: string): boolean {
  return existsSync(join(stateDirectory, ledgerFileName))
}

/** Which steps of model servers are recorded. @param wallNow milliseconds since 1970. */
export function serviceStepSink(ledger: Pick<Ledger, 'recordStep'>, wallNow: () => number): Sink {
  /** Provider → why it stops, until it has stopped. */
  const reasons = new Map<string, string>()
  const record = (
    { provider, unit }: Pick<ServiceStep, 'provider' | 'unit'>,
    step: Pick<ServiceStep, 'what' | 'readyMs' | 'reason'>,
  ) => ledger.recordStep({ atMs: wallNow(), provider, unit, ...step })
  return {
    name: 'ledger of services',
    wants: (kind) => kind.startsWith('service_'),
    receive(event) {
      if (event.kind === 'service_starting') record(event, { what: 'started', reason: event.reason })
      else if (event.kind === 'service_adopted') record(event, { what: 'adopted' })
      else if (event.kind === 'service_ready') record(event, { what: 'ready', readyMs: event.took_ms })
      else if (event.kind === 'service_stopping') reasons.set(event.provider, event.reason)
      else if (event.kind === 'service_stopped') {
        record(event, { what: 'stopped', reason: event.reason ?? reasons.get(event.provider) })
        reasons.delete(event.provider)
      } else if (event.kind === 'service_failed') record(event, { what: 'failed', reason: event.result })
    },
  }
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
