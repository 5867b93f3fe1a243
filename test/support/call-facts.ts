// The facts of a usual call, for tests of what becomes of them.
import type { CallFacts } from '../../src/observe/events/calls.ts'

/** A whole answer of 7 + 5 tokens. */
export function callFacts(more: Partial<CallFacts> = {}): CallFacts {
  return {
    event: 'call',
    request_id: 'r',
    client: 'user:ann',
    dialect: 'chat',
    route: undefined,
    model: 'm',
    asked: undefined,
    provider: 'p',
    target_model: 'm',
    fallback_model: undefined,
    passed_over: undefined,
    way: 'pass',
    earlier_ways: undefined,
    dropped: undefined,
    status: 200,
    stream: false,
    prompt_tokens: 7,
    completion_tokens: 5,
    cached_tokens: undefined,
    cache_write_tokens: undefined,
    reasoning_tokens: undefined,
    estimated: false,
    cost_nano: undefined,
    price: undefined,
    wait_ms: 0,
    first_byte_ms: 10,
    duration_ms: 20,
    gateway_ms: 0.2,
    attempts: 1,
    code: undefined,
    reason: undefined,
    provider_status: undefined,
    provider_code: undefined,
    provider_request_id: undefined,
    ...more,
  }
}
