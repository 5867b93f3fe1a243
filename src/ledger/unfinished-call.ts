// A call that a budget applied to and whose process or thread has died: the row of its charge.
import type { SpendingCall } from '../domain.ts'
import { appendRow, type Cell } from './call-row.ts'

/** What it had reserved. */
export interface UnfinishedCall extends SpendingCall {
  /** What its client's budgets are counted by. Undefined: it has none of its own. */
  readonly scope: string | undefined
  readonly nano: number
  readonly promptTokens: number
  readonly tokens: number
}

/** Nobody saw its end, so that it has status 0. @param nowMs milliseconds since 1970. */
export function appendUnfinished(rows: Cell[], call: UnfinishedCall, nowMs: number): void {
  const { requestId, client, key, secret, via, dialect, model, scope, nano, promptTokens, tokens } = call
  const ended = {
    request_id: requestId,
    client,
    key,
    key_secret: secret,
    via,
    scope,
    dialect,
    model,
    provider: undefined,
    target_model: undefined,
    fallback_model: undefined,
    status: 0,
    code: 'unfinished',
    stream: false,
    prompt_tokens: Math.min(promptTokens, tokens),
    completion_tokens: Math.max(0, tokens - promptTokens),
    cached_tokens: undefined,
    cache_write_tokens: undefined,
    reasoning_tokens: undefined,
    estimated: true,
    cost_nano: nano > 0 ? nano : undefined,
    attempts: 1,
    wait_ms: 0,
    first_byte_ms: undefined,
    duration_ms: 0,
  }
  appendRow(rows, ended, nowMs)
}
