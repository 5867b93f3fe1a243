// What the schema can not say: rules about addresses, and names that must fit together. Each check yields findings
// and changes nothing; a part in which the schema found a fault is passed over, so that one fault is told once.
import { cidrFault, listenHostFault } from './addresses.ts'
import { baseUrlFault } from './base-url.ts'
import { modelFindings } from './check-models.ts'
import { allowedUserFindings, type LocalUsers, trustedProxyFindings } from './check-users.ts'
import { defaults } from './defaults.ts'
import { corsOriginFault, hostHeaderFault } from './origin.ts'
import type { Finding, HasFault, Path } from './problems.ts'
import { headerFaults } from './provider-headers.ts'
import type { RawConfig } from './raw.ts'

/**
 * Everything that is wrong with a configuration besides its shape.
 * @param raw has the overrides applied.
 * @param accounts of the machine that the check runs on.
 */
export function* configFindings(
  raw: RawConfig,
  hasFault: HasFault,
  accounts: LocalUsers,
): Generator<Finding> {
  const { server = {}, access = {}, cors = {} } = raw
  yield* listFindings(server.hosts, ['server', 'hosts'], listenHostFault)
  yield* listFindings(server.allowed_hosts, ['server', 'allowed_hosts'], hostHeaderFault)
  yield* trustedProxyFindings(raw, accounts)
  yield* listFindings(access.allowed_ips, ['access', 'allowed_ips'], cidrFault)
  yield* listFindings(cors.allowed_origins, ['cors', 'allowed_origins'], corsOriginFault)
  yield* allowedUserFindings(access.allowed_users ?? [], accounts)
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
