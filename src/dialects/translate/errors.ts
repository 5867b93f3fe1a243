// The type of an error, which a client of either API expects to match the status.
// https://docs.claude.com/en/api/errors, https://platform.openai.com/docs/guides/error-codes
import type { ErrorFields } from '../dialect.ts'

const messagesTypes: ReadonlyMap<number, string> = new Map([
  [401, 'authentication_error'],
  [402, 'billing_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [409, 'conflict_error'],
  [413, 'request_too_large'],
  [429, 'rate_limit_error'],
  [503, 'overloaded_error'],
  [504, 'timeout_error'],
  [529, 'overloaded_error'],
])

/** Anthropic's type for a status from 400 on. */
export function messagesErrorType(status: number): string {
  return messagesTypes.get(status) ?? (status < 500 ? 'invalid_request_error' : 'api_error')
}

const openAiTypes: ReadonlyMap<number, string> = new Map([
  [401, 'authentication_error'],
  [403, 'permission_error'],
  [429, 'rate_limit_error'],
])

/** OpenAI's type for a status from 400 on. */
export function openAiErrorType(status: number): string {
  return openAiTypes.get(status) ?? (status < 500 ? 'invalid_request_error' : 'server_error')
}

/** As servers without a code of their own report it: vLLM, SGLang, Ollama, llama.cpp, LM Studio, Anthropic. */
const overflowWords =
  /maximum context length|context (?:length|window|size).{0,40}(?:exceed|too)|exceeds?.{0,60}context (?:length|window|size)|(?:prompt|input|request) is too long|longer than the model's context/i

/** Whether a provider's error says that the prompt does not fit into the model's context. */
export function isContextOverflow({ message, type, code }: ErrorFields): boolean {
  if (code === 'context_length_exceeded' || type === 'exceed_context_size_error') return true
  return overflowWords.test(message)
}
