// Errors that a translation writes itself, and the type that a client of OpenAI expects for a status.
// https://platform.openai.com/docs/guides/error-codes
import { GatewayError } from '../../errors.ts'

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
