// Starts and stops units. The requests for one service run one after the other, in their order.
import type { StarterRequest, UnitReport } from '../../platform/unit-report.ts'
import type { ConfiguredServices, KnownServices } from './configured-services.ts'
import { type Finished, isNotLoaded, refusalOf } from './refusal.ts'
import type { RunManager } from './run-manager.ts'
import type { Scope } from '../scope.ts'
import { type ConfiguredService, resetCommand, startCommand, stopCommand } from './unit-commands.ts'
import type { UnitLooks } from './unit-looks.ts'

export interface RequestParts {
  readonly configured: ConfiguredServices
  readonly looks: UnitLooks
  readonly run: RunManager
  readonly log: (message: string) => void
}

export type UnitRequest = Extract<StarterRequest, { readonly service: string }>

export class UnitRequests {
  readonly #parts: RequestParts
  /** The last request of each service. */
  readonly #last = new Map<string, Promise<unknown>>()

  constructor(parts: RequestParts) {
    this.#parts = parts
  }

  /** @returns why it was refused (`StarterMessage`); undefined: the manager has accepted it. Never rejects. */
  async perform(request: UnitRequest): Promise<string | undefined> {
    const { service: name } = request
    const before = this.#last.get(name)
    const result = (async () => {
      await before
      const list = this.#parts.configured.current({ again: true })
      if (list === undefined) return 'configuration'
      const service = find(list, request)
      if (service === undefined)
        return request.unit === undefined ? 'unknown-service' : 'configuration-changed'
      const { kind } = request
      const reason = await (kind === 'start'
        ? this.#start(list.manager, service)
        : this.#stop(list.manager, service))
      this.#parts.looks.expectChange()
      return reason
    })()
    this.#last.set(name, result)
    const reason = await result
    if (this.#last.get(name) === result) this.#last.delete(name)
    return reason
  }

  /** A unit that does not run is stopped already. */
  async #stop(manager: Scope, service: ConfiguredService): Promise<string | undefined> {
    const report = this.#parts.looks.reportOf(service.unit) ?? (await this.#lookAt(service.unit))
    if (report?.load === 'same-unit') return report.load
    const finished = await this.#parts.run(stopCommand(manager, service))
    return finished.status === 0 || isNotLoaded(finished)
      ? undefined
      : this.#refused('stop', service, finished)
  }

  async #start(manager: Scope, service: ConfiguredService): Promise<string | undefined> {
    const { looks, run } = this.#parts
    let report = looks.reportOf(service.unit)
    // A transient unit that runs cannot be started again, and one that did not load may have been repaired since the last look.
    if (service.run !== undefined || report === undefined || !canStart(report)) {
      report = await this.#lookAt(service.unit)
    }
    if (report === undefined) return 'manager-unreachable'
    if (!canStart(report)) return report.load
    const isRunning = report.active === 'active' || report.active === 'activating'
    if (service.run !== undefined && isRunning) return undefined
    // A unit that was never loaded has nothing to forget; whatever else fails here, the start reports it.
    await run(resetCommand(manager, service))
    const finished = await run(startCommand(manager, service))
    return finished.status === 0 ? undefined : this.#refused('start', service, finished)
  }

  async #lookAt(unit: string): Promise<UnitReport | undefined> {
    await this.#parts.looks.look()
    return this.#parts.looks.reportOf(unit)
  }

  #refused(verb: string, { unit }: ConfiguredService, finished: Finished): string {
    const reason = refusalOf(finished)
    this.#parts.log(`${verb} of ${unit} refused (${reason}): ${finished.stderr.trim()}`)
    return reason
  }
}

/** A start is of what was read last; a stop may be of a unit that an earlier reading had. */
function find(
  { services, former }: KnownServices,
  { kind, service: name, unit }: UnitRequest,
): ConfiguredService | undefined {
  if (unit === undefined) return services.find(({ service }) => service === name)
  const known = kind === 'start' ? services : [...services, ...former]
  return known.find((each) => each.unit === unit)
}

function canStart({ load }: UnitReport): boolean {
  return load === 'loaded' || load === 'transient'
}
