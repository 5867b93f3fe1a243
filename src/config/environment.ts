// How the environment changes the configuration: `${NAME}` in texts of the file, and overrides of single keys.
import { homedir } from 'node:os'
import { join } from 'node:path'

import { corsOriginFault } from './origin.ts'
import { cidrFault } from './addresses.ts'
import { membersOf } from '../bytes/json/parse.ts'
import { quoted, type PathProblem, type Path } from './problems.ts'
import type { RawConfig, RawProvider } from './raw.ts'

/** Replaces each `${NAME}` with the variable's value; `$${` stands for `${` itself. */
export function* expandVariables(
  text: string,
  path: Path,
  env: NodeJS.ProcessEnv,
): Generator<PathProblem, string> {
  if (!text.includes('${')) return text
  const problems: PathProblem[] = []
  const expanded = text.replace(
    /\$\$\{|\$\{([^}]*)(\}?)/g,
    (match, name: string | undefined, brace: string) => {
      if (name === undefined) return '${'
      const isName = brace === '}' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(name)
      const value = isName ? env[name] : undefined
      if (value !== undefined) return value
      if (isName) {
        problems.push({
          path,
          message: `the environment variable ${name} is not set`,
          hint: 'set it, or write the value itself',
        })
      } else {
        problems.push({
          path,
          message: '${…} does not name a variable',
          hint: 'write $${ for ${ itself',
        })
      }
      return match
    },
  )
  yield* problems
  return expanded
}

/** Values from the environment that replace those of the file. */
export interface Overrides {
  port?: number
  maxRequestBodyBytes?: number
  upstreamTimeoutMs?: number
  allowedIps?: string[]
  corsAllowedOrigins?: string[]
  corsAllowAll?: boolean
}

/** A problem of a variable; `path` is `env NAME`. */
export interface VariableFault {
  readonly path: string
  readonly message: string
}

/** The second prefix is from an earlier name of the program; the first one wins. */
const prefixes = ['LLM_GATEWAY_', 'LLM_ROUTER_']

/** All variables, sorted; `docs/config.md` shows this table. */
export const overrideVariables = [
  { name: 'ALLOWED_IPS', key: 'access.allowed_ips', form: 'list of CIDRs, separated by commas' },
  { name: 'CONFIG', key: '', form: 'path of the configuration file' },
  { name: 'CORS_ALLOWED_ORIGINS', key: 'cors.allowed_origins', form: 'list of origins, separated by commas' },
  { name: 'CORS_ALLOW_ALL', key: 'cors.allow_all', form: '`true` or `false`' },
  { name: 'IP_ALLOWLIST', key: 'access.allowed_ips', form: 'the earlier name of `ALLOWED_IPS`' },
  { name: 'MAX_REQUEST_BODY_BYTES', key: 'server.max_request_body_bytes', form: 'bytes' },
  { name: 'PORT', key: 'server.port', form: '0 to 65535; 0 lets the system choose' },
  {
    name: 'SERVICES_SOCKET',
    key: '',
    form: 'absolute path of the socket of `llm-gateway-services`, which starts model servers; the units set it',
  },
  {
    name: 'UPSTREAM_TIMEOUT_MS',
    key: '`timeouts.first_byte_ms` and `timeouts.idle_ms` of every provider',
    form: 'milliseconds; 0 disables both',
  },
] as const

type OverrideName = (typeof overrideVariables)[number]['name']

/** Looks up a variable under both prefixes. An empty one counts as absent: an unset variable of a unit file is empty. */
export function gatewayVariable(
  env: NodeJS.ProcessEnv,
  name: OverrideName,
): { name: string; value: string } | undefined {
  for (const prefix of prefixes) {
    const value = env[prefix + name]
    if (value !== undefined && value.trim() !== '') return { name: prefix + name, value: value.trim() }
  }
  return undefined
}

/** Reads all overrides. Invalid ones are left out and reported in `faults`. */
export function readOverrides(env: NodeJS.ProcessEnv): { overrides: Overrides; faults: VariableFault[] } {
  const overrides: Overrides = {}
  const faults: VariableFault[] = []
  const read = <T>(names: OverrideName[], parse: (value: string) => Parsed<T>, apply: (value: T) => void) => {
    const found = names.map((name) => gatewayVariable(env, name)).find((variable) => variable !== undefined)
    if (found === undefined) return
    const parsed = parse(found.value)
    if ('fault' in parsed) faults.push({ path: `env ${found.name}`, message: parsed.fault })
    else apply(parsed.value)
  }
  read(['PORT'], wholeNumber(0, 65_535), (value) => (overrides.port = value))
  read(
    ['MAX_REQUEST_BODY_BYTES'],
    wholeNumber(1024, 1_073_741_824),
    (value) => (overrides.maxRequestBodyBytes = value),
  )
  read(['UPSTREAM_TIMEOUT_MS'], wholeNumber(0, 86_400_000), (value) => (overrides.upstreamTimeoutMs = value))
  read(['ALLOWED_IPS', 'IP_ALLOWLIST'], list(cidrFault), (value) => (overrides.allowedIps = value))
  read(['CORS_ALLOWED_ORIGINS'], list(corsOriginFault), (value) => (overrides.corsAllowedOrigins = value))
  read(['CORS_ALLOW_ALL'], boolean, (value) => (overrides.corsAllowAll = value))
  return { overrides, faults }
}

