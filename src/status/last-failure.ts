// The last failed call, with what has become of the calls after it.
import { hasFailed } from './failed-call.ts'
import { outcomeWords, spaced } from './outcome-words.ts'
import type { LastFailure, RecentCall } from './status-report.ts'

/** A failure counts as the last one for this long. */
const recentMs = 24 * 3_600_000

/** @param recent calls that have ended, the newest first. @param nowMs milliseconds since 1970. */
export function lastFailure(recent: readonly RecentCall[], nowMs: number): LastFailure | null {
  const at = recent.findIndex(hasFailed)
  const call = recent[at]
  if (call === undefined || Date.parse(call.at) < nowMs - recentMs) return null
  const [tone, words = spaced(call.outcome)] = outcomeWords[call.outcome] ?? ['warn']
  const { id, client, provider, status, code, reason, fix } = call
  const later = recent.slice(0, at).filter(({ outcome }) => outcome === 'ok')
  const there = later.filter((each) => each.provider === provider).length
  const where = provider === null || there === later.length ? '' : `, ${there || 'none'} at ${provider}`
  return {
    id,
    at: call.at,
    client,
    status,
    code,
    severity: tone === 'bad' && there === 0 ? 'critical' : 'warning',
    what: `${call.model ?? 'A call'}${provider === null ? '' : ` at ${provider}`}: ${words}`,
    why: reason,
    fix,
    after:
      later.length === 0
        ? 'No call has succeeded since.'
        : `${later.length} ${later.length === 1 ? 'call' : 'calls'} succeeded since${where}.`,
  }
}
