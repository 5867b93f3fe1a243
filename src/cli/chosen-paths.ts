// Whose service a command is about: `--user` or `--system`, else that of whoever runs the command.
import { resolveScope, type ServicePaths, servicePaths } from '../systemd/scope.ts'

export interface ScopeOptions {
  readonly user?: boolean
  readonly system?: boolean
}

/** The paths of the service that the options select. Without one: root's is the system's. */
export function chosenPaths({ user, system }: ScopeOptions, env: NodeJS.ProcessEnv): ServicePaths {
  const requested = system === true ? 'system' : user === true ? 'user' : undefined
  return servicePaths(resolveScope(requested, process.getuid?.() ?? 0), env)
}
