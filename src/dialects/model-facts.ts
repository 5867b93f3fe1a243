// What providers' lists report of a model, and which member of it answers a question.
import type { Ability, KnownModel, ModelFact, ModelFacts, ModelState } from '../domain.ts'

/** The length that a server was started with counts before what the model could take. */
const contextNames = [
  'max_model_len',
  'context_length',
  'context_window',
  'max_context_length',
  'max_input_tokens',
] as const

const outputNames = ['max_output_tokens', 'max_completion_tokens'] as const

/** In tokens; undefined if it is not known. */
export function contextLengthOf(facts: ModelFacts): number | undefined {
  return firstOf(membersOf(facts['meta']), ['n_ctx']) ?? firstOf(facts, contextNames)
}

/** The same facts with another context in each member that has one, else as `context_length`. @param tokens from 1. */
export function withContextLength(facts: ModelFacts, tokens: number): ModelFacts {
  const meta = membersOf(facts['meta'])
  const named = contextNames.filter((name) => typeof facts[name] === 'number')
  const isInMeta = typeof meta['n_ctx'] === 'number'
  const names = named.length > 0 || isInMeta ? named : ['context_length']
  return {
    ...facts,
    ...Object.fromEntries(names.map((name) => [name, tokens])),
    ...(isInMeta && { meta: { ...meta, n_ctx: tokens } }),
  }
}

/** Of one answer, in tokens; undefined if it is not known. */
export function maxOutputOf(facts: ModelFacts): number | undefined {
  return firstOf(facts, outputNames)
}

/** Unix time in seconds; undefined if it is not known. */
export function createdOf(facts: ModelFacts): number | undefined {
  return firstOf(facts, ['created'])
}

/** Whether the server has the model in memory; undefined if it is not known. */
function stateOf(facts: ModelFacts): ModelState | undefined {
  const { value } = membersOf(facts['status'])
  return states.find((state) => state === value)
}

const states: readonly ModelState[] = ['loaded', 'loading', 'unloaded', 'sleeping']

/** What the entry of a model says, as routing reads it. */
export function knownModelOf(facts: ModelFacts): KnownModel {
  return { contextLength: contextLengthOf(facts), takes: abilitiesOf(facts), state: stateOf(facts) }
}

/** What lists write of abilities, in whatever member. `completion` and the like mean text. */
const abilityWords: Readonly<Record<string, readonly Ability[]>> = {
  audio: ['audio'],
  chat: ['text'],
  completion: ['text'],
  completion_chat: ['text'],
  embedding: ['embedding'],
  embeddings: ['embedding'],
  function_calling: ['tools'],
  image: ['image'],
  reasoning: ['thinking'],
  text: ['text'],
  thinking: ['thinking'],
  tool_use: ['tools'],
  tools: ['tools'],
  vision: ['image'],
}

/**
 * What a model can do by a complete list of words, as Ollama has it: what is not in it, it lacks.
 * @returns undefined for a list that names none.
 */
export function abilitiesNamed(words: readonly string[]): ReadonlySet<Ability> | undefined {
  const named = words.flatMap((word) => (Object.hasOwn(abilityWords, word) ? abilityWords[word]! : []))
  return named.length === 0 ? undefined : new Set(named)
}

/** What inputs say nothing of. */
const otherAbilities = ['tools', 'thinking', 'embedding'] as const

/** Undefined: the entry does not say which inputs the model has. */
function abilitiesOf(facts: ModelFacts): ReadonlySet<Ability> | undefined {
  const inputs = membersOf(facts['architecture'])['input_modalities'] ?? facts['input_modalities']
  if (!isList(inputs) || inputs.length === 0) return undefined
  return new Set([...(abilitiesNamed(inputs) ?? []), ...otherAbilities])
}

function isList(fact: ModelFact | undefined): fact is readonly string[] {
  return Array.isArray(fact)
}

function membersOf(fact: ModelFact | undefined): ModelFacts {
  return typeof fact === 'object' && !isList(fact) ? fact : {}
}

/** Zeros stand for what a server does not know. */
function firstOf(facts: ModelFacts, names: readonly string[]): number | undefined {
  for (const name of names) {
    const value = facts[name]
    if (typeof value === 'number' && value > 0) return value
  }
  return undefined
}
