// Puts a report together from what there is: the ledger, the log of security events, and the gateway's lines in the journal or
// in a file. Each source may be missing; the report says which one each part is from, and what it lacks.
import type { Dimension } from '../../ledger/report.ts'
import { openReader } from '../../ledger/reader.ts'
import { counted } from '../output.ts'
import { AuditNames } from '../../observe/audit/names.ts'
import { AccessTally, type Trouble } from './access-tally.ts'
import { CallTally } from './call-tally.ts'
import type { JournalRun } from './journal.ts'
import type { KeyAge } from './key-ages.ts'
import { readAudit } from './read-audit.ts'
import { type LedgerFindings, readLedger } from './read-ledger.ts'
import { type ReadLog, readLog, type SpanTallies } from './read-log.ts'
import type { ReportPeriod } from './period.ts'
import { type Crossing, thresholdsCrossed } from './thresholds.ts'

interface SourceState {
  readonly name: 'ledger' | 'audit log' | 'log'
  /** A path, or `the journal`. */
  readonly place: string
  readonly state: 'whole' | 'partial' | 'absent'
  /** For people: what is missing, and why. */
  readonly note: string | undefined
  /** Of the first entry, in milliseconds since 1970. */
  readonly beginMs: number | undefined
}

export interface Report {
  readonly period: ReportPeriod
  readonly zone: string
  readonly calls: CallTally
  readonly callsBefore: number
  readonly failuresBefore: number
  readonly callsFrom: SourceState['name'] | undefined
  /** Undefined: the ledger could not be read. */
  readonly ledger: LedgerFindings | undefined
  /** What the log has of the calls: the reasons of failures. */
  readonly reasons: CallTally
  /** Warnings and errors of the log besides calls and refusals. */
  readonly troubles: readonly Trouble[]
  readonly access: AccessTally
  readonly accessFrom: SourceState['name'] | undefined
  readonly changes: AccessTally
  readonly changesFrom: SourceState['name'] | undefined
  readonly keys: readonly KeyAge[]
  readonly versions: { readonly installed: string; readonly running: string | undefined }
  readonly crossings: readonly Crossing[]
  readonly sources: readonly SourceState[]
  /** Nothing that the period should have is missing. */
  readonly isWhole: boolean
}

export interface ReportParts {
  readonly period: ReportPeriod
  readonly zone: string
  readonly by: readonly (readonly Dimension[])[]
  /** Undefined: there is no state directory. */
  readonly ledgerPath: string | undefined
  readonly auditDirectory: string | undefined
  readonly nowMs: number
  readonly keys: readonly KeyAge[]
  readonly versions: Report['versions']
  /** Where the lines are from, for people. */
  readonly logPlace: string
  readonly openLog: (
    read: (stream: AsyncIterable<Buffer>) => Promise<ReadLog>,
  ) => Promise<JournalRun<ReadLog>>
  /** Whether there are lines before an instant, or at all; undefined where only the lines themselves show it. */
  readonly hasLines: ((untilMs?: number) => Promise<boolean>) | undefined
}

interface Tallied {
  readonly now: SpanTallies
  readonly before: SpanTallies
}

export async function gatherReport(parts: ReportParts): Promise<Report> {
  const { period, zone, keys, versions } = parts
  const [fromLedger, fromAudit, fromLog] = [tallied(period), tallied(period), tallied(period)]
  const { ledger, state: ledgerState } = gatherLedger(parts, fromLedger)
  const auditState = await gatherAudit(parts, fromAudit)
  const logState = comparedWith(ledger, await gatherLog(parts, fromLog), fromLog.now.calls.calls)

  const hasLog = logState.state !== 'absent'
  const hasAudit = auditState.state !== 'absent'
  // The log knows more of each call than the ledger, which has all calls for longer.
  const isLogPreferred = logState.state === 'whole' && fromLog.now.calls.calls > 0
  const callsFrom = ledger !== undefined && !isLogPreferred ? 'ledger' : hasLog ? 'log' : undefined
  const accessFrom =
    logState.state === 'whole' || (hasLog && !hasAudit) ? 'log' : hasAudit ? 'audit log' : undefined
  const calls = callsFrom === 'log' ? fromLog.now.calls : fromLedger.now.calls
  const access = accessFrom === 'audit log' ? fromAudit.now.access : fromLog.now.access
  const sources = [ledgerState, auditState, logState]
  const isUsed = ({ name }: SourceState) => name === callsFrom || name === accessFrom
  return {
    period,
    zone,
    calls,
    callsBefore: ledger?.totalBefore.calls ?? (hasLog ? fromLog.before.calls.calls : 0),
    failuresBefore: ledger?.failuresBefore ?? fromLog.before.calls.failures,
    callsFrom,
    ledger,
    reasons: fromLog.now.calls,
    troubles: fromLog.now.access.troubles(),
    access,
    accessFrom,
    changes: hasAudit ? fromAudit.now.access : fromLog.now.access,
    changesFrom: hasAudit ? 'audit log' : hasLog ? 'log' : undefined,
    keys,
    versions,
    crossings: thresholdsCrossed({ calls, access, workerEnds: fromLog.now.access.workerEnds, keyAges: keys }),
    sources,
    isWhole: callsFrom !== undefined && accessFrom !== undefined && sources.filter(isUsed).every(isWhole),
  }
}

