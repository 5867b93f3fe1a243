// Gauges of the servers behind the gateway: what they report of themselves, and what waits for them.
import type { ModelReport } from '../admission/admission.ts'
import type { GaugeName, Reading } from '../observe/metrics/gauges.ts'
import { servedModels } from '../status/served-models.ts'
import type { GaugeSources } from './gauge-sources.ts'
import { targetsIn, waitingFor } from './waiting-for.ts'

/** Of one provider: clouds list hundreds of models, and report no state. */
const states = ['loaded', 'loading', 'unloaded', 'sleeping'] as const

/** @param reports of models that calls may wait for. */
export function serverReadings(
  { config, coordinator, discovered, routes }: GaugeSources,
  reports: readonly ModelReport[],
): [GaugeName, readonly Reading[]][] {
  const { serverFacts: facts } = coordinator
  const targets = Array.from(config.models.values(), (model) => model.targets).flat()
  const targetsOf = targetsIn(config, routes)
  const slots: Reading[] = []
  const lines: Reading[] = []
  const asleep: Reading[] = []
  const modelStates: Reading[] = []
  const contexts: Reading[] = []
  for (const { name, kind } of config.providers.values()) {
    if (kind === 'echo') continue
    const ofServer = facts.slotsOf(name)
    if (ofServer !== undefined) slots.push({ values: [name], value: ofServer })
    lines.push({ values: [name], value: waitingFor(name, reports, targetsOf) })
    asleep.push({ values: [name], value: facts.isSleeping(name) ? 1 : 0 })
    for (const { name: model, state, context_length: length } of servedModels(name, {
      targets,
      discovered,
      facts,
    })) {
      if (length !== null) contexts.push({ values: [name, model], value: length })
      if (state === null) continue
      for (const each of states) {
        modelStates.push({ values: [name, model, each], value: each === state ? 1 : 0 })
      }
    }
  }
  return [
    ['provider_slots', slots],
    ['provider_queue_length', lines],
    ['provider_sleeping', asleep],
    ['provider_model_state', modelStates],
    ['provider_context_tokens', contexts],
  ]
}
