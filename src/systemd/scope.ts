// The two managers that can run the gateway, and the paths that each uses.
import { existsSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { join } from 'node:path'

/** `user`: `systemctl --user`; `system`: the machine's own manager. */
export type Scope = 'user' | 'system'

/** Where an installation keeps its files, and the commands to type for it. Paths are absolute. */
export interface ServicePaths {
  readonly scope: Scope
  /** For the unit files of the administrator or user. */
  readonly unitDirectory: string
  /** For the unit files of a Debian package, over which the administrator's win. Absent: a user manager has none. */
  readonly packagedUnitDirectory?: string
  readonly configFile: string
  readonly credentialsDirectory: string
  readonly stateDirectory: string
  /** Of the services' users: sysusers.d(5). Absent: a user manager runs everything as its own user. */
  readonly sysusersFile?: string
  /** For a copy of the program. */
  readonly programDirectory: string
  /** `systemctl --user` or `systemctl`. */
  readonly systemctl: string
  /** `journalctl`, limited to the gateway. */
  readonly journalctl: string
}

export const serviceUnit = 'llm-gateway.service'
export const socketUnit = 'llm-gateway.socket'
/** The starter of model servers. */
export const servicesUnit = 'llm-gateway-services.service'
export const servicesSocket = 'llm-gateway-services.socket'
export const doctorUnit = 'llm-gateway-doctor.service'
export const doctorTimer = 'llm-gateway-doctor.timer'

/** `system` for root unless requested otherwise: root usually has no session that would run a user manager. */
export function resolveScope(requested: Scope | undefined, uid: number): Scope {
  return requested ?? (uid === 0 ? 'system' : 'user')
}

/** The file of a unit; where there is none, the path that `systemd install` would write. */
export function unitFile({ unitDirectory, packagedUnitDirectory }: ServicePaths, unit: string): string {
  const own = join(unitDirectory, unit)
  if (packagedUnitDirectory === undefined || existsSync(own)) return own
  const packaged = join(packagedUnitDirectory, unit)
  return existsSync(packaged) ? packaged : own
}

/** By the XDG Base Directory Specification or the Filesystem Hierarchy Standard. */
export function servicePaths(scope: Scope, env: NodeJS.ProcessEnv): ServicePaths {
  if (scope === 'system') {
    return {
      scope,
      unitDirectory: '/etc/systemd/system',
      packagedUnitDirectory: '/usr/lib/systemd/system',
      configFile: '/etc/llm-gateway/llm-gateway.yaml',
      credentialsDirectory: '/etc/llm-gateway/credentials',
      stateDirectory: '/var/lib/llm-gateway',
      sysusersFile: '/etc/sysusers.d/llm-gateway.conf',
      programDirectory: '/usr/local/lib/llm-gateway',
      systemctl: 'systemctl',
      journalctl: 'journalctl -u llm-gateway',
    }
  }
  const home = env['HOME'] ?? homedir()
  const config = absolute(env['XDG_CONFIG_HOME']) ?? join(home, '.config')
  const state = absolute(env['XDG_STATE_HOME']) ?? join(home, '.local', 'state')
  const data = absolute(env['XDG_DATA_HOME']) ?? join(home, '.local', 'share')
  return {
    scope,
    unitDirectory: join(config, 'systemd', 'user'),
    configFile: join(config, 'llm-gateway', 'llm-gateway.yaml'),
    credentialsDirectory: join(config, 'llm-gateway', 'credentials'),
    stateDirectory: join(state, 'llm-gateway'),
    programDirectory: join(data, 'llm-gateway'),
    systemctl: 'systemctl --user',
    journalctl: 'journalctl --user -u llm-gateway',
  }
}

/** Where `deploy` keeps what it copies to a machine. */
export function deployedDirectory({ programDirectory }: ServicePaths): string {
  return `${programDirectory}-deployed`
}

/** The option that makes systemd's programs talk to the manager of a scope. */
export function scopeOptions(scope: Scope): string[] {
  return scope === 'user' ? ['--user'] : []
}

/** Whether the manager of the current user keeps running after logout, as logind records it: loginctl(1). */
export function isLingering(): boolean {
  return existsSync(join('/var/lib/systemd/linger', userInfo().username))
}

/** The XDG specification requires relative paths to be ignored. */
function absolute(path: string | undefined): string | undefined {
  return path?.startsWith('/') === true ? path : undefined
}