function isWhole({ state }: SourceState): boolean {
  return state === 'whole'
}

function tallied({ sinceMs, untilMs, before }: ReportPeriod): Tallied {
  return {
    now: { sinceMs, untilMs, calls: new CallTally(), access: new AccessTally() },
    before: { ...before, calls: new CallTally(), access: new AccessTally() },
  }
}

function absent(name: SourceState['name'], place: string, note: string): SourceState {
  return { name, place, state: 'absent', note, beginMs: undefined }
}

function gatherLedger(
  { period, zone, by, ledgerPath }: ReportParts,
  tallies: Tallied,
): { readonly ledger: LedgerFindings | undefined; readonly state: SourceState } {
  const none = (note: string) => ({
    ledger: undefined,
    state: absent('ledger', ledgerPath ?? 'no state directory', note),
  })
  if (ledgerPath === undefined) return none('there is no state directory')
  const opened = openReader(ledgerPath)
  if (opened.kind === 'absent') return none('no calls are recorded there')
  if (opened.kind === 'fault') return none(opened.reason)
  try {
    const ledger = readLedger(opened.database, {
      period,
      zone,
      by,
      calls: tallies.now.calls,
    })
    const { callsWithoutRow: missing, beginMs } = ledger
    const note = missing === 0 ? undefined : `its sums have ${counted(missing, 'call')} without a row`
    const state = missing === 0 ? 'whole' : 'partial'
    return { ledger, state: { name: 'ledger', place: ledgerPath, state, note, beginMs } }
  } catch (error) {
    return none(`it cannot be read: ${String(error)}; try llm-gateway usage verify`)
  } finally {
    opened.database.close()
  }
}

async function gatherAudit(
  { auditDirectory: directory, period, nowMs }: ReportParts,
  { now, before }: Tallied,
): Promise<SourceState> {
  const none = (note: string) => absent('audit log', directory ?? 'no state directory', note)
  if (directory === undefined) return none('there is no state directory')
  try {
    const names = AuditNames.read(directory, nowMs)
    const named = names instanceof AuditNames ? names : undefined
    const { records, unreadable, earliestMs } = await readAudit(directory, named, [now, before])
    if (records === 0) return none('there is none; audit.enabled in the configuration turns it on')
    const isLate = earliestMs! > period.sinceMs
    const notes = [
      unreadable > 0 && `${counted(unreadable, 'line')} cannot be read; see llm-gateway audit verify`,
      !(names instanceof AuditNames) && names.fault,
      isLate && 'it begins within the period',
    ].filter((note) => note !== false)
    const state = unreadable > 0 || isLate ? 'partial' : 'whole'
    return {
      name: 'audit log',
      place: directory,
      state,
      note: notes.join('; ') || undefined,
      beginMs: earliestMs,
    }
  } catch (error) {
    return none((error as Error).message)
  }
}

async function gatherLog(
  { openLog, hasLines, logPlace: place, period }: ReportParts,
  { now, before }: Tallied,
): Promise<SourceState> {
  const run = await openLog((stream) => readLog(stream, [now, before]))
  if (run.kind === 'fault') return absent('log', place, run.reason)
  const { lines, unreadable, earliestMs, beginsWithStart } = run.result
  if (lines === 0) {
    if (!(await hasLines?.())) return absent('log', place, 'there are no lines of the gateway')
    return { name: 'log', place, state: 'whole', note: 'it has no lines of this time', beginMs: undefined }
  }
  const isLate = earliestMs! > period.sinceMs && !beginsWithStart
  const reachesBack = !isLate || (await hasLines?.(before.sinceMs)) === true
  const notes = [
    unreadable > 0 && `${counted(unreadable, 'line')} cannot be read`,
    !reachesBack && 'its lines begin within the period',
  ].filter((note) => note !== false)
  const state = unreadable > 0 || !reachesBack ? 'partial' : 'whole'
  return { name: 'log', place, state, note: notes.join('; ') || undefined, beginMs: earliestMs }
}

/** The journal drops lines of a program that writes many of them; the ledger shows how many calls it lacks. */
function comparedWith(ledger: LedgerFindings | undefined, log: SourceState, calls: number): SourceState {
  const missing = (ledger?.total.calls ?? calls) - calls
  if (log.state === 'absent' || missing <= 0) return log
  const lacking = `it has ${calls} of the ${calls + missing} calls that the ledger has`
  return { ...log, state: 'partial', note: log.note === undefined ? lacking : `${log.note}; ${lacking}` }
}
