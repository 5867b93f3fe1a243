// The model servers of a running gateway, as commands receive them.
import { isObject } from '../bytes/json/parse.ts'
import { closestName } from '../platform/did-you-mean.ts'
import type { ServiceRow } from '../status/status-report.ts'
import type { Scope } from '../systemd/scope.ts'
import { askControl, problemOf } from './control-client.ts'

export interface RunningServices {
  readonly services: readonly ServiceRow[]
  /** Whose units they are. */
  readonly scope: Scope
  /** Why the gateway knows nothing of their units: a clause about the process that starts them. Undefined: it does. */
  readonly starterFault: string | undefined
}

/** @returns the reason as a text where no gateway answers, or one that knows nothing of services. */
export async function askServices(
  env: NodeJS.ProcessEnv,
  config: string | undefined,
): Promise<RunningServices | string> {
  const answer = await askControl(env, 'GET /-/services', config)
  if (answer.kind !== 'answered') return problemOf(answer)
  const { services, manager, starter_fault: fault } = answer.body
  if (!Array.isArray(services)) return 'the gateway is of another version; restart it'
  const scope = manager === 'system' ? 'system' : 'user'
  return {
    services: services.filter(isRow),
    scope,
    starterFault: typeof fault === 'string' ? fault : undefined,
  }
}

/** Members are added from version to version, and never removed. */
function isRow(row: unknown): row is ServiceRow {
  return isObject(row) && typeof row['provider'] === 'string' && typeof row['unit'] === 'string'
}

/** What a command prints of that, with what to do. */
export function starterFaultText(fault: string, scope: Scope, command: string): string {
  const install = `${command} systemd install${scope === 'system' ? ' --system' : ''}`
  return `the states are unknown, because llm-gateway-services does not answer (${fault}); to install it: ${install}`
}

/** @returns the reason as a text where there is none of this name. */
export function findService(services: readonly ServiceRow[], name: string): ServiceRow | string {
  const found = services.find(({ provider }) => provider === name)
  if (found !== undefined) return found
  if (services.length === 0) return none
  const names = services.map(({ provider }) => provider)
  const close = closestName(name, names)
  const hint = close === undefined ? `Those that have one: ${names.join(', ')}.` : `Did you mean "${close}"?`
  return `the gateway starts no service for a provider "${name}". ${hint}`
}

export const none = 'no provider of the running gateway has a service: its servers are started by others'
