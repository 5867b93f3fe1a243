// Facts of calls as they end, for tests of what the status page shows.
import type { CallFacts } from '../../src/observe/events/calls.ts'
import { callFacts } from '../support/call-facts.ts'

/** A stream that went well, but for what the test says. */
export function factsOf(chosen: Partial<CallFacts> = {}): CallFacts {
  return callFacts({
    request_id: 'req_1',
    model: 'qwen',
    provider: 'local',
    target_model: 'qwen3:8b',
    stream: true,
    prompt_tokens: 100,
    completion_tokens: 51,
    first_byte_ms: 90,
    first_token_ms: 100,
    prompt_per_second: 1_000,
    tokens_per_second: 50,
    duration_ms: 1100,
    gateway_ms: 1,
    ...chosen,
  })
}
