// Where the configuration file and the state are.
import { existsSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

import { packagePath } from '../platform/package.ts'
import { gatewayVariable } from './environment.ts'
import { type Accounts, systemAccounts } from '../platform/ownership.ts'

/** True if a path exists; tests replace it. */
type Exists = (path: string) => boolean

/**
 * The file to load: `named` (on the command line), `LLM_GATEWAY_CONFIG`, then the first that exists of the user's, the
 * system's, and the one in the package. A file that is named is returned even if it does not exist.
 */
export function findConfigFile(
  named: string | undefined,
  env: NodeJS.ProcessEnv,
  exists: Exists = existsSync,
): string {
  const chosen = named ?? gatewayVariable(env, 'CONFIG')?.value
  if (chosen !== undefined) return chosen
  const usual = [userConfigFile(env), '/etc/llm-gateway/llm-gateway.yaml']
  return usual.find((path) => exists(path)) ?? packagedConfigFile()
}

/** Where a new file of this user belongs: `LLM_GATEWAY_CONFIG`, else the user's. */
export function ownConfigFile(env: NodeJS.ProcessEnv): string {
  return gatewayVariable(env, 'CONFIG')?.value ?? userConfigFile(env)
}

function userConfigFile(env: NodeJS.ProcessEnv): string {
  // Relative paths in XDG variables must be ignored (XDG Base Directory Specification).
  const configHome = env['XDG_CONFIG_HOME']
  const home = configHome?.startsWith('/') === true ? configHome : join(env['HOME'] ?? homedir(), '.config')
  return join(home, 'llm-gateway', 'llm-gateway.yaml')
}

/** The default configuration of the package: in `config/`, beside `src/` or `dist/`. */
export function packagedConfigFile(): string {
  return packagePath('config/llm-gateway.yaml')
}

/**
 * The file with the keys of clients: `keys.json` beside the configuration.
 * @param named `keys.file` of the configuration, relative to it.
 */
export function findKeyFile(configFile: string, named: string | undefined): string {
  return resolve(dirname(resolve(configFile)), named ?? 'keys.json')
}

/** Whoever owns the package is trusted with its configuration: the owner's code is what runs here. */
export function packageAccounts(): Accounts {
  return { ...systemAccounts(), packageUid: statSync(packagedConfigFile()).uid }
}

/**
 * Where state is kept: systemd's directory for the unit, otherwise `llm-gateway` in the user's XDG state directory.
 * Undefined if there is neither: a service without a home directory keeps no state.
 */
export function findStateDirectory(env: NodeJS.ProcessEnv): string | undefined {
  // Several directories of one unit are joined by colons (systemd.exec(5)); the first is the service's own.
  const own = env['STATE_DIRECTORY']?.split(':')[0]
  if (own !== undefined && own !== '') return own
  const state = env['XDG_STATE_HOME']
  if (state?.startsWith('/') === true) return join(state, 'llm-gateway')
  return env['HOME'] === undefined ? undefined : join(env['HOME'], '.local', 'state', 'llm-gateway')
}

/** The name of the control socket within its directory. */
const controlSocket = 'control.sock'

/**
 * Where a gateway puts its control socket: in systemd's runtime directory of the unit, else in the user's, else where its
 * state is. Undefined if there is none of them.
 */
export function controlSocketPath(env: NodeJS.ProcessEnv): string | undefined {
  const [directory] = runtimeDirectories(env)
  return directory && join(directory, controlSocket)
}

/**
 * Where the process listens that starts model servers for this gateway: beside the user's service manager, or the machine's. Undefined:
 * it could be nowhere.
 */
export function servicesSocketPath(env: NodeJS.ProcessEnv, manager: 'user' | 'system'): string | undefined {
  const named = env['LLM_GATEWAY_SERVICES_SOCKET']
  if (named !== undefined && named !== '') return named.startsWith('/') ? named : undefined
  if (manager === 'system') return '/run/llm-gateway-services.sock'
  const directory = env['XDG_RUNTIME_DIR']
  return directory?.startsWith('/') === true ? join(directory, 'llm-gateway', 'services.sock') : undefined
}

/** Where the control socket of a gateway of this user, or of the system, may be; the likeliest first. */
export function controlSocketPaths(env: NodeJS.ProcessEnv, uid: number): readonly string[] {
  const named = env['XDG_RUNTIME_DIR'] ?? `/run/user/${uid}`
  // Below a relative path, whoever owns the working directory could listen.
  const own = named.startsWith('/') ? [join(named, 'llm-gateway')] : []
  const directories = [
    ...runtimeDirectories(env).slice(0, 1),
    ...own.map((each) => join(each, 'service')),
    ...own,
    findStateDirectory(env),
    '/run/llm-gateway',
  ]
  return [...new Set(directories.filter((each) => each !== undefined))].map((each) =>
    join(each, controlSocket),
  )
}

function runtimeDirectories(env: NodeJS.ProcessEnv): readonly string[] {
  const unit = env['RUNTIME_DIRECTORY']?.split(':')[0]
  const user = env['XDG_RUNTIME_DIR']
  const all = [
    unit === '' ? undefined : unit,
    user?.startsWith('/') === true ? join(user, 'llm-gateway') : undefined,
    findStateDirectory(env),
  ]
  return all.filter((each) => each !== undefined)
}
