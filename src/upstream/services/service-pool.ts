// The model servers that are started when they are called: the one owner of their states in a process.
//
// Units belong to the service manager. This pool decides when each of them runs, from calls (services.ts) and from reports of
// the units; the starter carries it out. If the starter cannot be reached, services that are ready go on serving calls, and no
// other is started or stopped: without reports, nobody knows how many run.
import type { Config } from '../../config/types.ts'
import type { UnitReport } from '../../platform/unit-report.ts'
import { ServiceGroup } from './service-group.ts'
import { EarlierCalls } from './earlier-calls.ts'
import type { WaitReason } from './service-line.ts'
import { freeVisit } from './service-run.ts'
import type { ServedProvider, ServiceParts } from './service-parts.ts'
import { Service, type ServiceWatcher } from './service.ts'
import type {
  NotStarted,
  ServiceCaller,
  ServiceEntry,
  Services,
  ServiceState,
  ServiceVisit,
} from './services.ts'
import type { Starter } from './starter.ts'

export interface PoolParts extends ServiceParts {
  readonly starter: Starter
  /** Calls under way at a provider, whether they visit a service or not. */
  readonly callsOf: (provider: string) => number
  /** The configuration has a service no longer, and its unit is left running. */
  readonly onLeft?: ((service: { readonly provider: string; readonly unit: string }) => void) | undefined
}

type ServicesOf = Pick<Config, 'providers' | 'services'>

/** Looks that calls cause are so far apart at least. */
const suspectEveryMs = 100

const noRetryMs = 1000

