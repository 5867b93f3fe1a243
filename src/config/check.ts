// Checks beyond JSON Schema: rules about addresses, and names that must match each other. They yield problems and
// change nothing; what the schema refused has been removed, so that each fault is reported once.
import { cidrFault, listenHostFault } from './addresses.ts'
import { baseUrlFault, baseUrlWarnings, type Exposure, rootUrlFault } from './base-url.ts'
import { boundaryProblems } from './check-boundary.ts'
import { modelProblems } from './check-models.ts'
import { budgetProblems } from './check-budgets.ts'
import { clientProblems, keyProblems } from './check-clients.ts'
import { notifyProblems } from './check-notify.ts'
import { identityProblems } from './check-identity.ts'
import { formatProblems } from './check-formats.ts'
import { priceProblems } from './check-prices.ts'
import {
  allowedUserProblems,
  type LocalUsers,
  trustedProxyProblems,
  viewUserProblems,
} from './check-users.ts'
import { defaults, minBodyMemoryBytes } from './defaults.ts'
import { corsOriginFault, hostHeaderFault, wideOrigin } from './origin.ts'
import { indexProblems, type PathProblem, type HasProblem, type Path } from './problems.ts'
import { baseUrlOf } from './provider-kind.ts'
import { headerProblems } from './check-headers.ts'
import type { RawConfig, RawProvider } from './raw.ts'
import { requestProblems } from './check-request.ts'
import { serviceProblems, type ServiceManagers } from './check-services.ts'
import { storeProblems } from './check-store.ts'
import { tracingProblems } from './check-tracing.ts'

/** The machine that the check runs on. */
export interface Machine extends ServiceManagers {
  readonly accounts: LocalUsers
}

/**
 * All problems of a configuration that the schema cannot express.
 *
 * @param raw has the overrides applied.
 */
export function* configProblems(
  raw: RawConfig,
  hasProblem: HasProblem,
  { accounts, ...manager }: Machine,
): Generator<PathProblem> {
  const { server = {}, access = {}, cors = {} } = raw
  yield* listProblems(server.hosts, ['server', 'hosts'], listenHostFault)
  yield* listProblems(server.allowed_hosts, ['server', 'allowed_hosts'], hostHeaderFault)
  yield* bodyMemoryProblems(server)
  yield* trustedProxyProblems(raw, accounts)
  yield* listProblems(access.allowed_ips, ['access', 'allowed_ips'], cidrFault)
  yield* listProblems(cors.allowed_origins, ['cors', 'allowed_origins'], corsOriginFault)
  for (const problem of listProblems(cors.allowed_origins, ['cors', 'allowed_origins'], wideOrigin)) {
    yield { ...problem, severity: 'warning' }
  }
  yield* allowedUserProblems(access.allowed_users ?? [], accounts)
  yield* viewUserProblems(raw, accounts)
  yield* keyProblems(raw, accounts)
  yield* clientProblems(raw)
  yield* identityProblems(raw, hasProblem, accounts)
  yield* budgetProblems(raw)
  yield* storeProblems(raw, hasProblem)
  yield* notifyProblems(raw, hasProblem)
  if (cors.allow_all === true) {
    yield {
      path: ['cors', 'allow_all'],
      message: 'every web page that a browser on this machine opens can use the gateway',
      hint: 'list the trusted pages in allowed_origins',
      severity: 'warning',
    }
  }
  if (cors.allow_null_origin === true) {
    yield {
      path: ['cors', 'allow_null_origin'],
      message: 'every web page can use the gateway from a sandboxed frame, whose origin is null',
      hint: 'serve your page from an origin of its own and list that in allowed_origins',
      severity: 'warning',
    }
  }
  const ofProviders = [...providerProblems(raw)]
  yield* ofProviders
  const { hasProblem: isFaulty } = indexProblems(ofProviders.filter(({ severity }) => severity !== 'warning'))
  yield* serviceProblems(raw, (path) => hasProblem(path) || isFaulty(path), manager)
  yield* modelProblems(raw, hasProblem)
  yield* boundaryProblems(raw, hasProblem)
  yield* requestProblems(raw)
  yield* priceProblems(raw)
  yield* tracingProblems(raw)
}

function* bodyMemoryProblems(raw: NonNullable<RawConfig['server']>): Generator<PathProblem> {
  const server = { ...defaults.server, ...raw }
  const minBytes = minBodyMemoryBytes(server)
  const bytes = server.body_memory_bytes
  if (bytes === null || bytes >= minBytes) return
  const { max_request_body_bytes: most, workers } = server
  yield {
    path: ['server', 'body_memory_bytes'],
    message: `must be at least ${minBytes}: twice max_request_body_bytes (${most}) for each worker (${workers})`,
    hint: 'raise it, or lower max_request_body_bytes',
  }
}

function* listProblems(
  list: readonly string[] | undefined,
  path: Path,
  faultOf: (item: string) => { message: string; hint: string } | undefined,
): Generator<PathProblem> {
  for (const [index, item] of (list ?? []).entries()) {
    const fault = faultOf(item)
    if (fault !== undefined) yield { path: [...path, index], ...fault }
  }
}

function* providerProblems(raw: RawConfig): Generator<PathProblem> {
  const listener = {
    hosts: raw.server?.hosts ?? defaults.server.hosts,
    port: raw.server?.port ?? defaults.server.port,
  }
  for (const [name, provider] of Object.entries(raw.providers ?? {})) {
    if (provider.kind === 'echo') continue
    const path = ['providers', name]
    yield* baseUrlProblems(provider, path, listener)
    yield* headerProblems(provider, path)
    yield* formatProblems(provider, path)
  }
}

function* baseUrlProblems(
  provider: RawProvider,
  path: Path,
  listener: { hosts: readonly string[]; port: number },
): Generator<PathProblem> {
  const { base_url: url, allow_http: allowHttp = false } = provider
  if (url === undefined) return
  const needsNoVersion = provider.kind === 'anthropic'
  const exposure: Exposure = { allowHttp, hasKey: hasKey(provider), needsNoVersion }
  const at = [...path, 'base_url']
  const fault = baseUrlFault(url, listener, exposure)
  if (fault !== undefined) {
    yield { path: at, ...fault }
    return
  }
  yield* rootUrlProblems(provider, path)
  for (const warning of baseUrlWarnings(url, exposure)) yield { path: at, ...warning, severity: 'warning' }
}

function* rootUrlProblems(provider: RawProvider, path: Path): Generator<PathProblem> {
  const { root_url: root } = provider
  const fault = root === undefined ? undefined : rootUrlFault(root, baseUrlOf(provider)!)
  if (fault !== undefined) yield { path: [...path, 'root_url'], ...fault }
}

function hasKey({ api_key: key, headers = {} }: RawProvider): boolean {
  return key !== undefined || Object.values(headers).some((value) => typeof value !== 'string')
}
