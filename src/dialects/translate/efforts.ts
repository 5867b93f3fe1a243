// How much a model is to think, where a provider accepts only some efforts.
import { type Effort, efforts } from '../../config/provider-types.ts'

/** Weakest first. */
export const allEfforts: readonly Effort[] = efforts

/** @returns the same effort, the next weaker one that is accepted, or the weakest; undefined if none is. */
export function acceptedEffort(effort: Effort, accepted: readonly Effort[]): Effort | undefined {
  const strongest = allEfforts.indexOf(effort)
  const weaker = accepted.filter((each) => allEfforts.indexOf(each) <= strongest)
  const ranked = (some: readonly Effort[]) => allEfforts.filter((each) => some.includes(each))
  return ranked(weaker).at(-1) ?? ranked(accepted)[0]
}