export class ServicePool implements Services {
  readonly #parts: PoolParts
  /** By the names of their providers. */
  #services: ReadonlyMap<string, Service> = new Map()
  /** By their units, with those that were removed and whose unit is still to be stopped. */
  readonly #byUnit = new Map<string, Service>()
  #groups = new Map<Service, ServiceGroup>()
  /** With the generation that each is from. */
  readonly #generations = new WeakMap<Service, number>()
  #generation = 0
  #suspectedAtMs = -Infinity
  #hasConnected = false
  #isClosed = false
  readonly #watcher: ServiceWatcher = {
    onChanged: (service) => {
      this.#groups.get(service)?.examine()
      this.#dropRetired()
    },
    onEmpty: (service) => {
      this.#groups.get(service)?.onEmpty(service)
      this.#dropRetired()
    },
  }

  constructor(parts: PoolParts) {
    this.#parts = parts
    const onReports = (reports: readonly UnitReport[], isWhole: boolean) => this.#onReports(reports, isWhole)
    const onLost = (reason?: string) => this.#onLost(reason)
    parts.starter.onReports = onReports
    parts.starter.onLost = onLost
  }

  /**
   * At the start and after a reload. A service with the same unit is the same service, under whatever name; one that was removed
   * leaves once its calls have ended (`Service.retire`). The first time connects to the starter.
   */
  follow({ providers, services }: ServicesOf): void {
    const former = this.#services
    this.#generation += 1
    const current = new Map<string, Service>()
    for (const each of providers.values()) {
      if (each.kind === 'echo' || each.service === undefined) continue
      const { name, origin, service } = each
      const provider = { name, origin, service }
      const known = this.#byUnit.get(service.unit)
      known?.follow(provider)
      current.set(name, known ?? this.#newService(provider, former.has(name)))
    }
    for (const group of new Set(this.#groups.values())) group.close()
    this.#services = current
    this.#retire(former)
    this.#groups = this.#grouped(services)
    this.#examine(this.#groups.values())
    this.#dropRetired()
    if (current.size === 0) return
    this.#parts.starter.reload()
    if (!this.#hasConnected) this.#parts.starter.connect()
    this.#hasConnected = true
  }

  has(provider: string): boolean {
    return this.#services.has(provider)
  }

  isOpen(provider: string): boolean {
    const service = this.#services.get(provider)
    return service === undefined || service.state === 'ready'
  }

  get generation(): number {
    return this.#generation
  }

  leaveEarlier(provider: string, since: number): void {
    const service = this.#services.get(provider)
    if (service !== undefined && since < this.#generations.get(service)!) service.earlierCalls.leave()
  }

  whenStarting(provider: string): 'wait' | 'failover' {
    return this.#services.get(provider)?.config.whenStarting ?? 'wait'
  }

  enter(provider: string, caller: ServiceCaller): ServiceVisit | Promise<ServiceEntry> {
    const service = this.#services.get(provider)
    if (service === undefined) return freeVisit
    return service.enterIfOpen() ?? this.#wait(service, caller)
  }

  enterIfOpen(provider: string): ServiceVisit | undefined {
    const service = this.#services.get(provider)
    return service === undefined ? freeVisit : service.enterIfOpen(false)
  }

  wake(provider: string): void {
    const service = this.#services.get(provider)
    if (service === undefined || service.state === 'ready' || service.line.hasWish) return
    void this.#wait(service, ownCaller(), 'wish').then(leaveAtOnce)
  }

  suspect(provider: string): void {
    const nowMs = this.#parts.clock.now()
    if (!this.#services.has(provider) || nowMs - this.#suspectedAtMs < suspectEveryMs) return
    this.#suspectedAtMs = nowMs
    this.#parts.starter.look()
  }

  describe(): readonly ServiceState[] {
    return Array.from(this.#services.values(), (service) => service.describe())
  }

  leaving(): readonly ServiceState[] {
    return this.#retired().flatMap((service) => (service.isLeaving ? [service.describe()] : []))
  }

  /** For a person: also while it is left alone after a failure. @returns why it did not start; undefined: it is ready. */
  async start(provider: string): Promise<NotStarted | undefined> {
    const service = this.#services.get(provider)
    if (service === undefined) return { unit: '', result: 'unknown-service', retryAfterMs: noRetryMs }
    service.life.forgetFailures()
    if (service.state === 'ready') return undefined
    const entry = await this.#wait(service, ownCaller(), 'command')
    leaveAtOnce(entry)
    if (entry.kind === 'entered') return undefined
    return entry.kind === 'not_started' ? entry.failure : service.failure('shutting-down', noRetryMs)
  }

  /** For a person: as soon as no call is under way. @returns why it was refused; undefined: it is stopped. */
  stop(provider: string): Promise<string | undefined> {
    const service = this.#services.get(provider)
    if (service === undefined) return Promise.resolve('unknown-service')
    const end = service.stopByCommand()
    this.#groups.get(service)?.examine()
    return end
  }

  /** Sends away who waits. Units stay as they are: the next gateway finds them. */
  close(): void {
    this.#isClosed = true
    for (const group of new Set(this.#groups.values())) group.close()
    for (const service of this.#byUnit.values()) {
      service.life.close()
      service.line.endAll({ kind: 'shutting_down' })
    }
    this.#parts.starter.close()
  }

  #wait(service: Service, caller: ServiceCaller, reason?: WaitReason): Promise<ServiceEntry> {
    if (this.#isClosed) return Promise.resolve({ kind: 'shutting_down', waitedMs: 0 })
    if (caller.disconnect.isGone) return Promise.resolve({ kind: 'gone', waitedMs: 0 })
    return this.#groups.get(service)!.wait(service, caller, reason)
  }

  /** @param hadService its provider did: the calls under way are in that one. */
  #newService(provider: ServedProvider, hadService: boolean): Service {
    const earlierCalls = new EarlierCalls(hadService ? 0 : this.#parts.callsOf(provider.name))
    const service = new Service({ provider, earlierCalls }, this.#parts, this.#watcher)
    this.#generations.set(service, this.#generation)
    service.life.startsNow = provider.service.startsAtBoot
    this.#byUnit.set(service.unit, service)
    return service
  }

  /** Calls that wait for a provider whose unit is another one now wait for that one; those for a provider that is gone are refused. */
  #retire(former: ReadonlyMap<string, Service>): void {
    const current = new Set(this.#services.values())
    for (const [name, service] of former) {
      if (current.has(service)) continue
      const successor = this.#services.get(name)
      if (successor !== undefined) service.line.handOver(successor.line)
      service.retire()
      const failure = service.failure('unknown-service', noRetryMs)
      service.line.endAll({ kind: 'not_started', failure })
    }
  }

  /** Forgets those that were removed and whose unit is down, or is left as it is: also that of a service of which nothing is known. */
  #dropRetired(unknown: ReadonlySet<Service> = new Set()): void {
    if (this.#byUnit.size === this.#services.size) return
    for (const service of this.#retired()) {
      if (service.isLeaving && !unknown.has(service)) continue
      const { name: provider, unit } = service
      if (service.situation.holdsPlace) this.#parts.onLeft?.({ provider, unit })
      this.#byUnit.delete(unit)
      service.life.close()
      this.#groups.get(service)?.drop(service)
      this.#groups.delete(service)
    }
  }

  #retired(): readonly Service[] {
    const current = new Set(this.#services.values())
    return [...this.#byUnit.values()].filter((service) => !current.has(service))
  }

  #grouped({ groups }: Config['services']): Map<Service, ServiceGroup> {
    const grouped = new Map<Service, ServiceGroup>()
    const { clock } = this.#parts
    const retired = this.#retired()
    for (const [name, limits] of groups) {
      const members = limits.members.flatMap((each) => this.#services.get(each) ?? [])
      // Those that leave still have their places.
      members.push(...retired.filter((each) => each.group === name))
      const group = new ServiceGroup(name, limits, members, clock)
      for (const each of members) grouped.set(each, group)
    }
    for (const service of this.#byUnit.values()) {
      if (!grouped.has(service))
        grouped.set(service, new ServiceGroup(undefined, undefined, [service], clock))
      service.group = grouped.get(service)!.name
    }
    return grouped
  }

  #onReports(reports: readonly UnitReport[], isWhole: boolean): void {
    if (this.#isClosed) return
    const missing = new Set(isWhole ? this.#byUnit.values() : [])
    const changed = new Set(missing)
    for (const report of reports) {
      // The starter follows the configuration by itself: the service may have had another name.
      const service = this.#byUnit.get(report.unit)
      if (service === undefined) continue
      missing.delete(service)
      changed.add(service)
      service.life.onReport(report)
    }
    for (const service of missing) service.life.becomeKnown()
    // The starter was started again, and knows the configuration alone.
    this.#dropRetired(missing)
    this.#examine([...changed].flatMap((service) => this.#groups.get(service) ?? []))
    this.#dropRetired()
  }

  #onLost(reason: string | undefined): void {
    for (const service of this.#byUnit.values()) service.life.onLost(reason)
    this.#examine(this.#groups.values())
  }

  #examine(groups: Iterable<ServiceGroup>): void {
    for (const group of new Set(groups)) group.examine()
  }
}

/** Of the gateway itself: no client waits. */
function ownCaller(): ServiceCaller {
  return { client: { id: '' }, disconnect: { isGone: false, onGone: undefined } }
}

function leaveAtOnce(entry: ServiceEntry): void {
  if (entry.kind === 'entered') entry.visit.leave()
}
