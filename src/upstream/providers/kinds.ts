// The kinds of providers, and which servers each may be.
import type { ProviderConfig } from '../../config/types.ts'
import { createErrorReader, type ErrorMeaning, type ErrorResponse } from './error-meaning.ts'
import { llamaCpp } from './llama-cpp.ts'
import { ollama } from './ollama.ts'
import { openAi } from './openai.ts'
import { vllm } from './vllm.ts'

/** What an error response of a kind of provider means; undefined: what its status says. */
export const errorReaders: Readonly<
  Record<ProviderConfig['kind'], (error: ErrorResponse) => ErrorMeaning | undefined>
> = {
  echo: createErrorReader([]),
  /** Any server that speaks OpenAI's protocol. */
  openai: createErrorReader([openAi, llamaCpp, ollama, vllm]),
}
