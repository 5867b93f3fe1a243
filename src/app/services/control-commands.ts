// What the gateway's own commands may ask of model servers: `llm-gateway services`.
import { type ControlCommand, ControlError } from '../../server/control/control-server.ts'
import { serviceRows } from '../../status/service-rows.ts'
import type { NotStarted, ServiceControl } from '../../upstream/services/services.ts'

/** The model servers of a running gateway, and whose units they are. */
export interface ModelServers {
  readonly control: ServiceControl
  readonly manager: 'user' | 'system'
}

/** A command is answered sooner: its connection waits no longer than 5 s. */
const maxWaitMs = 2_000

/** @param servers as they are now; undefined: the configuration has none. */
export function serviceCommands(servers: () => ModelServers | undefined): [string, ControlCommand][] {
  const starts = new Map<string, Promise<string | undefined>>()
  const stops = new Map<string, Promise<string | undefined>>()
  return [
    [
      'GET /-/services',
      () => {
        const { manager = null, control } = servers() ?? {}
        return { manager, services: serviceRows(control?.describe() ?? [], true) }
      },
    ],
    [
      'POST /-/services/start',
      (input) =>
        carryOut(input, servers(), starts, async (control, name) => reasonOf(await control.start(name))),
    ],
    [
      'POST /-/services/stop',
      (input) => carryOut(input, servers(), stops, (control, name) => control.stop(name)),
    ],
  ]
}

/**
 * Begins what is asked for, or joins what is under way already, and waits for its end for a while.
 * @throws ControlError for a service that there is not.
 */
async function carryOut(
  { provider, wait_ms: waitMs }: Readonly<Record<string, unknown>>,
  servers: ModelServers | undefined,
  underWay: Map<string, Promise<string | undefined>>,
  begin: (control: ServiceControl, name: string) => Promise<string | undefined>,
): Promise<object> {
  if (typeof provider !== 'string') throw new ControlError('Name the provider of the service.')
  const names = servers?.control.describe().map((each) => each.provider) ?? []
  if (servers === undefined || !names.includes(provider)) {
    const known = names.length === 0 ? 'none' : names.join(', ')
    throw new ControlError(`No provider "${provider}" has a service; those that have one: ${known}.`)
  }
  let running = underWay.get(provider)
  if (running === undefined) {
    running = begin(servers.control, provider).finally(() => underWay.delete(provider))
    underWay.set(provider, running)
  }
  const result = await within(running, typeof waitMs === 'number' ? waitMs : 0)
  return result === 'pending' ? { done: false } : { done: true, failure: result.failure ?? null }
}

function reasonOf(failure: NotStarted | undefined): string | undefined {
  if (failure?.group === undefined) return failure?.result
  return `${failure.result}: other members of the group ${failure.group} run`
}

/** @param waitMs is bounded by `maxWaitMs`. */
async function within(
  running: Promise<string | undefined>,
  waitMs: number,
): Promise<{ readonly failure: string | undefined } | 'pending'> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<'pending'>((resolve) => {
    timer = setTimeout(() => resolve('pending'), Math.min(maxWaitMs, Math.max(0, waitMs)))
  })
  try {
    return await Promise.race([running.then((failure) => ({ failure })), timeout])
  } finally {
    clearTimeout(timer)
  }
}
