// How much a model is to think, where a provider accepts only some efforts.
import type { Effort } from '../../config/types.ts'

/** Weakest first. */
export const allEfforts: readonly Effort[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']

/** @returns the same effort, the next weaker one that is accepted, or the weakest; undefined if none is. */
export function acceptedEffort(effort: Effort, accepted: readonly Effort[]): Effort | undefined {
  const strongest = allEfforts.indexOf(effort)
  const weaker = accepted.filter((each) => allEfforts.indexOf(each) <= strongest)
  const ranked = (efforts: readonly Effort[]) => allEfforts.filter((each) => efforts.includes(each))
  return ranked(weaker).at(-1) ?? ranked(accepted)[0]
}
