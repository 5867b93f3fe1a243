// Limits and budgets in the words of the status page and of `llm-gateway status`.
import { durationText } from '../platform/duration.ts'
import type { LimitState } from './status-report.ts'

export const dimensionWords: Readonly<Record<LimitState['dimension'], string>> = {
  requests: 'requests per minute',
  tokens: 'tokens per minute',
  parallel: 'at the same time',
}

/** When there is room for one more call. A gateway of an older version does not say where all slots are taken. */
export function roomText({ used, limit, frees_in_ms, full_at }: LimitState): string {
  if (frees_in_ms) return `in ${durationText(frees_in_ms)}`
  if (full_at) return `when a call at ${full_at} ends`
  return frees_in_ms === 0 || used < limit ? 'now' : 'when a call ends'
}
