// What a report of a unit means, by what its service is in the middle of. Pure: the service carries it out.
import type { UnitReport } from '../../platform/unit-report.ts'
import type { ServiceRun } from './service-run.ts'
import type { StartAttempt } from './start-attempt.ts'
import type { UnitStops } from './unit-stops.ts'
import { failureOf, phaseOf } from './unit-phase.ts'

/** As `UnitSituation` has it. The first of these that there is decides. */
export interface JudgedSituation {
  readonly stops: Pick<UnitStops, 'command' | 'isWanted' | 'unstopped'>
  readonly attempt: StartAttempt | undefined
  /** Of a unit that stops without a command of the gateway. `failure`: why; undefined: it did not fail. */
  readonly outsideStop: { readonly failure: string | undefined } | undefined
  readonly run: ServiceRun | undefined
}

export type Meaning =
  | { readonly kind: 'nothing' }
  /** A unit that starts is up. */
  | { readonly kind: 'up' }
  /** A stop of the gateway's has come to its end. `isReplaced`: somebody has started the unit anew since. */
  | { readonly kind: 'stop_done'; readonly isReplaced: boolean }
  /** The unit stops without a command of the gateway. */
  | { readonly kind: 'stopping'; readonly failure: string | undefined }
  /** It is down without one. */
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly result: string }
  /** It has ended, and the manager or somebody else starts it again. */
  | { readonly kind: 'restarted' }
  /** The same, but the gateway is to stop it. */
  | { readonly kind: 'unwanted' }
  /** Somebody else has started it. */
  | { readonly kind: 'started' }

const nothing: Meaning = { kind: 'nothing' }

export function judgeReport(situation: JudgedSituation, report: UnitReport, nowMs: number): Meaning {
  const { stops, attempt, outsideStop, run } = situation
  if (stops.command !== undefined) {
    const sign = stops.command.judge(report, nowMs)
    return sign === 'pending' ? nothing : { kind: 'stop_done', isReplaced: sign === 'replaced' }
  }
  if (attempt !== undefined) {
    const sign = attempt.judge(report)
    return sign.kind === 'pending' ? nothing : sign
  }
  if (outsideStop !== undefined) return ofOutsideStop(outsideStop.failure, stops.isWanted, report)
  if (run !== undefined) return ofRun(run, stops.isWanted, report)
  const phase = phaseOf(report)
  const isStarted = (phase === 'up' || phase === 'coming') && report.invocation !== stops.unstopped
  return isStarted ? { kind: 'started' } : nothing
}

function ofRun({ invocation }: ServiceRun, isStopWanted: boolean, report: UnitReport): Meaning {
  const phase = phaseOf(report)
  if (phase === 'up' && report.invocation === invocation) return nothing
  const hasSucceeded = report.result === 'success'
  if (phase === 'going') return { kind: 'stopping', failure: hasSucceeded ? undefined : failureOf(report) }
  if (phase === 'down')
    return hasSucceeded ? { kind: 'stopped' } : { kind: 'failed', result: failureOf(report) }
  return { kind: isStopWanted ? 'unwanted' : 'restarted' }
}

function ofOutsideStop(failure: string | undefined, isStopWanted: boolean, report: UnitReport): Meaning {
  const phase = phaseOf(report)
  if (phase === 'going') return nothing
  if (phase === 'down') {
    // One that somebody stops may end with any status.
    const isStopped = failure === undefined || report.result === 'success'
    return isStopped ? { kind: 'stopped' } : { kind: 'failed', result: failureOf(report) }
  }
  // A crash that the manager answers with a restart leaves a command to stop in force; a person who restarts the unit does not.
  return { kind: isStopWanted && failure !== undefined ? 'unwanted' : 'restarted' }
}
