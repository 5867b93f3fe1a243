// Where the gateway that a command is about keeps its state: commands are often run by another user than the gateway.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { findStateDirectory } from '../config/find.ts'
import { systemUsers } from '../platform/unix-users.ts'
import { type ServicePaths, serviceUnit, unitFile } from '../systemd/scope.ts'
import { chosenPaths } from './chosen-paths.ts'
import { findListener } from './doctor/listening-program.ts'

export interface StateDirectory {
  readonly path: string
  /** Of which gateway, for people: `of the running gateway (pid 4711, user ann)`. */
  readonly owner: string
  /** The user of the running gateway. Undefined: none is running that this user can see. */
  readonly uid: number | undefined
}

/**
 * Of the running gateway; else of the installed service; else of a gateway that this user starts.
 * @param pid of the running gateway, if this user can see it.
 */
export function stateDirectoryOf(
  pid: number | undefined,
  paths: ServicePaths,
  env: NodeJS.ProcessEnv,
): StateDirectory | undefined {
  const running = pid === undefined ? undefined : runningState(pid)
  if (running !== undefined) return running
  const owned = (path: string | undefined, owner: string) =>
    path === undefined ? undefined : { path, owner, uid: undefined }
  if ((env['STATE_DIRECTORY'] ?? '') !== '') return owned(findStateDirectory(env), 'from STATE_DIRECTORY')
  if (existsSync(unitFile(paths, serviceUnit))) {
    return owned(paths.stateDirectory, `of the ${paths.scope} service`)
  }
  return owned(findStateDirectory(env), `of a gateway that user ${userInfo().username} starts`)
}

/** A running gateway. */
export interface FoundGateway {
  /** Undefined: nothing that this user can see listens at its addresses. */
  readonly pid: number | undefined
  /** Undefined: there is none. */
  readonly stateDirectory: string | undefined
}

/** The gateway that listens at the addresses of a configuration, and where it keeps its state; else the usual place. */
export function gatewayAt(
  { hosts, port }: { readonly hosts: readonly string[]; readonly port: number },
  env: NodeJS.ProcessEnv,
): FoundGateway {
  const pid = hosts.map((host) => findListener(host, port)).find((each) => each !== undefined)
  return { pid, stateDirectory: stateDirectoryOf(pid, chosenPaths({}, env), env)?.path }
}

/** By the environment of the process: proc_pid_environ(5). Undefined: this user may not read it, or it names none. */
function runningState(pid: number): StateDirectory | undefined {
  const folder = `/proc/${pid}`
  try {
    const { uid } = statSync(folder)
    const path = findStateDirectory(readEnvironment(`${folder}/environ`))
    const user = systemUsers().nameOf(uid) ?? uid
    return path === undefined
      ? undefined
      : { path, owner: `of the running gateway (pid ${pid}, user ${user})`, uid }
  } catch {
    return undefined
  }
}

/** Only what says where state is kept: the rest may hold keys. */
function readEnvironment(path: string): NodeJS.ProcessEnv {
  const wanted = new Set(['HOME', 'STATE_DIRECTORY', 'XDG_STATE_HOME'])
  const pairs = readFileSync(path, 'utf8')
    .split('\0')
    .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)] as const)
  return Object.fromEntries(pairs.filter(([name]) => wanted.has(name)))
}
