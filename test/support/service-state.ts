// A model server as its owner describes it, for tests of what shows it.
import type { ServiceState } from '../../src/upstream/services/services.ts'

/** Ready for three minutes, with two calls. */
export function serviceState(more: Partial<ServiceState> = {}): ServiceState {
  return {
    provider: 'qwen',
    unit: 'llama-server@qwen.service',
    group: 'gpu0',
    state: 'ready',
    sinceMs: Date.now() - 180_000,
    calls: 2,
    waiting: 0,
    memoryBytes: 4.5 * 2 ** 30,
    lastStartMs: 4_200,
    failure: undefined,
    retryAtMs: undefined,
    starts: 3,
    stops: 2,
    failures: 0,
    ...more,
  }
}
