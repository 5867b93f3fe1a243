// The pause before the same target is asked again.
import type { Reply, Snapshot } from './call.ts'
import type { Verdict } from './retry-rule.ts'

/** A provider that wants to be asked later than this is not waited for; the client gets its answer. */
export const maxRetryWaitMs = 10_000
const firstBackoffMs = 200
const maxBackoffMs = 2_000
/** How often a server is asked that is loading its model. It may take as long as a first byte may. */
const loadingPollMs = 1_000

/** Doubling, with up to half of it left to chance, so that calls that failed together do not return together. */
export function waitBefore({ trouble, retryAfterMs }: Verdict, attempts: number, chance: number): number {
  if (trouble === 'loading') return Math.min(maxRetryWaitMs, Math.max(loadingPollMs, retryAfterMs ?? 0))
  const backoffMs = Math.min(maxBackoffMs, firstBackoffMs * 2 ** (attempts - 1))
  return Math.max(retryAfterMs ?? 0, backoffMs * (1 - chance / 2))
}

/** False when the client left meanwhile; then at once. */
export function hasWaited(delayMs: number, reply: Reply, on: Pick<Snapshot, 'setTimer'>): Promise<boolean> {
  if (reply.isGone) return Promise.resolve(false)
  return new Promise((resolve) => {
    const stop = on.setTimer(() => {
      reply.onGone = undefined
      resolve(true)
    }, delayMs)
    reply.onGone = () => {
      stop()
      resolve(false)
    }
  })
}
