// A pool with simulated units on a fake clock, for tests.
import { noServices, type ServiceConfig, type ServiceGroupConfig } from '../../../src/config/service-types.ts'
import type { HttpProvider } from '../../../src/config/provider-types.ts'
import type { Readiness } from '../../../src/upstream/services/readiness-probes.ts'
import type { ServiceChange } from '../../../src/upstream/services/service-change.ts'
import { ServicePool } from '../../../src/upstream/services/service-pool.ts'
import type { ServiceCaller, ServiceEntry, ServiceVisit } from '../../../src/upstream/services/services.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { SimulatedUnits, type UnitBehaviour } from '../../support/simulated-units.ts'

export interface SceneService extends Partial<ServiceConfig> {
  readonly behaviour?: UnitBehaviour
  /** Of the provider's base URL. */
  readonly origin?: string
}

export type SceneGroup = Pick<ServiceGroupConfig, 'members'> & Partial<ServiceGroupConfig>

export interface TestCaller extends ServiceCaller {
  leave(): void
}

type SceneServices = Readonly<Record<string, SceneService>>
type SceneGroups = Readonly<Record<string, SceneGroup>>

/** A call to a service, from `enter` on. */
export interface TestCall {
  readonly caller: TestCaller
  entry: ServiceEntry | undefined
  visit: ServiceVisit | undefined
}

export class Scene {
  readonly clock = new FakeClock()
  readonly units = new SimulatedUnits(this.clock)
  readonly changes: (ServiceChange & { readonly atMs: number })[] = []
  /** Units that were left running. */
  readonly left: string[] = []
  /** Calls under way of providers, where a test needs them. */
  readonly load = new Map<string, number>()
  /** Addresses where no server answers, whatever runs. */
  readonly silent = new Set<string>()
  /** Where the server of each unit has answered last, if it still was there. */
  readonly answeredAt = new Map<string, string>()
  #providers: ReadonlyMap<string, HttpProvider> = new Map()
  readonly pool = new ServicePool({
    callsOf: (provider) => this.load.get(provider) ?? 0,
    starter: this.units,
    isReady: (provider) => this.#isReady(provider),
    clock: this.clock,
    onLeft: ({ unit }) => void this.left.push(unit),
    onChange: (change) => void this.changes.push({ ...change, atMs: this.clock.now() }),
  })

  /** Units that are added are there before the pool follows. */
  constructor(services: SceneServices, groups: SceneGroups = {}) {
    this.follow(services, groups)
  }

  follow(services: SceneServices, groups: SceneGroups = {}): void {
    const providers = new Map<string, HttpProvider>()
    for (const [name, { behaviour, origin, ...service }] of Object.entries(services)) {
      const config = { ...defaults, unit: `${name}.service`, ...service }
      const { unit } = config
      this.units.add(name, { ...behaviour }, unit)
      providers.set(name, { ...providerOf(name, config), ...(origin !== undefined && { origin }) })
    }
    const configured = new Map(
      Object.entries(groups).map(([name, group]) => [name, { ...groupDefaults, ...group }] as const),
    )
    this.#providers = providers
    this.pool.follow({ providers, services: { ...noServices, groups: configured } })
  }

  /** Enters, and goes on when it is let in or refused. */
  call(provider: string, client = 'a', more: Partial<ServiceCaller> = {}): TestCall {
    const caller = callerOf(client, more)
    const call: TestCall = { caller, entry: undefined, visit: undefined }
    const entered = this.pool.enter(provider, caller)
    if (entered instanceof Promise) {
      void entered.then((entry) => {
        call.entry = entry
        if (entry.kind === 'entered') call.visit = entry.visit
      })
    } else call.visit = entered
    return call
  }

  stateOf(provider: string): string {
    return this.pool.describe().find((each) => each.provider === provider)!.state
  }

  async #isReady(provider: string): Promise<Readiness> {
    const { origin, service } = this.#providers.get(provider) ?? {}
    if (origin === undefined || this.silent.has(origin)) return 'not-yet'
    const readiness = await this.units.isReady(provider)
    const { unit } = service!
    const isThere = [...this.#providers.values()].some(
      (each) => each.service?.unit === unit && each.origin === origin,
    )
    if (readiness === 'ready' && isThere) this.answeredAt.set(unit, origin)
    return readiness
  }

  /** Its states since the beginning, each with why. */
  statesOf(provider: string): readonly string[] {
    return this.changes
      .filter((each) => each.provider === provider)
      .map(({ to, reason }) => (reason === undefined ? to : `${to} ${reason}`))
  }
}

const defaults: Omit<ServiceConfig, 'unit'> = {
  startTimeoutMs: 120_000,
  isKept: false,
  startsAtBoot: false,
  whenStarting: 'wait',
}

const groupDefaults = { running: 1, minRunMs: 30_000, maxRunMs: 300_000 }

function callerOf(client: string, more: Partial<ServiceCaller>): TestCaller {
  const disconnect: ServiceCaller['disconnect'] = { isGone: false, onGone: undefined }
  const leave = () => {
    disconnect.isGone = true
    disconnect.onGone?.()
  }
  return { client: { id: client }, disconnect, ...more, leave }
}

function providerOf(name: string, service: ServiceConfig): HttpProvider {
  return {
    kind: 'llama_cpp',
    name,
    origin: 'http://127.0.0.1:8081',
    basePath: '/v1',
    isLocal: true,
    apiKey: undefined,
    auth: 'bearer',
    headers: [],
    includeUsage: 'auto',
    timeouts: { firstByteMs: 1, idleMs: 1, connectMs: 1, totalMs: 1 },
    maxParallelRequests: undefined,
    service,
  }
}
