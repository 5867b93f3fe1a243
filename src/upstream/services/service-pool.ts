// The model servers that are started when they are called: the one owner of their states in a process.
//
// Units belong to the service manager. This pool decides when each of them runs, from calls (services.ts) and from reports of
// the units; the starter carries it out. If the starter cannot be reached, services that are ready go on serving calls, and no
// other is started or stopped: without reports, nobody knows how many run.
import { isDeepStrictEqual } from 'node:util'
import type { ServiceConfig } from '../../config/service-types.ts'
import type { Config } from '../../config/types.ts'
import type { UnitReport } from '../../platform/unit-report.ts'
import { ServiceGroup } from './service-group.ts'
import { freeVisit } from './service-run.ts'
import { Service, type ServiceParts, type ServiceWatcher } from './service.ts'
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
}

type ServicesOf = Pick<Config, 'providers' | 'services'>

/** Looks that calls cause are so far apart at least. */
const suspectEveryMs = 100

const noRetryMs = 1000

export class ServicePool implements Services {
  readonly #parts: PoolParts
  #manager: 'user' | 'system' = 'user'
  #services: ReadonlyMap<string, Service> = new Map()
  #groups: ReadonlyMap<Service, ServiceGroup> = new Map()
  #suspectedAtMs = -Infinity
  #hasConnected = false
  #isClosed = false
  readonly #watcher: ServiceWatcher = {
    onMoved: (service) => this.#groups.get(service)?.examine(),
    onEmpty: (service) => this.#groups.get(service)?.onEmpty(service),
  }

  constructor(parts: PoolParts) {
    this.#parts = parts
    const onReports = (reports: readonly UnitReport[], isWhole: boolean) => this.#onReports(reports, isWhole)
    const onLost = (reason?: string) => this.#onLost(reason)
    parts.starter.onReports = onReports
    parts.starter.onLost = onLost
  }

  /**
   * At the start and after a reload. A service whose unit is another one now is another service; what was removed is left
   * alone, as its unit is. The first time connects to the starter.
   */
  follow({ providers, services }: ServicesOf): void {
    const former = this.#services
    const isSameManager = services.manager === this.#manager
    const current = new Map<string, Service>()
    for (const [name, provider] of providers) {
      if (provider.kind === 'echo' || provider.service === undefined) continue
      const known = former.get(name)
      const isSame = known !== undefined && isSameManager && isSameUnit(known.config, provider.service)
      current.set(name, isSame ? known : this.#newService(name, provider.service))
      current.get(name)!.config = provider.service
    }
    for (const group of new Set(this.#groups.values())) group.close()
    this.#retire(former, current)
    this.#manager = services.manager
    this.#services = current
    this.#groups = this.#grouped(services)
    this.#examine(this.#groups.values())
    if (current.size === 0) return
    if (this.#hasConnected) this.#parts.starter.look()
    else this.#parts.starter.connect()
    this.#hasConnected = true
  }

  has(provider: string): boolean {
    return this.#services.has(provider)
  }

  isOpen(provider: string): boolean {
    const service = this.#services.get(provider)
    return service === undefined || service.state === 'ready'
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
    return service === undefined ? freeVisit : service.enterIfOpen()
  }

  wake(provider: string): void {
    const service = this.#services.get(provider)
    if (service !== undefined && !this.#isClosed) this.#groups.get(service)?.startIfRoom(service, 'call')
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

  /** For a person: also while it is left alone after a failure. @returns why it did not start; undefined: it is ready. */
  async start(provider: string): Promise<NotStarted | undefined> {
    const service = this.#services.get(provider)
    if (service === undefined) return { unit: '', result: 'unknown-service', retryAfterMs: noRetryMs }
    service.forgetFailures()
    const disconnect = { isGone: false, onGone: undefined }
    const entry = await this.enter(provider, { client: { id: '' }, disconnect })
    if (!('kind' in entry)) {
      entry.leave()
      return undefined
    }
    if (entry.kind === 'entered') entry.visit.leave()
    else if (entry.kind === 'not_started') return entry.failure
    else return service.failure('shutting-down', noRetryMs)
    return undefined
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
    for (const service of this.#services.values()) {
      service.close()
      for (const waiting of service.line) service.line.end(waiting, { kind: 'shutting_down' })
    }
    this.#parts.starter.close()
  }

  #wait(service: Service, caller: ServiceCaller): Promise<ServiceEntry> {
    if (this.#isClosed) return Promise.resolve({ kind: 'shutting_down', waitedMs: 0 })
    if (caller.disconnect.isGone) return Promise.resolve({ kind: 'gone', waitedMs: 0 })
    return this.#groups.get(service)!.wait(service, caller)
  }

  #newService(name: string, config: ServiceConfig): Service {
    const service = new Service(name, config, this.#parts, this.#watcher)
    service.startsNow = config.startsAtBoot
    return service
  }

  /** Who waits for a service that is another one now waits for that; who waits for one that is gone is refused. */
  #retire(former: ReadonlyMap<string, Service>, current: ReadonlyMap<string, Service>): void {
    for (const [name, service] of former) {
      const successor = current.get(name)
      if (successor === service) continue
      service.close()
      if (successor !== undefined) service.line.handOver(successor.line)
      const failure = service.failure('unknown-service', noRetryMs)
      for (const waiting of service.line) service.line.end(waiting, { kind: 'not_started', failure })
    }
  }

  #grouped({ groups }: Config['services']): ReadonlyMap<Service, ServiceGroup> {
    const grouped = new Map<Service, ServiceGroup>()
    const { clock } = this.#parts
    for (const [name, limits] of groups) {
      const members = limits.members.flatMap((each) => this.#services.get(each) ?? [])
      const group = new ServiceGroup(name, limits, members, clock)
      for (const each of members) grouped.set(each, group)
    }
    for (const service of this.#services.values()) {
      if (!grouped.has(service))
        grouped.set(service, new ServiceGroup(undefined, undefined, [service], clock))
      service.group = grouped.get(service)!.name
    }
    return grouped
  }

  #onReports(reports: readonly UnitReport[], isWhole: boolean): void {
    if (this.#isClosed) return
    const missing = new Set(isWhole ? this.#services.values() : [])
    const changed = new Set(missing)
    for (const report of reports) {
      const service = this.#services.get(report.service)
      // Of a unit that it had before a reload: the starter follows the configuration by itself.
      if (service === undefined || service.config.unit !== report.unit) continue
      missing.delete(service)
      changed.add(service)
      service.onReport(report)
    }
    for (const service of missing) service.onMissing()
    this.#examine(Array.from(changed, (service) => this.#groups.get(service)!))
  }

  #onLost(reason: string | undefined): void {
    for (const service of this.#services.values()) service.onLost(reason)
    this.#examine(this.#groups.values())
  }

  #examine(groups: Iterable<ServiceGroup>): void {
    for (const group of new Set(groups)) group.examine()
  }
}

function isSameUnit(one: ServiceConfig, other: ServiceConfig): boolean {
  return one.unit === other.unit && isDeepStrictEqual(one.run, other.run)
}
