// Where the configuration file is, when nobody says.
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

import { packagePath } from '../platform/package.ts'
import { gatewayVariable } from './environment.ts'

/** Tells whether a path exists; a name for tests to replace. */
type Exists = (path: string) => boolean

/**
 * The file to load: `asked` (the command line), `LLM_GATEWAY_CONFIG`, then the first that exists of the user's, the
 * system's, and the one that comes with the program. A file that was asked for is returned even if it is not there.
 */
export function findConfigFile(
  asked: string | undefined,
  env: NodeJS.ProcessEnv,
  exists: Exists = existsSync,
): string {
  const named = asked ?? gatewayVariable(env, 'CONFIG')?.value
  if (named !== undefined) return named
  // Relative paths in XDG variables are to be ignored (XDG Base Directory Specification).
  const asksForHome = env['XDG_CONFIG_HOME']?.startsWith('/') !== true
  const home = asksForHome ? join(env['HOME'] ?? homedir(), '.config') : env['XDG_CONFIG_HOME']!
  const own = join(home, 'llm-gateway', 'llm-gateway.yaml')
  return [own, '/etc/llm-gateway/llm-gateway.yaml'].find((path) => exists(path)) ?? packagedConfigFile()
}

/** The default that comes with the program: `config/` beside `src/` or `dist/`. */
export function packagedConfigFile(): string {
  return packagePath('config/llm-gateway.yaml')
}

/**
 * Where state is kept: systemd's directory for the unit, else `llm-gateway` in the user's XDG state directory.
 * Undefined when there is neither; a service without a home keeps none.
 */
export function findStateDirectory(env: NodeJS.ProcessEnv): string | undefined {
  // Several directories of one unit are joined by colons (systemd.exec(5)); the first is the service's own.
  const own = env['STATE_DIRECTORY']?.split(':')[0]
  if (own !== undefined && own !== '') return own
  const state = env['XDG_STATE_HOME']
  if (state?.startsWith('/') === true) return join(state, 'llm-gateway')
  return env['HOME'] === undefined ? undefined : join(env['HOME'], '.local', 'state', 'llm-gateway')
}
