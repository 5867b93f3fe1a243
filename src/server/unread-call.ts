// A call whose client left before its body was read to the end, for the log.
import type { FastifyRequest } from 'fastify'
import { clientGoneStatus } from '../call/call.ts'
import type { CallFacts } from '../observe/events/calls.ts'

/**
 * @param times in milliseconds; `waitedMs`: of them, in line for a limit.
 * @returns undefined for a request that is not a call to a model.
 */
export function factsOfUnread(
  { id, client, routeOptions }: FastifyRequest,
  { waitedMs, durationMs }: { readonly waitedMs: number; readonly durationMs: number },
): CallFacts | undefined {
  const { dialect } = routeOptions.config
  if (dialect === undefined) return undefined
  return {
    ...nothingKnown,
    request_id: id,
    client: client.id,
    key: client.keyId === undefined ? undefined : client.terms?.name,
    key_secret: client.secretId,
    via: client.via,
    dialect: dialect.name,
    wait_ms: rounded(waitedMs),
    duration_ms: rounded(durationMs),
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100
}

const nothingKnown = {
  event: 'call',
  route: undefined,
  model: undefined,
  asked: undefined,
  provider: undefined,
  target_model: undefined,
  fallback_model: undefined,
  passed_over: undefined,
  way: undefined,
  earlier_ways: undefined,
  dropped: undefined,
  status: clientGoneStatus,
  stream: false,
  prompt_tokens: undefined,
  completion_tokens: undefined,
  cached_tokens: undefined,
  cache_write_tokens: undefined,
  reasoning_tokens: undefined,
  estimated: undefined,
  cost_nano: undefined,
  price: undefined,
  first_byte_ms: undefined,
  gateway_ms: 0,
  attempts: 0,
  code: undefined,
  reason: undefined,
  provider_status: undefined,
  provider_code: undefined,
  provider_request_id: undefined,
} as const
