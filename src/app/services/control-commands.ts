// What the gateway's own commands may ask of model servers: `llm-gateway services`.
import { type ControlCommand, ControlError } from '../../server/control/control-server.ts'
import { serviceRows } from '../../status/service-rows.ts'
import type { NotStarted, ServiceControl } from '../../upstream/services/services.ts'

/** The model servers of a running gateway, and whose units they are. */
export interface SteeredServices {
  readonly control: ServiceControl
  readonly manager: 'user' | 'system'
  /** Why nothing is known of their units: a clause about the process that starts them. Undefined: they are known. */
  readonly starterFault?: string | undefined
}

/** A command is answered sooner: its connection waits no longer than 5 s. */
const maxWaitMs = 2_000

/** What is asked of one service. */
export interface ServiceCommand {
  readonly provider: string
  readonly unit: string
  readonly verb: 'start' | 'stop'
  /** Undefined: the program that asked did not name its user. */
  readonly by: string | undefined
}

interface Steering {
  readonly verb: ServiceCommand['verb']
  readonly underWay: Map<string, Promise<string | undefined>>
  readonly begin: (control: ServiceControl, name: string) => Promise<string | undefined>
  readonly onCommand: (command: ServiceCommand) => void
}

/**
 * @param servers as they are now; undefined: the configuration has none.
 * @param onCommand receives each start and stop before it begins; one that joins another is not received.
 */
export function serviceCommands(
  servers: () => SteeredServices | undefined,
  onCommand: (command: ServiceCommand) => void,
): [string, ControlCommand][] {
  const start: Steering = {
    verb: 'start',
    underWay: new Map(),
    begin: async (control, name) => reasonOf(await control.start(name)),
    onCommand,
  }
  const stop: Steering = {
    verb: 'stop',
    underWay: new Map(),
    begin: (control, name) => control.stop(name),
    onCommand,
  }
  return [
    [
      'GET /-/services',
      () => {
        const { manager = null, control, starterFault = null } = servers() ?? {}
        const services = [control?.describe() ?? [], control?.leaving() ?? []]
        const rows = services.flatMap((each) => serviceRows(each, true))
        return { manager, services: rows, starter_fault: starterFault }
      },
    ],
    ['POST /-/services/start', (input) => carryOut(input, servers(), start)],
    ['POST /-/services/stop', (input) => carryOut(input, servers(), stop)],
  ]
}

/**
 * Begins what is asked for, or joins what is under way already, and waits for its end for a while.
 * @throws ControlError for a service that there is not.
 */
async function carryOut(
  { provider, wait_ms: waitMs, actor }: Readonly<Record<string, unknown>>,
  servers: SteeredServices | undefined,
  { verb, underWay, begin, onCommand }: Steering,
): Promise<object> {
  if (typeof provider !== 'string') throw new ControlError('Name the provider of the service.')
  const all = servers?.control.describe() ?? []
  const service = all.find((each) => each.provider === provider)
  if (servers === undefined || service === undefined) {
    const names = all.map((each) => each.provider)
    const known = names.length === 0 ? 'none' : names.join(', ')
    throw new ControlError(`No provider "${provider}" has a service; those that have one: ${known}.`)
  }
  let running = underWay.get(provider)
  if (running === undefined) {
    const by = typeof actor === 'string' ? actor : undefined
    onCommand({ provider, unit: service.unit, verb, by })
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
