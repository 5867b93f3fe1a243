// Checks at the start which providers can be reached. One that cannot is a warning in the log: it may be started later.
import type { Config, ProviderConfig } from '../config/types.ts'
import type { Clock } from '../platform/clock.ts'
import { probe, type ProbeOutcome } from '../upstream/probe.ts'
import type { App } from './app.ts'

/** Of a response only the head counts. */
const request = { path: '/models', maxBytes: 0, timeoutMs: 2_000 }

/** Reports an event for each provider that neither discovery nor health checks ask anyway. */
export function checkProviders(
  { providers, events }: Pick<App, 'providers' | 'events'>,
  { providers: configs }: Config,
  clock: Pick<Clock, 'now' | 'setTimer'>,
): void {
  for (const [name, provider] of providers) {
    if (isPolled(configs.get(name)!)) continue
    probe(provider, request, clock, (outcome) => {
      const is_reachable = outcome.head !== undefined
      events.emit({ kind: 'provider_checked', provider: name, is_reachable, detail: detailOf(outcome) })
    })
  }
}

function isPolled(config: ProviderConfig): boolean {
  return config.kind === 'openai' && (config.discoverModels === true || config.healthCheck !== undefined)
}

function detailOf(outcome: ProbeOutcome): string {
  const status = outcome.head?.status
  if (outcome.kind === 'failed' && status === undefined) return outcome.failure.detail
  return status === 401 || status === 403 ? `responds, but rejects the key (${status})` : 'responds'
}