type Parsed<T> = { value: T } | { fault: string }

function wholeNumber(minimum: number, maximum: number): (text: string) => Parsed<number> {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN
    if (value >= minimum && value <= maximum) return { value }
    return { fault: `must be a whole number from ${minimum} to ${maximum}, not ${quoted(text)}` }
  }
}

function boolean(text: string): Parsed<boolean> {
  if (['true', '1', 'yes', 'on'].includes(text.toLowerCase())) return { value: true }
  if (['false', '0', 'no', 'off'].includes(text.toLowerCase())) return { value: false }
  return { fault: `must be true or false, not ${quoted(text)}` }
}

function list(
  faultOf: (item: string) => { message: string } | undefined,
): (text: string) => Parsed<string[]> {
  return (text) => {
    const value = text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
    // An empty list of addresses would allow every client.
    if (value.length === 0) return { fault: 'must contain at least one entry' }
    const fault = value.map(faultOf).find((fault) => fault !== undefined)
    return fault === undefined ? { value } : { fault: fault.message }
  }
}

/** A copy of the file's configuration with the overrides applied. */
export function withOverrides(raw: RawConfig, overrides: Overrides): RawConfig {
  const { port, maxRequestBodyBytes, upstreamTimeoutMs, allowedIps, corsAllowedOrigins, corsAllowAll } =
    overrides
  const server = {
    ...raw.server,
    ...(port !== undefined && { port }),
    ...(maxRequestBodyBytes !== undefined && { max_request_body_bytes: maxRequestBodyBytes }),
  }
  const access = { ...raw.access, ...(allowedIps !== undefined && { allowed_ips: allowedIps }) }
  const cors = {
    ...raw.cors,
    ...(corsAllowedOrigins !== undefined && { allowed_origins: corsAllowedOrigins }),
    ...(corsAllowAll !== undefined && { allow_all: corsAllowAll }),
  }
  if (upstreamTimeoutMs === undefined) return { ...raw, server, access, cors }
  const waits = { first_byte_ms: upstreamTimeoutMs, idle_ms: upstreamTimeoutMs }
  const providers = Object.entries(raw.providers ?? {}).map(([name, provider]): [string, RawProvider] => {
    // The built-in one has no timeouts.
    if (provider.kind === 'echo') return [name, provider]
    return [name, { ...provider, timeouts: { ...provider.timeouts, ...waits } }]
  })
  return { ...raw, server, access, cors, providers: Object.fromEntries(providers) }
}

/** A copy with the home directory in place of the `~` that paths of key files begin with. */
export function withHome(raw: RawConfig, env: NodeJS.ProcessEnv): RawConfig {
  const home = env['HOME'] || homedir()
  const inHome = <T>(value: T): T => {
    const { file } = membersOf(value)
    if (typeof file !== 'string' || !file.startsWith('~/')) return value
    return { ...value, file: join(home, file.slice(2)) }
  }
  const inside = <T extends object>(values: T): T =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [key, inHome(value)])) as T
  const { providers, tracing, notify, rate_limit_settings: limits } = raw
  const inProviders = Object.entries(providers ?? {}).map(([name, provider]): [string, RawProvider] => {
    const { headers } = provider
    return [name, { ...inside(provider), ...(headers !== undefined && { headers: inside(headers) }) }]
  })
  const { sinks, heartbeat } = notify ?? {}
  const { store } = limits ?? {}
  const caFile = store?.ca_file
  const inSinks = Object.entries(sinks ?? {}).map(([name, sink]) => [name, inside(sink)] as const)
  return {
    ...raw,
    ...(providers !== undefined && { providers: Object.fromEntries(inProviders) }),
    ...(tracing?.headers !== undefined && { tracing: { ...tracing, headers: inside(tracing.headers) } }),
    ...(store !== undefined && {
      rate_limit_settings: {
        ...limits,
        store: { ...inside(store), ...(caFile !== undefined && { ca_file: inHome({ file: caFile }).file }) },
      },
    }),
    ...(notify !== undefined && {
      notify: {
        ...notify,
        ...(sinks !== undefined && { sinks: Object.fromEntries(inSinks) }),
        ...(heartbeat && { heartbeat: inside(heartbeat) }),
      },
    }),
  }
}

/**
 * Which systemd has started this process as a service, by `$SYSTEMD_EXEC_PID` and `$MANAGERPID` (systemd.exec(5)). Programs that it
 * starts inherit both. Undefined: none, or one before systemd 248.
 */
export function startedBy(env: NodeJS.ProcessEnv, pid: number): 'user' | 'system' | undefined {
  if (env['SYSTEMD_EXEC_PID'] !== String(pid)) return undefined
  return (env['MANAGERPID'] ?? '') === '' ? 'system' : 'user'
}
