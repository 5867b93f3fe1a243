// Gauges of the model servers that the gateway starts.
import type { GaugeName, Reading } from '../observe/metrics/gauges.ts'
import { serviceStates, type ServiceState } from '../upstream/services/services.ts'

export function serviceReadings(services: readonly ServiceState[]): [GaugeName, readonly Reading[]][] {
  return [
    [
      'service_state',
      services.flatMap(({ provider, state }) =>
        serviceStates.map((each) => ({ values: [provider, each], value: each === state ? 1 : 0 })),
      ),
    ],
    [
      'service_failing',
      services.map(({ provider, failure }) => ({ values: [provider], value: failure === undefined ? 0 : 1 })),
    ],
    ['service_waiting', services.map(({ provider, waiting }) => ({ values: [provider], value: waiting }))],
    [
      'service_memory_bytes',
      // One that does not run has no reading.
      services.map(({ provider, memoryBytes = NaN }) => ({ values: [provider], value: memoryBytes })),
    ],
  ]
}
