// The models of a provider as the status page shows them.
import type { Target } from '../domain.ts'
import type { Discovered } from '../routing/discovered-names.ts'
import type { ServerFacts } from '../routing/server-facts.ts'
import { shownText } from './shown-text.ts'
import type { ServedModel } from './status-report.ts'

/** Clouds list hundreds. */
const maxServed = 50

export interface ServedSources {
  /** Of all models of the configuration. */
  readonly targets: readonly Pick<Target, 'provider' | 'model'>[]
  readonly discovered: Discovered
  readonly facts: Pick<ServerFacts, 'modelOf'>
}

/** Those of the configuration, then those that the provider lists. */
export function servedModels(provider: string, { targets, discovered, facts }: ServedSources): ServedModel[] {
  const configured = targets.filter((target) => target.provider === provider && !target.model.includes('*'))
  const listed = discovered.get(provider) ?? []
  const names = new Set([...configured.map(({ model }) => model), ...listed.map(({ id }) => id)])
  return Array.from(names)
    .slice(0, maxServed)
    .map((name) => {
      const { contextLength = null, state = null, takes } = facts.modelOf(provider, name)
      return {
        name: shownText(name),
        context_length: contextLength,
        state,
        takes: takes === undefined ? null : [...takes],
      }
    })
}
