// Checks at the start which providers can be reached. One that cannot is a warning in the log: it may be started later.
// Nothing is sent: behind llama-swap, and on platforms that scale to zero, any request loads a model. One that is started when it is
// called need not run yet.
import type { Config } from '../config/types.ts'
import type { HttpProvider } from '../config/provider-types.ts'
import type { Clock } from '../platform/clock.ts'
import { tryConnection } from '../upstream/probe.ts'
import type { App } from './app.ts'

const timeoutMs = 2_000

/**
 * Reports an event for each provider that neither discovery nor health checks ask anyway, and that has no service.
 * @returns ends the reports.
 */
export function checkProviders(
  { events }: Pick<App, 'events'>,
  { providers }: Config,
  clock: Pick<Clock, 'setTimer'>,
): () => void {
  let isOver = false
  const report = (provider: string, is_reachable: boolean, detail: string) => {
    if (!isOver) events.emit({ kind: 'provider_checked', provider, is_reachable, detail })
  }
  for (const [name, config] of providers) {
    if (config.kind === 'echo') report(name, true, 'built in')
    else if (config.service === undefined && !isPolled(config)) {
      tryConnection(config, timeoutMs, clock, (failure) =>
        report(name, failure === undefined, failure?.detail ?? 'accepts connections'),
      )
    }
  }
  return () => {
    isOver = true
  }
}

function isPolled({ discoverModels, healthCheck }: HttpProvider): boolean {
  return discoverModels === true || healthCheck !== undefined
}
