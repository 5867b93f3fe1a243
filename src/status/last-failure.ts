// The last failed call, with what has become of the calls after it.
import { calledName } from './called-name.ts'
import { hasFailed } from './failed-call.ts'
import { outcomeText, outcomeTone } from './outcome-words.ts'
import type { LastFailure, RecentCall } from './status-report.ts'

/** A failure counts as the last one for this long. */
const recentMs = 24 * 3_600_000

/** A fault that goes on is told before refusals of requests that come so soon after it. */
const faultFirstMs = 15 * 60_000

/** @param recent calls that have ended, the newest first. @param nowMs milliseconds since 1970. */
export function lastFailure(recent: readonly RecentCall[], nowMs: number): LastFailure | null {
  const at = indexOfLast(recent)
  const call = recent[at]
  if (call === undefined || Date.parse(call.at) < nowMs - recentMs) return null
  const { id, client, status, code, reason, fix } = call
  const later = recent.slice(0, at).filter(({ outcome }) => outcome === 'ok')
  const place = placeOf(call)
  const there = later.filter((each) => isThere(each, call)).length
  const where = place === '' || there === later.length ? '' : `, ${there || 'none'}${place}`
  return {
    id,
    at: call.at,
    client,
    status,
    code,
    severity: isBad(call) && there === 0 ? 'critical' : 'warning',
    what: `${calledName(call) ?? 'A call'}${isOfAll(call) ? '' : place}: ${outcomeText(call)}`,
    why: reason,
    fix,
    after:
      later.length === 0
        ? 'No call has succeeded since.'
        : `${later.length} ${later.length === 1 ? 'call' : 'calls'} succeeded since${where}.`,
  }
}

function indexOfLast(recent: readonly RecentCall[]): number {
  const newest = recent.findIndex(hasFailed)
  if (newest === -1 || isBad(recent[newest]!)) return newest
  const at = recent.findIndex((call) => hasFailed(call) && isBad(call))
  const fault = recent[at]
  if (fault === undefined) return newest
  const isOld = Date.parse(fault.at) < Date.parse(recent[newest]!.at) - faultFirstMs
  const isOver = recent.slice(0, at).some((each) => each.outcome === 'ok' && isThere(each, fault))
  return isOld || isOver ? newest : at
}

/** A provider or the gateway is at fault. */
function isBad(call: RecentCall): boolean {
  return outcomeTone(call) === 'bad'
}

/** No single provider is at fault. */
function isOfAll({ outcome }: RecentCall): boolean {
  return outcome === 'no_target'
}

function placeOf(call: RecentCall): string {
  if (isOfAll(call)) return ` for ${nameOf(call)}`
  return call.provider === null ? '' : ` at ${call.provider}`
}

/** Whether another call shows something of where this one has failed. */
function isThere(other: RecentCall, failed: RecentCall): boolean {
  return isOfAll(failed) ? nameOf(other) === nameOf(failed) : other.provider === failed.provider
}

function nameOf({ asked, model }: RecentCall): string | null {
  return asked ?? model
}
