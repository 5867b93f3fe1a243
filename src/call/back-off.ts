// The pause before the same target is asked again.
import type { Reply, Snapshot } from './call.ts'
import type { RetryDecision } from './retry-rule.ts'

/** The longest pause; a provider that asks for more is not waited for, and the client gets its response. */
export const maxRetryWaitMs = 10_000
const firstBackoffMs = 200
const maxBackoffMs = 2_000
/** How often a server that loads its model is asked. Loading may take as long as a first byte may. */
const loadingPollMs = 1_000

/** Doubles, less up to half of it at random, so that calls that failed together do not return together. */
export function pauseBefore(
  { failureKind, retryAfterMs }: RetryDecision,
  attempts: number,
  chance: number,
): number {
  if (failureKind === 'loading') return Math.min(maxRetryWaitMs, Math.max(loadingPollMs, retryAfterMs ?? 0))
  const backoffMs = Math.min(maxBackoffMs, firstBackoffMs * 2 ** (attempts - 1))
  return Math.max(retryAfterMs ?? 0, backoffMs * (1 - chance / 2))
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
