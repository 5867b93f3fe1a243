// The order in which a call tries its targets. Pure: the state of the targets and a random number are arguments.
import type { Target } from '../domain.ts'

/** A target as it stands now. */
export interface Candidate {
  readonly target: Target
  /** Cooling targets come last, whatever their tier: they are tried only when nothing else is left. */
  readonly isReady: boolean
  /** For a target that is not ready: when it will be, in milliseconds of the monotonic clock. */
  readonly readyAtMs: number
  /** Open calls at the target's provider. */
  readonly busy: number
  /** A number that is the same for every call of a conversation and differs by target; 0 without affinity. */
  readonly affinity: number
}

/** A conversation's own server may be this much busier than the average of its tier before it is skipped. */
const maxImbalance = 1.25

/**
 * Ready targets tier by tier, then the cooling ones, the soonest ready first. Within a tier: the server that holds the
 * conversation's cache if its load allows (consistent hashing with bounded loads, https://arxiv.org/abs/1608.01350),
 * then the least busy by weight, ties broken by weighted chance.
 * @param roll from 0 to below 1; decides ties.
 */
export function orderTargets(candidates: readonly Candidate[], roll: number): Target[] {
  if (candidates.length === 1) return [candidates[0]!.target]
  const ready = candidates.filter(({ isReady }) => isReady)
  const tiers = [...new Set(ready.map(({ target }) => target.tier))].sort((one, other) => one - other)
  const ordered = tiers.flatMap((tier) =>
    orderTier(
      ready.filter(({ target }) => target.tier === tier),
      roll,
    ),
  )
  const cooling = candidates
    .filter(({ isReady }) => !isReady)
    .toSorted((one, other) => one.readyAtMs - other.readyAtMs)
  return [...ordered, ...cooling].map(({ target }) => target)
}

function orderTier(tier: readonly Candidate[], roll: number): Candidate[] {
  const left = [...tier]
  const ordered: Candidate[] = []
  const home = homeOf(tier)
  if (home !== undefined) ordered.push(...left.splice(left.indexOf(home), 1))
  while (left.length > 0) {
    const { index, restOfRoll } = leastBusy(left, roll)
    ordered.push(...left.splice(index, 1))
    roll = restOfRoll
  }
  return ordered
}

/** The target with the conversation's cache, unless it is too busy. */
function homeOf(tier: readonly Candidate[]): Candidate | undefined {
  const affine = tier.filter(({ affinity }) => affinity > 0)
  if (affine.length === 0) return undefined
  const home = affine.reduce((best, each) => (each.affinity > best.affinity ? each : best))
  const weights = sum(tier.map(({ target }) => target.weight))
  // Includes this call; otherwise an idle tier would have no capacity.
  const share = ((sum(tier.map(({ busy }) => busy)) + 1) * home.target.weight) / weights
  return home.busy + 1 <= Math.ceil(maxImbalance * share) ? home : undefined
}

/**
 * The index of the target with the least load for its weight; among equals, a random one by weight. The rest of the roll
 * decides on the next target; otherwise the same one would follow each time and receive all calls that its neighbour fails.
 */
function leastBusy(left: readonly Candidate[], roll: number): { index: number; restOfRoll: number } {
  const load = ({ busy, target }: Candidate) => busy / target.weight
  const least = Math.min(...left.map(load))
  const equals = left.filter((candidate) => load(candidate) === least)
  let rest = roll * sum(equals.map(({ target }) => target.weight))
  for (const candidate of equals) {
    const { weight } = candidate.target
    if (rest < weight) return { index: left.indexOf(candidate), restOfRoll: rest / weight }
    rest -= weight
  }
  // Reached only through rounding errors.
  return { index: left.indexOf(equals.at(-1)!), restOfRoll: roll }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
