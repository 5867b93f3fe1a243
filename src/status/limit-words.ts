// Limits and budgets in the words of the status page and of `llm-gateway status`.
import { durationText } from '../platform/duration.ts'
import type { LimitState } from './status-report.ts'

export const dimensionWords: Readonly<Record<LimitState['dimension'], string>> = {
  requests: 'requests per minute',
  tokens: 'tokens per minute',
  parallel: 'at the same time',
}

/** When there is room for one more call. */
export function roomText({ used, limit, frees_in_ms }: LimitState): string {
  if (frees_in_ms === null) return used < limit ? 'now' : 'when a call ends'
  return frees_in_ms === 0 ? 'now' : `in ${durationText(frees_in_ms)}`
}
