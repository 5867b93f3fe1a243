// The pause before the same target is asked again.
import type { Reply, Snapshot } from './call.ts'
import type { RetryDecision } from './retry-rule.ts'

const firstBackoffMs = 200
const maxBackoffMs = 2_000
/** How often a server that loads its model is asked. Loading may take as long as a first byte may. */
const loadingPollMs = 1_000
/** However long such a server asks to wait. */
const maxLoadingPollMs = 10_000
/** How often a server that restarts is asked. A refused connection costs nothing. */
const restartPollMs = 500

export interface PauseInput {
  readonly decision: RetryDecision
  /** The server may be restarting (`Failure.refusedConnection`). */
  readonly refusedConnection: boolean
  /** Of the call so far, at least 1. */
  readonly attempts: number
  /** From 0 to below 1, at random. */
  readonly chance: number
  /** `routing.max_retry_wait_ms`: bounds the gateway's own pauses, but not what a provider asks for. */
  readonly maxRetryWaitMs: number
}

/** Doubles, less up to half of it at random, so that calls that failed together do not return together. */
export function pauseBefore({
  decision: { failureKind, retryAfterMs = 0 },
  refusedConnection,
  attempts,
  chance,
  maxRetryWaitMs,
}: PauseInput): number {
  if (failureKind === 'loading') return Math.min(maxLoadingPollMs, Math.max(loadingPollMs, retryAfterMs))
  const backoffMs = Math.min(maxBackoffMs, maxRetryWaitMs, firstBackoffMs * 2 ** (attempts - 1))
  const pauseMs = Math.max(retryAfterMs, backoffMs * (1 - chance / 2))
  return refusedConnection ? Math.max(firstBackoffMs / 2, Math.min(restartPollMs, pauseMs)) : pauseMs
}

/** Resolves to false, and at once, when the client leaves. */
export function pauseUnlessGone(
  delayMs: number,
  reply: Reply,
  on: Pick<Snapshot, 'setTimer'>,
): Promise<boolean> {
  if (reply.isGone) return Promise.resolve(false)
  return new Promise((resolve) => {
    const end = (isThere: boolean) => {
      stop()
      reply.onGone = undefined
      resolve(isThere)
    }
    const stop = on.setTimer(() => end(true), delayMs)
    const leave = () => end(false)
    reply.onGone = leave
  })
}
