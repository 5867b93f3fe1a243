// Which of a model's targets a call tries, and in which order, by what is known of them now.
import type { ModelRequest } from '../dialects/request.ts'
import type { Target } from '../domain.ts'
import { orderTargets } from '../routing/pick-target.ts'
import type { Route } from '../routing/route-table.ts'
import type { Snapshot } from './call.ts'

export function chooseTargets(
  { targets }: Route,
  request: ModelRequest,
  on: Pick<Snapshot, 'providers' | 'health' | 'load' | 'now' | 'chance'>,
): readonly Target[] {
  if (targets.length === 1) return targets
  const nowMs = on.now()
  const candidates = targets.map((target) => {
    const { isReady, readyAtMs } = on.health.stateOf(target, nowMs)
    const isLocal = on.providers.get(target.provider)?.isLocal === true
    // A cloud balances over servers of its own: which of its keys asks says nothing about its caches.
    const affinity = isLocal ? affinityOf(request.promptPrefix, target) : 0
    return { target, isReady, readyAtMs, busy: on.load.of(target.provider), affinity }
  })
  return orderTargets(candidates, on.chance())
}

/**
 * Rendezvous hashing: each conversation ranks the targets in its own order, and a target that comes or goes moves only
 * its own conversations; a heavier one wins more of them (https://www.ietf.org/archive/id/draft-ietf-bess-weighted-hrw-00.html).
 * FNV-1a, which is quick and good enough to spread.
 */
function affinityOf(promptPrefix: Buffer, { provider, model, weight }: Target): number {
  if (promptPrefix.length === 0) return 0
  let hash = 0x811c9dc5
  for (const byte of promptPrefix) hash = Math.imul(hash ^ byte, 0x01000193)
  for (const byte of Buffer.from(`${provider}\n${model}`)) hash = Math.imul(hash ^ byte, 0x01000193)
  // The last bytes alone would hardly change the upper bits, by which the ranks compare.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  const fraction = (((hash ^ (hash >>> 13)) >>> 0) + 1) / (2 ** 32 + 1)
  return weight / -Math.log(fraction)
}
