// Checks beyond JSON Schema: rules about addresses, and names that must match each other. They yield findings and
// change nothing; what the schema refused has been removed, so that each fault is reported once.
import { cidrFault, listenHostFault } from './addresses.ts'
import { baseUrlFault } from './base-url.ts'
import { modelFindings } from './check-models.ts'
import { defaults } from './defaults.ts'
import { corsOriginFault, hostHeaderFault } from './origin.ts'
import type { Finding, HasFault, Path } from './problems.ts'
import { headerFaults } from './check-headers.ts'
import type { RawConfig } from './raw.ts'

/** Everything that is wrong with a configuration besides what the schema refuses. `raw` has the overrides applied. */
export function* configFindings(raw: RawConfig, hasFault: HasFault): Generator<Finding> {
  const { server = {}, access = {}, cors = {} } = raw
  yield* listFindings(server.hosts, ['server', 'hosts'], listenHostFault)
  yield* listFindings(server.allowed_hosts, ['server', 'allowed_hosts'], hostHeaderFault)
  yield* listFindings(server.trusted_proxies, ['server', 'trusted_proxies'], cidrFault)
  yield* listFindings(access.allowed_ips, ['access', 'allowed_ips'], cidrFault)
  yield* listFindings(cors.allowed_origins, ['cors', 'allowed_origins'], corsOriginFault)
  if (cors.allow_all === true) {
    yield {
      path: ['cors', 'allow_all'],
      message: 'every web page that is open in a browser here can use the gateway',
      hint: 'list the pages in allowed_origins',
      severity: 'warning',
    }
  }
  yield* providerFindings(raw)
  yield* modelFindings(raw, hasFault)
}

function* listFindings(
  list: readonly string[] | undefined,
  path: Path,
  faultOf: (item: string) => { message: string; hint: string } | undefined,
): Generator<Finding> {
  for (const [index, item] of (list ?? []).entries()) {
    const fault = faultOf(item)
    if (fault !== undefined) yield { path: [...path, index], ...fault }
  }
}

function* providerFindings(raw: RawConfig): Generator<Finding> {
  const listener = {
    hosts: raw.server?.hosts ?? defaults.server.hosts,
    port: raw.server?.port ?? defaults.server.port,
  }
  for (const [name, provider] of Object.entries(raw.providers ?? {})) {
    if (provider.kind === 'echo') continue
    const path = ['providers', name]
    const fault = provider.base_url === undefined ? undefined : baseUrlFault(provider.base_url, listener)
    if (fault !== undefined) yield { path: [...path, 'base_url'], ...fault }
    yield* headerFaults(provider, path)
  }
}
