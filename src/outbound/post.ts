// Messages to other servers: what was sent is taken by any status from 200 to 299. The URL may be a secret, as those of
// webhooks are, and so is in no fault.
import { parseDurationMs } from '../http/duration.ts'
import { exchange, type ExchangeLimits, type OutboundRequest } from './exchange.ts'

export type SendOutcome =
  | { readonly kind: 'taken'; readonly status: number; readonly text: string }
  | {
      readonly kind: 'refused'
      readonly status: number
      /** The beginning of what the server said: a text of others. */
      readonly text: string
      /** What it asked for, in milliseconds. Undefined: nothing. */
      readonly retryAfterMs: number | undefined
    }
  /** There was no whole response: why, in words that follow a colon. */
  | { readonly kind: 'failed'; readonly fault: string }

const usualLimits: ExchangeLimits = { maxBytes: 65_536, timeoutMs: 10_000, isCut: true }

/** Never rejects. @param nowMs since 1970, for a `retry-after` that is a date. */
export async function send(
  url: string,
  request: OutboundRequest,
  nowMs: number,
  limits: ExchangeLimits = usualLimits,
): Promise<SendOutcome> {
  const parsed = URL.parse(url)
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) return { kind: 'failed', fault: 'not a URL' }
  const outcome = await exchange(parsed, request, limits)
  if ('fault' in outcome) return { kind: 'failed', fault: outcome.fault }
  const { status, headers } = outcome
  const text = outcome.body.toString()
  if (status >= 200 && status <= 299) return { kind: 'taken', status, text }
  const after = [headers['retry-after']].flat()[0]
  const retryAfterMs = after === undefined ? undefined : parseDurationMs(after, { nowMs })
  return { kind: 'refused', status, text, retryAfterMs }
}

/** Posts JSON. @param token of `authorization: Bearer`; undefined: none. */
export function postJson(
  url: string,
  { body, token }: { readonly body: unknown; readonly token?: string | undefined },
  nowMs: number,
): Promise<SendOutcome> {
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'llm-gateway',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  }
  return send(url, { method: 'POST', headers, body: JSON.stringify(body) }, nowMs)
}

/** Why a message with this status was not accepted, in words that follow a colon. */
export function statusFault(status: number): string {
  const isRedirect = status >= 300 && status <= 399
  return isRedirect ? `status ${status}, and redirects are not followed` : `status ${status}`
}
