// What the schema can not say: rules about addresses, and names that must fit together. Each check yields findings
// and changes nothing; a part in which the schema found a fault is passed over, so that one fault is told once.
import { cidrFault, listenHostFault } from './addresses.ts'
import { baseUrlFault } from './base-url.ts'
import { modelFindings } from './check-models.ts'
import { defaults } from './defaults.ts'
import { corsOriginFault, hostHeaderFault } from './origin.ts'
import type { Finding, HasFault, Path } from './problems.ts'
import { headerFaults } from './check-headers.ts'
import type { RawConfig } from './raw.ts'

/** Everything that is wrong with a configuration besides its shape. `raw` has the overrides applied. */
export function* configFindings(raw: RawConfig, hasFault: HasFault): Generator<Finding> {
  const { server = {}, access = {}, cors = {} } = raw
  yield* listFindings(server.hosts, ['server', 'hosts'], listenHostFault)
  yield* listFindings(server.allowed_hosts, ['server', 'allowed_hosts'], hostHeaderFault)
  yield* listFindings(server.trusted_proxies, ['server', 'trusted_proxies'], cidrFault)
  yield* listFindings(access.allowed_ips, ['access', 'allowed_ips'], cidrFault)
  yield* listFindings(cors.allowed_origins, ['cors', 'allowed_origins'], corsOriginFault)
  yield* userFindings(access.allowed_users ?? [])
  if (cors.allow_all === true) {
    yield {
      path: ['cors', 'allow_all'],
      message: 'every web page that is open in a browser here can use the gateway',
      hint: 'list the pages in allowed_origins',
      severity: 'warning',
    }
  }
  yield* providerFindings(raw, hasFault)
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

function* userFindings(users: readonly string[]): Generator<Finding> {
  if (!users.includes('any') || users.length === 1) return
  const message = '"any" turns the check off and must stand alone'
  yield { path: ['access', 'allowed_users'], message, hint: 'take out "any", or all the others' }
}

function* providerFindings(raw: RawConfig, hasFault: HasFault): Generator<Finding> {
  const listener = {
    hosts: raw.server?.hosts ?? defaults.server.hosts,
    port: raw.server?.port ?? defaults.server.port,
  }
  for (const [name, provider] of Object.entries(raw.providers ?? {})) {
    const path = ['providers', name]
    if (provider.kind === 'echo') {
      yield* echoFindings(provider, path)
      continue
    }
    if (provider.base_url !== undefined) {
      const fault = baseUrlFault(provider.base_url, listener)
      if (fault !== undefined) yield { path: [...path, 'base_url'], ...fault }
    } else if (!hasFault(path)) {
      const hint = 'write https://HOST/v1, or kind: echo'
      yield { path, message: 'needs the key "base_url"', hint, at: 'key' }
    }
    yield* headerFaults(provider, path)
  }
}

function* echoFindings(provider: object, path: Path): Generator<Finding> {
  for (const key of Object.keys(provider)) {
    if (key === 'kind') continue
    yield {
      path: [...path, key],
      message: `a provider of kind echo has no ${key}`,
      hint: 'take it out',
      at: 'key',
    }
  }
}
