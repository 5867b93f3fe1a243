// In which order a call tries its model's targets, by what is known of them now and where earlier calls went.
import type { Target } from '../domain.ts'
import type { ProviderLoad } from './load.ts'
import { type Candidate, orderTargets } from './pick-target.ts'
import type { Placement, PlacementReason, Turn } from './placement.ts'
import type { TargetHealth } from './target-health.ts'

export interface TargetFacts {
  readonly placement: Placement
  readonly health: Pick<TargetHealth, 'stateOf'>
  readonly load: Pick<ProviderLoad, 'of'>
  /** Whether a provider runs on this machine or its network, and so keeps the caches of its conversations itself. */
  readonly isLocal: (provider: string) => boolean
  /** Whether a provider is known to speak a format, so that calls in it need no translation. */
  readonly hasShown: (provider: string, format: string) => boolean
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
  /** From 0 to below 1, at random. */
  readonly chance: () => number
}

/** A call that is to be placed. */
export interface Placed {
  /** The model or wildcard, never an alias. */
  readonly model: string
  readonly targets: readonly Target[]
  /** Of the conversation (`affinityKeyOf`); undefined if the order need not follow it. */
  readonly affinityKey: number | undefined
  /** Of the client. */
  readonly format: string
}

export interface Choice {
  /** The same targets, the best first. */
  readonly targets: readonly Target[]
  /** For `Placement.giveBack`, if the call is not admitted. Undefined: nothing was counted. */
  readonly turn: Turn | undefined
  /** Why the first of them is the first. */
  readonly reason: PlacementReason
}

/** Chooses among a model's targets, and counts the choice. */
export function chooseTargets({ model, targets, affinityKey, format }: Placed, facts: TargetFacts): Choice {
  if (targets.length === 1) return { targets, turn: undefined, reason: 'only' }
  const { health, load, placement, isLocal } = facts
  const nowMs = facts.now()
  const conversation = affinityKey === undefined ? undefined : `${affinityKey} ${model}`
  const home = conversation === undefined ? undefined : placement.homeOf(conversation)
  const credits = placement.creditsOf(model, targets.length)
  const candidates = targets.map((target, index) => {
    const { isReady, readyAtMs } = health.stateOf(target, nowMs)
    const isHome = home !== undefined && keyOf(target) === home
    const passes = facts.hasShown(target.provider, format)
    const busy = load.of(target.provider)
    return { target, isReady, readyAtMs, busy, isHome, passes, credit: credits[index]! }
  })
  const { targets: ordered, equals } = orderTargets(candidates, facts.chance())
  const [first] = ordered
  const isHomeReady = candidates.some(
    ({ isHome, isReady, target }) => isHome && isReady && target.tier <= first!.tier,
  )
  // A cloud balances over servers of its own: which of its keys asks says nothing about its caches.
  if (conversation !== undefined && !isHomeReady && isLocal(first!.provider)) {
    placement.setHome(conversation, keyOf(first!))
  }
  const reason = reasonFor(candidates, first!, equals)
  if (equals.length < 2) return { targets: ordered, turn: undefined, reason }
  const indexed = equals.map(({ target }) => ({ index: targets.indexOf(target), weight: target.weight }))
  const turn = { equals: indexed, chosen: targets.indexOf(first!) }
  return { targets: ordered, turn: placement.take(model, turn, targets.length), reason }
}

function reasonFor(
  candidates: readonly Candidate[],
  first: Target,
  equals: readonly Candidate[],
): PlacementReason {
  const ready = candidates.filter(({ isReady, target }) => isReady && target.tier === first.tier)
  if (!ready.some(({ target }) => target === first)) return 'cooling'
  if (ready.length === 1) return 'only'
  if (equals.length === 0) return 'cached'
  return equals.length === 1 ? 'least_busy' : 'turn'
}

/** Unambiguous, because a provider's name contains no line feed. */
function keyOf({ provider, model }: Target): string {
  return `${provider}\n${model}`
}

/**
 * A number that all turns of a conversation share.
 * @param promptPrefix the bytes with which each of its prompts begins.
 * @returns 32 bits; undefined for a prompt without bytes to go by.
 */
export function affinityKeyOf(promptPrefix: Buffer): number | undefined {
  return promptPrefix.length === 0 ? undefined : hashed(0x811c9dc5, promptPrefix)
}

/** FNV-1a, which is quick and good enough to spread; it goes on from the hash of the bytes before. */
function hashed(start: number, bytes: Buffer): number {
  let hash = start
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash
}
