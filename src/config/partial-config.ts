// The parts of a configuration that commands need of one that may not load: the set-up of a service, before the keys are there,
// and the keys of clients.
import { type JsonObject, membersOf } from '../bytes/json/parse.ts'
import { readConfigFile } from './config-file.ts'
import { defaults } from './defaults.ts'
import { isTimeZone } from '../platform/time-zone.ts'
import { type Accounts, systemAccounts } from '../platform/ownership.ts'

export interface PartialConfig {
  /** Providers in the order of the file, each with the name of the systemd credential in its `api_key`. */
  readonly providers: ReadonlyMap<string, string | undefined>
  /**
   * Names of the systemd credentials in `notify`, `tracing`, `rate_limit_settings.store.url` and headers of providers: those
   * that the service needs, which does not sign the keys of clients.
   */
  readonly otherCredentials: readonly string[]
  readonly hosts: readonly string[]
  readonly port: number
  /** Unix users of `access.allowed_users`, `server.trusted_proxies`, `metrics.allowed_users` and `status.allowed_users`. */
  readonly users: readonly string[]
  readonly keys: {
    readonly mode: 'off' | 'optional' | 'required'
    /** Undefined: beside the configuration. */
    readonly file: string | undefined
    /** With which keys of clients begin. */
    readonly prefix: string
  }
  /** How the keys of clients come to this machine from another one: whether it signs them itself. Undefined: they are its own. */
  readonly sharedKeys: { readonly isSigner: boolean } | undefined
  /** Whether limits and budgets are those of several machines. */
  readonly sharesLimits: boolean
  /** In which the windows of budgets begin. */
  readonly budgetTimeZone: string
  /** Whether the service manager starts model servers when they are called. */
  readonly hasServices: boolean
  /** Whether one of them starts with the gateway, so that the gateway itself must not wait for its first call. */
  readonly startsAtBoot: boolean
  /** Whether there is an audit log. */
  readonly isAudited: boolean
}

/** Reads what can be read and leaves out values of the wrong shape (`validate-config` reports them). */
export function readPartialConfig(
  file: string,
  env: NodeJS.ProcessEnv,
  accounts: Accounts = systemAccounts(),
): { kind: 'read'; config: PartialConfig } | { kind: 'unreadable'; message: string } {
  const read = readConfigFile(file, env, accounts)
  if (read.kind === 'refused') return { kind: 'unreadable', message: read.problem.message }
  if (read.kind === 'invalid-yaml') {
    return { kind: 'unreadable', message: 'is not valid YAML; validate-config shows where' }
  }
  const root = membersOf(read.document.value)
  const { hosts, port, trusted_proxies: proxies } = membersOf(root['server'])
  const { allowed_users: allowed } = membersOf(root['access'])
  const viewers = ['metrics', 'status']
    .flatMap((section) => listOf(membersOf(root[section])['allowed_users']))
    .filter((name) => typeof name === 'string' && !name.includes(':'))
  const { time_zone: zone } = membersOf(root['budgets'])
  const providers = Object.entries(membersOf(root['providers'])).map(([name, provider]) => {
    const { credential } = membersOf(membersOf(provider)['api_key'])
    return [name, typeof credential === 'string' ? credential : undefined] as const
  })
  const services = Object.values(membersOf(root['providers'])).map((each) => membersOf(each)['service'])
  return {
    kind: 'read',
    config: {
      providers: new Map(providers),
      otherCredentials: otherCredentials(root),
      hosts: Array.isArray(hosts) ? hosts.filter((host) => typeof host === 'string') : defaults.server.hosts,
      port: typeof port === 'number' ? port : defaults.server.port,
      users: [
        ...listOf(allowed),
        ...listOf(proxies).map((proxy) => membersOf(proxy)['user']),
        ...viewers,
      ].filter((user) => typeof user === 'string'),
      keys: keysOf(membersOf(root['keys'])),
      sharedKeys: sharedKeysOf(membersOf(membersOf(root['rate_limit_settings'])['store'])),
      sharesLimits: membersOf(membersOf(root['rate_limit_settings'])['store'])['kind'] === 'valkey',
      budgetTimeZone: typeof zone === 'string' && isTimeZone(zone) ? zone : defaults.budgets.time_zone,
      hasServices: services.some((service) => service !== undefined),
      startsAtBoot: services.some((service) => membersOf(service)['start'] === 'boot'),
      isAudited: isAudited(root),
    },
  }
}

function otherCredentials(root: JsonObject): string[] {
  const { sinks, heartbeat } = membersOf(root['notify'])
  const { headers } = membersOf(root['tracing'])
  const { url } = membersOf(membersOf(root['rate_limit_settings'])['store'])
  const ofProviders = Object.values(membersOf(root['providers'])).map(
    (provider) => membersOf(provider)['headers'],
  )
  return [...Object.values(membersOf(sinks)), heartbeat, headers, { url }, ...ofProviders]
    .flatMap((sender) => Object.values(membersOf(sender)))
    .map((reference) => membersOf(reference)['credential'])
    .filter((name) => typeof name === 'string')
}

function keysOf({ mode, file, prefix }: JsonObject): PartialConfig['keys'] {
  return {
    mode: mode === 'optional' || mode === 'required' ? mode : 'off',
    file: typeof file === 'string' ? file : undefined,
    prefix: typeof prefix === 'string' ? prefix : 'gw_',
  }
}

function sharedKeysOf(store: JsonObject): PartialConfig['sharedKeys'] {
  if (store['kind'] !== 'valkey' || listOf(store['keys_signed_by']).length === 0) return undefined
  return { isSigner: store['sign_keys_with'] !== undefined }
}

/** As `resolve` decides it. */
export function isAudited(root: JsonObject): boolean {
  const { enabled = defaults.audit.enabled } = membersOf(root['audit'])
  if (enabled !== 'auto') return enabled === true
  const hasIdentities = listOf(membersOf(root['identity'])['sources']).length > 0
  return hasIdentities || keysOf(membersOf(root['keys'])).mode !== 'off'
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
