// When to ask again after an exceeded limit, in the headers that OpenAI's and Anthropic's SDKs obey.
import type { GatewayError } from '../errors.ts'

/** For a call that can never fit, `x-should-retry: false`, which makes the SDKs give up. Empty without a limit. */
export function retryHeaders({ limit }: GatewayError): Record<string, string> {
  if (limit === undefined) return {}
  const { retryAfterMs } = limit
  if (retryAfterMs === undefined) return { 'x-should-retry': 'false' }
  return { 'retry-after': String(Math.ceil(retryAfterMs / 1000)), 'retry-after-ms': String(retryAfterMs) }
}
