// What errors mean in any format, and the type that a client of OpenAI expects for a status.
// https://platform.openai.com/docs/guides/error-codes
import { GatewayError } from '../../errors.ts'
import type { ErrorFields } from '../dialect.ts'

const openAiTypes: ReadonlyMap<number, string> = new Map([
  [401, 'authentication_error'],
  [403, 'permission_error'],
  [429, 'rate_limit_error'],
])

/** OpenAI's type for a status from 400 on. */
export function openAiErrorType(status: number): string {
  return openAiTypes.get(status) ?? (status < 500 ? 'invalid_request_error' : 'server_error')
}

/** The provider's response breaks its format, or is not complete. */
export function badResponse(message: string): GatewayError {
  return new GatewayError('provider_bad_response', message)
}

/** As servers without a code of their own report it: vLLM, SGLang, Ollama, llama.cpp, LM Studio, Anthropic. */
const overflowWords =
  /maximum context length|context (?:length|window|size).{0,40}(?:exceed|too)|exceeds?.{0,60}context (?:length|limit|window|size)|(?:prompt|input|request) is too long|longer than the model's context/i

/** Whether a provider's error says that the prompt does not fit into the model's context. */
export function isContextOverflow({ message, type, code }: ErrorFields): boolean {
  if (code === 'context_length_exceeded' || type === 'exceed_context_size_error') return true
  return overflowWords.test(message)
}
