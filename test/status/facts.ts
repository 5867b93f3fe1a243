// Facts of calls as they end, for tests of what the status page shows.
import type { CallFacts } from '../../src/observe/events/calls.ts'

const plain: CallFacts = {
  event: 'call',
  request_id: 'req_1',
  client: 'user:ann',
  dialect: 'chat',
  route: undefined,
  model: 'qwen',
  asked: undefined,
  provider: 'local',
  target_model: 'qwen3:8b',
  fallback_model: undefined,
  passed_over: undefined,
  way: 'pass',
  earlier_ways: undefined,
  dropped: undefined,
  status: 200,
  stream: true,
  prompt_tokens: 100,
  completion_tokens: 51,
  cached_tokens: undefined,
  cache_write_tokens: undefined,
  reasoning_tokens: undefined,
  estimated: false,
  cost_nano: undefined,
  price: undefined,
  wait_ms: 0,
  first_byte_ms: 90,
  first_token_ms: 100,
  prompt_per_second: 1_000,
  tokens_per_second: 50,
  duration_ms: 1100,
  gateway_ms: 1,
  attempts: 1,
  code: undefined,
  reason: undefined,
  provider_status: undefined,
  provider_code: undefined,
  provider_request_id: undefined,
}

/** A stream that went well, but for what the test says. */
export function factsOf(chosen: Partial<CallFacts> = {}): CallFacts {
  return { ...plain, ...chosen }
}
