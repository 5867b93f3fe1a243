// What of an entry of a provider's list passes on to clients: a list of members, with bounds. An entry may hold anything
// else, such as the command lines and paths of llama.cpp's router (`status.args`, `status.preset`).
import type { ModelFact, ModelFacts } from '../../domain.ts'
import { type JsonObject, membersOf } from '../../bytes/json/parse.ts'

type Reader = (value: unknown) => ModelFact | undefined

/**
 * When a model was made, and how many tokens it takes and gives, as vLLM, Groq, Mistral, LM Studio, OpenRouter, Together and
 * GitHub name them; llama.cpp's `meta`, its router's and llama-swap's `status`; inputs and outputs as llama.cpp and OpenRouter
 * write them; abilities as Ollama and Mistral do.
 */
const readers: Readonly<Record<string, Reader>> = {
  architecture: (value) => read(value, { input_modalities: words, output_modalities: words }),
  capabilities: (value) => words(value) ?? flags(value),
  context_length: count,
  context_window: count,
  created: count,
  input_modalities: words,
  max_completion_tokens: count,
  max_context_length: count,
  max_input_tokens: count,
  max_model_len: count,
  max_output_tokens: count,
  meta: (value) => read(value, { n_ctx: count, n_ctx_train: count, n_params: count }),
  output_modalities: words,
  status: (value) => read(value, { value: word }),
}

/** Undefined: the entry says nothing that passes. */
export function factsIn(entry: JsonObject): ModelFacts | undefined {
  const facts = read(entry, readers)
  const created = facts?.['created'] ?? secondsOf(entry['created_at'])
  return created === undefined ? facts : { ...facts, created }
}

function read(value: unknown, of: Readonly<Record<string, Reader>>): ModelFacts | undefined {
  const members = membersOf(value)
  const facts: Record<string, ModelFact> = {}
  for (const [name, reader] of Object.entries(of)) {
    const fact = Object.hasOwn(members, name) ? reader(members[name]) : undefined
    if (fact !== undefined) facts[name] = fact
  }
  return Object.keys(facts).length === 0 ? undefined : facts
}

/** A whole number. */
function count(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined
}

/** Of a fixed vocabulary: no text, no path. */
function word(value: unknown): string | undefined {
  return typeof value === 'string' && /^[a-z][a-z0-9_-]{0,31}$/i.test(value) ? value : undefined
}

const maxWords = 16

function words(value: unknown): readonly string[] | undefined {
  return Array.isArray(value)
    ? value.slice(0, maxWords).filter((each) => word(each) !== undefined)
    : undefined
}

function flags(value: unknown): ModelFacts | undefined {
  const all = Object.entries(membersOf(value)).slice(0, maxWords)
  const kept = all.filter((each): each is [string, boolean] => word(each[0]) !== undefined && isFlag(each[1]))
  return kept.length === 0 ? undefined : Object.fromEntries(kept)
}

function isFlag(value: unknown): value is boolean {
  return typeof value === 'boolean'
}

/** Anthropic writes the time as a text. */
function secondsOf(time: unknown): number | undefined {
  const ms = typeof time === 'string' ? Date.parse(time) : Number.NaN
  return ms >= 0 ? Math.floor(ms / 1000) : undefined
}
