// The two managers that can run the gateway, and where each has its files.
import { homedir } from 'node:os'
import { join } from 'node:path'

/** `user`: `systemctl --user`; `system`: the machine's own manager. */
export type Scope = 'user' | 'system'

export interface Places {
  readonly scope: Scope
  /** Own units of the administrator or user. */
  readonly unitDirectory: string
  readonly configFile: string
  readonly credentialsDirectory: string
  readonly stateDirectory: string
  /** `systemctl --user` or `systemctl`, for people to type. */
  readonly systemctl: string
}

export const serviceUnit = 'llm-gateway.service'
export const socketUnit = 'llm-gateway.socket'

/** The system's for root unless told otherwise: root has no session of its own that would run a user manager. */
export function chosenScope(asked: Scope | undefined, uid: number): Scope {
  return asked ?? (uid === 0 ? 'system' : 'user')
}

/** Where things are, by the XDG Base Directory Specification or the Filesystem Hierarchy Standard. */
export function placesOf(scope: Scope, env: NodeJS.ProcessEnv): Places {
  if (scope === 'system') {
    return {
      scope,
      unitDirectory: '/etc/systemd/system',
      configFile: '/etc/llm-gateway/llm-gateway.yaml',
      credentialsDirectory: '/etc/llm-gateway/credentials',
      stateDirectory: '/var/lib/llm-gateway',
      systemctl: 'systemctl',
    }
  }
  const home = env['HOME'] ?? homedir()
  const config = absolute(env['XDG_CONFIG_HOME']) ?? join(home, '.config')
  const state = absolute(env['XDG_STATE_HOME']) ?? join(home, '.local', 'state')
  return {
    scope,
    unitDirectory: join(config, 'systemd', 'user'),
    configFile: join(config, 'llm-gateway', 'llm-gateway.yaml'),
    credentialsDirectory: join(config, 'llm-gateway', 'credentials'),
    stateDirectory: join(state, 'llm-gateway'),
    systemctl: 'systemctl --user',
  }
}

/** Relative paths in XDG variables are to be ignored. */
function absolute(path: string | undefined): string | undefined {
  return path?.startsWith('/') === true ? path : undefined
}
