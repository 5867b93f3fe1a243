// Which kinds of servers have llama.cpp's own routes, by the names of their formats.
import type { ProviderConfig } from '../../config/provider-types.ts'

type Kinds = ReadonlySet<ProviderConfig['kind']>

/** `openai`: any server may be behind that name, llama-swap for one. */
const llamaCpp: Kinds = new Set(['llama_cpp', 'openai'])
const both: Kinds = new Set(['llama_cpp', 'openai', 'vllm'])

const kinds: ReadonlyMap<string, Kinds> = new Map([
  ['apply_template', llamaCpp],
  ['detokenize', both],
  ['infill', llamaCpp],
  ['llama_completion', llamaCpp],
  ['tokenize', both],
])

/** Undefined: the format is none of these. */
export function kindsWith(format: string): Kinds | undefined {
  return kinds.get(format)
}
