// Where the starter listens, for the gateway that connects to it.
import { join } from 'node:path'
import type { Scope } from '../scope.ts'

/** Set by our units, because a service cannot know for certain which manager runs it. */
const variable = 'LLM_GATEWAY_SERVICES_SOCKET'

/** As the socket units have it (`systemd/{user,system}/llm-gateway-services.socket`). */
export function starterSocketPath(scope: Scope, env: NodeJS.ProcessEnv): string | undefined {
  const named = env[variable]
  if (named?.startsWith('/') === true) return named
  if (scope === 'system') return '/run/llm-gateway-services.sock'
  const directory = env['XDG_RUNTIME_DIR']
  return directory?.startsWith('/') === true ? join(directory, 'llm-gateway', 'services.sock') : undefined
}
