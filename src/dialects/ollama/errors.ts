// Errors as Ollama's own API writes them, for its clients: they print `error` as it is.
// https://docs.ollama.com/api/errors
import type { GatewayError } from '../../errors.ts'
import type { RenderedError } from '../dialect.ts'
import { retryHeaders } from '../retry-headers.ts'

/** The error as a response of its own. */
export function renderError(error: GatewayError): RenderedError {
  const body = errorBody(error.message)
  const headers = ['content-type', 'application/json; charset=utf-8', 'content-length', String(body.length)]
  headers.push('x-llm-gateway-error', error.code)
  const named = { ...error.headers, ...retryHeaders(error) }
  for (const [name, value] of Object.entries(named)) headers.push(name, value)
  return { status: error.status, headers, body }
}

export function errorBody(message: string): Buffer {
  return Buffer.from(JSON.stringify({ error: message }))
}
