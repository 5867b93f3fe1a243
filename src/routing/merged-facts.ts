// What several servers report of one model, as one: what a client may rely on whichever of them answers.
import type { ModelFact, ModelFacts } from '../domain.ts'

/** Undefined: one of them reports nothing, or they have nothing in common. */
export function mergedFacts(all: readonly (ModelFacts | undefined)[]): ModelFacts | undefined {
  const [first, ...others] = all
  return others.reduce((merged, each) => merged && each && joined(merged, each), first)
}

function joined(one: ModelFacts, other: ModelFacts): ModelFacts | undefined {
  const facts = Object.entries(one).flatMap(([name, fact]) => {
    const common = Object.hasOwn(other, name) ? commonOf(fact, other[name]!) : undefined
    return common === undefined ? [] : [[name, common] as const]
  })
  return facts.length === 0 ? undefined : Object.fromEntries(facts)
}

/** The smaller number, what two lists share, and `loaded` where one of them has the model loaded. */
function commonOf(one: ModelFact, other: ModelFact): ModelFact | undefined {
  if (one === other) return one
  if (typeof one === 'number') return typeof other === 'number' ? Math.min(one, other) : undefined
  if (typeof one === 'string') return [one, other].includes('loaded') ? 'loaded' : undefined
  if (typeof one === 'boolean') return typeof other === 'boolean' ? false : undefined
  if (isList(one)) return isList(other) ? one.filter((each) => other.includes(each)) : undefined
  return typeof other === 'object' && !isList(other) ? joined(one, other) : undefined
}

function isList(fact: ModelFact): fact is readonly string[] {
  return Array.isArray(fact)
}
