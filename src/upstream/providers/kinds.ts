// The kinds of providers: how each is made, and which servers each may be.
import type { HttpProvider, ProviderConfig } from '../../config/types.ts'
import { createErrorReader, type ErrorReader } from '../error-meaning.ts'
import { createHttpProvider } from '../http-provider.ts'
import type { Provider } from '../provider.ts'
import { createEcho } from './echo.ts'
import { llamaCpp } from './llama-cpp.ts'
import { ollama } from './ollama.ts'
import { openAi } from './openai.ts'
import { vllm } from './vllm.ts'

export const errorReaders: Readonly<Record<HttpProvider['kind'], ErrorReader>> = {
  llama_cpp: createErrorReader([llamaCpp]),
  ollama: createErrorReader([ollama]),
  vllm: createErrorReader([vllm]),
  /** Any server that speaks OpenAI's protocol. */
  openai: createErrorReader([openAi, llamaCpp, ollama, vllm]),
}

/** @param userAgent is sent as `user-agent`. */
export function createProvider(config: ProviderConfig, userAgent: string): Provider {
  if (config.kind === 'echo') return createEcho(config.name)
  return createHttpProvider(config, userAgent, errorReaders[config.kind])
}
