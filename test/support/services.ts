// Providers whose servers are started on demand, in a configuration that was loaded without.
import type { ServiceConfig } from '../../src/config/service-types.ts'
import type { Config } from '../../src/config/types.ts'

/** By provider. */
export type ServiceSettings = Readonly<Record<string, Partial<ServiceConfig>>>

const usual = { startTimeoutMs: 10_000, isKept: false, startsAtBoot: false, whenStarting: 'wait' } as const

/** The same configuration, where these providers have services. */
export function withServices(config: Config, services: ServiceSettings): Config {
  const providers = Array.from(config.providers, ([name, provider]) => {
    const settings = services[name]
    if (settings === undefined || provider.kind === 'echo') return [name, provider] as const
    return [name, { ...provider, service: { unit: `${name}.service`, ...usual, ...settings } }] as const
  })
  return { ...config, providers: new Map(providers) }
}
