// A call enters the service of its provider before it is sent there: the server may have to be started first, or others may have
// its place (upstream/services/).
import { GatewayError, shuttingDown } from '../errors.ts'
import type { NotStarted } from '../upstream/services/services.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'
import type { Reply, Snapshot } from './call.ts'
import type { Entry } from './coordinator.ts'
import type { CallRecord } from './record.ts'

/** @returns how the attempt has ended before it began; undefined: the call is in. */
export async function entered(
  entering: Promise<Entry>,
  { provider, reply }: { readonly provider: string; readonly reply: Reply },
  on: Pick<Snapshot, 'now'>,
  record: Pick<CallRecord, 'addStart' | 'startSinceMs'>,
): Promise<AttemptOutcome | undefined> {
  record.startSinceMs = on.now()
  const entry = await entering
  record.addStart(entry.waitedMs, on.now())
  if (reply.isGone || entry.kind === 'gone') return { kind: 'gone', wasSent: false }
  if (entry.kind === 'entered') return undefined
  const failed = { kind: 'failed', isStaleConnection: false, hasBegun: false } as const
  if (entry.kind === 'shutting_down') return { ...failed, error: shuttingDown() }
  const { failure } = entry
  return { ...failed, error: notStarted(provider, failure), retryAfterMs: failure.retryAfterMs }
}

/** With the unit and its result, and nothing of what the server wrote. */
export function notStarted(
  provider: string,
  { unit, result, group, retryAfterMs }: NotStarted,
): GatewayError {
  const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000))
  const what =
    result === 'busy'
      ? `The server of provider "${provider}" got no turn${group === undefined ? '' : ` in its group "${group}"`}: the others that run there were busy for as long as a call may wait.`
      : `The server of provider "${provider}" did not start: ${unit}, ${result}.`
  const message = `${what} Try again in ${seconds} s.`
  return new GatewayError('service_not_started', message, { headers: { 'retry-after': String(seconds) } })
}
