// The events of a process and their sinks: the log, and where its lines go, the ledger, and the audit log.
import { holdsKey } from '../clients/keys/key-format.ts'
import type { OpenedAuditKey } from '../config/record-keys.ts'
import type { Config } from '../config/types.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { EventFacts } from '../observe/alerts/event-facts.ts'
import { createEvents, type Events } from '../observe/events.ts'
import { type LogDestination, openLogOutput } from '../observe/log/output.ts'
import { createLog, type LogOutput } from '../observe/log/log.ts'
import { Reloads } from '../observe/reloads.ts'
import { namingBy } from '../observe/pseudonymous-events.ts'
import { logSink } from '../observe/sinks/log.ts'
import { CallTracing } from '../observe/tracing/call-tracing.ts'
import type { Clock } from '../platform/clock.ts'
import { CallHistory } from '../status/call-history.ts'
import { pseudonymsOf } from './pseudonyms.ts'
import { type OpenedCounts, openCounts } from './open-counts.ts'
import { auditObstacle, openAudit, type OpenedAudit } from './open-audit.ts'
import { ledgerSink, openLedgerOf, serviceStepSink } from './open-ledger.ts'

export interface OpenedEvents {
  readonly events: Events
  /** Accepts lines of other threads too. */
  readonly logOutput: LogOutput
  /** Undefined: nothing is recorded. */
  readonly ledger: Ledger | undefined
  /** Undefined: security events are not recorded. */
  readonly audit: OpenedAudit | undefined
  /** What this thread remembers of calls and providers. */
  readonly history: CallHistory
  readonly reloads: Reloads
  /** What conditions need to know of events. */
  readonly facts: EventFacts
  /** Undefined: nobody reads counts. */
  readonly counts: OpenedCounts | undefined
  /** Of the calls that this thread serves. */
  readonly tracing: CallTracing
}

export interface EventsParts extends Pick<LogDestination, 'stdout' | 'isJournal'> {
  readonly clock: Clock
  readonly version: string
  readonly stateDirectory: string | undefined
  /** As in `LedgerParts`. */
  readonly writerEntry: URL | undefined
  /** Absent: there is none. */
  readonly auditKey: OpenedAuditKey | undefined
}

type EventsConfig = Pick<Config, 'audit' | 'logging' | 'metrics' | 'notify' | 'status' | 'usage'>

export function openEvents(
  { logging, usage, audit: auditConfig, metrics, notify, status }: EventsConfig,
  { stdout, isJournal = false, clock, version, stateDirectory, writerEntry, auditKey }: EventsParts,
): OpenedEvents {
  const logOutput = openLogOutput(logging, {
    stdout,
    isJournal,
    onTransportFailure: (target, cause) => events.emit({ kind: 'log_transport_failed', target, cause }),
  })
  const emit: Events['emit'] = (event) => events.emit(event)
  const ledger = openLedgerOf(usage, { clock, emit, stateDirectory, writerEntry })
  const log = logSink(createLog(logging.level, logOutput))
  const key = auditKey ?? { kind: 'none' }
  const obstacle = auditObstacle(auditConfig, { stateDirectory, key })
  const pseudonyms = pseudonymsOf(usage)
  const audit = openAudit(auditConfig, { clock, emit, stateDirectory, key, pseudonyms })
  const { wallNow } = clock
  const history = new CallHistory({ maxCalls: status.recentCalls, wallNow })
  const reloads = new Reloads(wallNow)
  const facts = new EventFacts(clock.now)
  const hasCounts = metrics.enabled || status.enabled || notify.sinks.length > 0
  const counts = hasCounts ? openCounts(metrics, { emit, wallNow, reloads }) : undefined
  const tracing = new CallTracing({ ...clock, emit, version, holdsKey })
  const sinks = [
    log,
    ledger && ledgerSink(ledger),
    ledger && serviceStepSink(ledger, clock.wallNow),
    audit?.sink,
    tracing,
    history,
    reloads,
    facts,
    ...(counts?.sinks ?? []),
  ]
  const events = createEvents(
    sinks.filter((sink) => sink !== undefined),
    namingBy(pseudonyms),
  )
  if (obstacle !== undefined) emit({ kind: 'audit_unavailable', reason: obstacle })
  if (usage.enabled && stateDirectory === undefined) emit({ kind: 'ledger_off', ...hasNoDirectory })
  return { events, logOutput, ledger, audit, facts, counts, history, reloads, tracing }
}

const hasNoDirectory = { reason: 'there is no state directory', is_usual: true } as const
