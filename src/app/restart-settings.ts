// The settings that a reload leaves as they are, because what they are about is built once, at the start.
import { isDeepStrictEqual } from 'node:util'
import { perClientRpmOf } from '../admission/limits-of.ts'
import type { StoreConfig } from '../config/store-types.ts'
import type { Config } from '../config/types.ts'

/** The keys of the file whose values changed and that only a restart applies. */
export function settingsToRestartFor(started: Config, next: Config): string[] {
  const wanted = new Map(fixedSettings(next))
  return [...fixedSettings(started)]
    .filter(([key, value]) => !isDeepStrictEqual(value, wanted.get(key)))
    .map(([key]) => key)
}

/** Key of the file and value. */
function* fixedSettings(config: Config): Generator<readonly [string, unknown]> {
  const { server, access, cors, keys, identity, logging, usage, audit, metrics, notify, status } = config
  yield ['services.manager', config.services.manager]
  yield ['server.workers', server.workers]
  yield ['server.hosts', server.hosts]
  yield ['server.port', server.port]
  yield ['server.unix_socket', server.unixSocket]
  yield ['server.allowed_hosts', server.allowedHosts]
  yield ['server.trusted_proxies', server.trustedProxies]
  yield ['server.max_request_body_bytes', server.maxRequestBodyBytes]
  yield ['server.body_memory_bytes', server.bodyMemoryBytes]
  yield ['access', access]
  yield ['cors', cors]
  yield ['keys', keys]
  yield ['identity', identity]
  yield ['logging', logging]
  yield ['usage', usage]
  yield ['audit', audit]
  // Where nothing was counted so far, most conditions cannot be looked for.
  yield ['notify.sinks', metrics.enabled || status.enabled || notify.sinks.length > 0]
  yield ['metrics.enabled', metrics.enabled]
  yield ['metrics.client_label', metrics.hasClientLabel]
  yield ['metrics.max_models', metrics.maxModels]
  yield ['metrics.max_series', metrics.maxSeries]
  yield ['status.enabled', status.enabled]
  yield ['status.recent_calls', status.recentCalls]
  yield ['rate_limit_settings.per_client', perClientRpmOf(config)]
  yield ['rate_limit_settings.store', comparable(config.store)]
}

/** With what secrets hold, which decides whether they are equal. */
function comparable(store: StoreConfig): unknown {
  if (store.kind === 'memory') return store
  return { ...store, url: store.url?.reveal(), signKeysWith: store.signKeysWith?.reveal() }
}
