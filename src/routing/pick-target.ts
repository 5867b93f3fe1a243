// The order in which a call tries its targets. Pure: the state of the targets, what they are owed and a random number are
// arguments.
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
  /** What the call is expected to take or to cost there, in a measure that is the same for a whole tier. 0: not compared. */
  readonly cost: number
  /** Whether the call can pass there as it is, and needs no translation. */
  readonly passes: boolean
  /** How much the target is owed (`Placement`). */
  readonly credit: number
}

export interface Order {
  readonly targets: readonly Target[]
  /** The candidates that were equally good when the first target was chosen among them by turns. */
  readonly equals: readonly Candidate[]
}

/**
 * Ready targets tier by tier, then the cooling ones, the soonest ready first. Within a tier: the one with the lowest cost, of
 * equals the least busy by weight, of those the ones that need no translation; among equals the first by what they are owed,
 * the ones after it by weighted chance.
 * @param roll from 0 to below 1.
 */
export function orderTargets(candidates: readonly Candidate[], roll: number): Order {
  const ready = candidates.filter(({ isReady }) => isReady)
  const tiers = [...new Set(ready.map(({ target }) => target.tier))].sort((one, other) => one - other)
  const ordered = tiers.map((tier) =>
    orderTier(
      ready.filter(({ target }) => target.tier === tier),
      roll,
    ),
  )
  const cooling = candidates
    .filter(({ isReady }) => !isReady)
    .toSorted((one, other) => one.readyAtMs - other.readyAtMs)
  const all = [...ordered.flatMap((tier) => tier.ordered), ...cooling]
  return { targets: all.map(({ target }) => target), equals: ordered[0]?.equals ?? [] }
}

function orderTier(
  tier: readonly Candidate[],
  roll: number,
): { ordered: Candidate[]; equals: readonly Candidate[] } {
  const equals = best(tier)
  const first = mostOwed(equals)
  const ordered = [first]
  const left = tier.filter((each) => each !== first)
  while (left.length > 0) {
    const { chosen, restOfRoll } = byChance(best(left), roll)
    ordered.push(...left.splice(left.indexOf(chosen), 1))
    roll = restOfRoll
  }
  return { ordered, equals }
}

/** Costs are estimates: they are equal if they differ by less than this share of the larger one. */
const sameCost = 0.02

/** Those with the lowest cost; of these the least busy for their weight; of these, if there are any, those that pass. */
function best(candidates: readonly Candidate[]): Candidate[] {
  const lowest = Math.min(...candidates.map(({ cost }) => cost))
  const cheapest = candidates.filter(({ cost }) => cost - lowest <= cost * sameCost)
  const load = ({ busy, target }: Candidate) => busy / target.weight
  const least = Math.min(...cheapest.map(load))
  const equals = cheapest.filter((candidate) => load(candidate) === least)
  const passing = equals.filter(({ passes }) => passes)
  return passing.length > 0 ? passing : equals
}

function mostOwed(equals: readonly Candidate[]): Candidate {
  const due = ({ credit, target }: Candidate) => credit + target.weight
  return equals.reduce((first, each) => (due(each) > due(first) ? each : first))
}

/**
 * One of these at random, by weight. The rest of the roll decides on the next one; otherwise the same one would follow each
 * time and receive all calls that its neighbour fails.
 */
function byChance(equals: readonly Candidate[], roll: number): { chosen: Candidate; restOfRoll: number } {
  let rest = roll * sum(equals.map(({ target }) => target.weight))
  for (const candidate of equals) {
    const { weight } = candidate.target
    if (rest < weight) return { chosen: candidate, restOfRoll: rest / weight }
    rest -= weight
  }
  // Reached only through rounding errors.
  return { chosen: equals.at(-1)!, restOfRoll: roll }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
