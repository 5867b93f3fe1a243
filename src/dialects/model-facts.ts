// The numbers that providers' lists report of a model, and which of them answers a client's question.

/** `created`, the lengths of contexts and outputs, and some of llama.cpp's `meta`, under the names that providers use. */
export type ModelFacts = Readonly<Record<string, number | Readonly<Record<string, number>>>>

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
  const { meta } = facts
  const loaded = typeof meta === 'object' ? meta['n_ctx'] : undefined
  return loaded ?? firstOf(facts, contextNames)
}

/** Of one answer, in tokens; undefined if it is not known. */
export function maxOutputOf(facts: ModelFacts): number | undefined {
  return firstOf(facts, outputNames)
}

/** Unix time in seconds; undefined if it is not known. */
export function createdOf(facts: ModelFacts): number | undefined {
  return firstOf(facts, ['created'])
}

/** Zeros stand for what a server does not know. */
function firstOf(facts: ModelFacts, names: readonly string[]): number | undefined {
  for (const name of names) {
    const value = facts[name]
    if (typeof value === 'number' && value > 0) return value
  }
  return undefined
}
