// How fast a call was, from the facts of its end.
import type { CallFacts } from '../observe/events/calls.ts'

export interface CallRates {
  /** From the arrival of the request, in milliseconds; null: nothing was streamed. */
  readonly firstTokenMs: number | null
  /** Tokens of the prompt a second, until the first token. */
  readonly promptPerSecond: number | null
  /** Tokens of the answer a second, after the first one. */
  readonly tokensPerSecond: number | null
}

const unmeasured: CallRates = { firstTokenMs: null, promptPerSecond: null, tokensPerSecond: null }

/** Of answered streams: the pace of a whole response is not known. Estimated counts have no rates. */
export function ratesOf(call: CallFacts): CallRates {
  const { first_token_ms: firstTokenMs, stream, status, estimated } = call
  if (!stream || firstTokenMs === undefined || status >= 400) return unmeasured
  if (estimated === true) return { ...unmeasured, firstTokenMs }
  const { prompt_tokens: prompt, cached_tokens: cached = 0, completion_tokens: completion } = call
  const promptMs = firstTokenMs - call.wait_ms
  const restMs = call.duration_ms - firstTokenMs
  return {
    firstTokenMs,
    promptPerSecond: prompt === undefined ? null : rate(prompt - cached, promptMs),
    tokensPerSecond: completion === undefined ? null : rate(completion - 1, restMs),
  }
}

/** To a tenth; null: there is too little to measure. */
function rate(tokens: number, ms: number): number | null {
  return tokens < 1 || ms <= 0 ? null : Math.round((tokens * 10_000) / ms) / 10
}
