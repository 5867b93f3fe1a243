// In which order a call tries its model's targets, by what is known of them now.
import type { Target } from '../domain.ts'
import type { ProviderLoad } from './load.ts'
import { orderTargets } from './pick-target.ts'
import type { TargetHealth } from './target-health.ts'

export interface TargetFacts {
  readonly health: Pick<TargetHealth, 'stateOf'>
  readonly load: Pick<ProviderLoad, 'of'>
  /** Whether a provider runs on this machine or its network, and so keeps the caches of its conversations itself. */
  readonly isLocal: (provider: string) => boolean
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  /** From 0 to below 1, at random. */
  readonly chance: () => number
}

/**
 * @param affinityKey of the conversation (`affinityKeyOf`); undefined if the order need not follow it.
 * @returns the same targets, the best first.
 */
export function chooseTargets(
  targets: readonly Target[],
  affinityKey: number | undefined,
  facts: TargetFacts,
): readonly Target[] {
  if (targets.length === 1) return targets
  const nowMs = facts.now()
  const candidates = targets.map((target) => {
    const { isReady, readyAtMs } = facts.health.stateOf(target, nowMs)
    // A cloud balances over servers of its own: which of its keys asks says nothing about its caches.
    const hasAffinity = affinityKey !== undefined && facts.isLocal(target.provider)
    const affinity = hasAffinity ? affinityOf(affinityKey, target) : 0
    return { target, isReady, readyAtMs, busy: facts.load.of(target.provider), affinity }
  })
  return orderTargets(candidates, facts.chance())
}

/**
 * A number that all turns of a conversation share.
 * @param promptPrefix the bytes with which each of its prompts begins.
 * @returns 32 bits; undefined for a prompt without bytes to go by.
 */
export function affinityKeyOf(promptPrefix: Buffer): number | undefined {
  return promptPrefix.length === 0 ? undefined : hashed(0x811c9dc5, promptPrefix)
}

/**
 * Rendezvous hashing: each conversation ranks the targets in its own order, and a target that comes or goes moves only
 * its own conversations; a heavier one wins more of them (https://www.ietf.org/archive/id/draft-ietf-bess-weighted-hrw-00.html).
 */
function affinityOf(affinityKey: number, { provider, model, weight }: Target): number {
  let hash = hashed(affinityKey, Buffer.from(`${provider}\n${model}`))
  // The last bytes alone would hardly change the upper bits, by which the ranks compare.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  const fraction = (((hash ^ (hash >>> 13)) >>> 0) + 1) / (2 ** 32 + 1)
  return weight / -Math.log(fraction)
}

/** FNV-1a, which is quick and good enough to spread; it goes on from the hash of the bytes before. */
function hashed(start: number, bytes: Buffer): number {
  let hash = start
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash
}
