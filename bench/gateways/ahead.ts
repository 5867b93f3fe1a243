// Ours against those that people pick in its place: for each figure the best of them, who is ahead, and by how much.
import type { Figure, Sample } from './figure.ts'
import { type Spread, spreadOf } from './statistics.ts'
import { hasFailed, ratiosOf, valuesOf } from './targets.ts'

export interface Standing {
  readonly figure: Figure
  /** The rival whose median is best, of those that failed no call in it. */
  readonly best: string
  readonly theirs: number
  readonly ours: number
  /**
   * How many times as good ours is, round by round, whichever way the figure counts: above 1 ours is ahead. Undefined
   * where a value is not above 0.
   */
  readonly lead: Spread | undefined
  /** Calls of ours failed: whatever they cost, ours is behind a rival that failed none. */
  readonly hasFailed: boolean
  readonly leader: 'ours' | 'theirs' | 'nobody'
}

/** Figures that ours and at least one rival have, in their order, without those that say nothing of who is better. */
export function standingsOf(
  figures: readonly Figure[],
  samples: readonly Sample[],
  own: string,
  rivals: readonly string[],
): Standing[] {
  return figures.flatMap((figure) => {
    if (figure.isContext === true) return []
    const ours = medianOf(samples, figure, own)
    const [best] = rivals
      .filter((name) => !hasFailed(samples, figure.id, name))
      .flatMap((name) => {
        const median = medianOf(samples, figure, name)
        return median === undefined ? [] : [{ name, median }]
      })
      .toSorted((one, other) => (isBetter(figure, one.median, other.median) ? -1 : 1))
    if (ours === undefined || best === undefined) return []
    return [standingOf(figure, samples, { own, ours, best })]
  })
}

interface Pair {
  readonly own: string
  readonly ours: number
  readonly best: { readonly name: string; readonly median: number }
}

function standingOf(figure: Figure, samples: readonly Sample[], { own, ours, best }: Pair): Standing {
  const [mine, theirs] = [own, best.name].map((name) => valuesOf(samples, figure.id, name))
  const isPositive = [...mine!.values(), ...theirs!.values()].every((value) => value > 0)
  const more = figure.isMoreBetter === true
  const lead = isPositive ? ratiosOf(more ? mine! : theirs!, more ? theirs! : mine!) : undefined
  // Where each was better in some round, neither is ahead.
  const isEven = ours === best.median || (lead !== undefined && lead.min <= 1 && lead.max >= 1)
  const better = isEven ? 'nobody' : isBetter(figure, ours, best.median) ? 'ours' : 'theirs'
  const isFailing = hasFailed(samples, figure.id, own)
  const leader = isFailing ? 'theirs' : better
  return { figure, best: best.name, theirs: best.median, ours, lead, hasFailed: isFailing, leader }
}

function isBetter({ isMoreBetter }: Figure, one: number, other: number): boolean {
  return isMoreBetter === true ? one > other : one < other
}

function medianOf(samples: readonly Sample[], { id }: Figure, name: string): number | undefined {
  const values = [...valuesOf(samples, id, name).values()]
  return values.length === 0 ? undefined : spreadOf(values).median
}
