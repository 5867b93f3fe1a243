// Asks the manager how the units are: seldom while nothing happens, often for a while after a request or a change. A run of
// `systemctl show` costs several milliseconds of processor time, whatever the number of units, so all units are in one
// run, and there is never more than one.
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../../platform/clock.ts'
import type { UnitReport } from '../../platform/unit-report.ts'
import type { ConfiguredServices, ServiceList } from './configured-services.ts'
import { readReports } from './read-reports.ts'
import type { RunManager } from './run-manager.ts'
import { showCommand } from './unit-commands.ts'

/** So that a crash is reported within a second. */
const everyMs = 700

const everyMsInTransition = 100

/** A unit that begins to start or to stop goes on soon, or takes so long that it does not matter. */
const transitionMs = 10_000

/** Until what was asked of the manager shows. */
const requestMs = 1_000

export interface LookParts {
  readonly configured: ConfiguredServices
  readonly run: RunManager
  readonly clock: Clock
  readonly bootedAtMs: number
  /**
   * Called after each look that the manager has responded to.
   * @param changed the reports that differ from the last ones. @param isWhole the services are others than before.
   */
  readonly onReports: (changed: readonly UnitReport[], isWhole: boolean) => void
  /** Called once when the configuration cannot be used any more, or at the first look. The next report is whole. */
  readonly onUnusable: () => void
  readonly log: (message: string) => void
}

export class UnitLooks {
  readonly #parts: LookParts
  #list: ServiceList | undefined
  /** By their units. */
  #reports = new Map<string, UnitReport>()
  #isOn = false
  #isLooking = false
  #waiting: ((hasResponded: boolean) => void)[] = []
  /** How often something was asked of the manager. */
  #requests = 0
  #cancelTimer: (() => void) | undefined
  #fastUntilMs = -Infinity
  #hasFailed = false
  #isUnusable = false

  constructor(parts: LookParts) {
    this.#parts = parts
  }

  /** Of all services, those of before included; empty before the first look. */
  get reports(): UnitReport[] {
    return [...this.#reports.values()]
  }

  /** Undefined before the first look that the manager has responded to. */
  reportOf(unit: string): UnitReport | undefined {
    return this.#reports.get(unit)
  }

  /** The configuration cannot be used. */
  get isUnusable(): boolean {
    return this.#isUnusable
  }

  /** Looks at once, and then again and again until `stop`. */
  start(): void {
    this.#isOn = true
    void this.look()
  }

  /** What is known so far is forgotten: it would be old at the next start. */
  stop(): void {
    this.#isOn = false
    this.#isUnusable = false
    this.#cancelTimer?.()
    this.#list = undefined
    this.#reports = new Map()
  }

  /** The manager has accepted something. What a look that is under way finds may be older than that, and is not used. */
  expectChange(): void {
    this.#requests += 1
    if (!this.#isOn) return
    this.#beFastFor(requestMs)
    void this.look()
  }

  /** Resolves after a look that has begun after this call. @returns whether the manager has responded. */
  look(): Promise<boolean> {
    const looked = new Promise<boolean>((resolve) => void this.#waiting.push(resolve))
    if (!this.#isLooking) void this.#lookOnce()
    return looked
  }

  #beFastFor(durationMs: number): void {
    this.#fastUntilMs = Math.max(this.#fastUntilMs, this.#parts.clock.now() + durationMs)
  }

  async #lookOnce(): Promise<void> {
    this.#cancelTimer?.()
    this.#isLooking = true
    const done = this.#waiting
    this.#waiting = []
    const result = await this.#examine()
    this.#isLooking = false
    if (result === 'old') this.#waiting.push(...done)
    else for (const resolve of done) resolve(result === 'known')
    if (this.#waiting.length > 0) void this.#lookOnce()
    else if (this.#isOn) {
      const isFast = this.#parts.clock.now() < this.#fastUntilMs
      const next = () => void this.#lookOnce()
      this.#cancelTimer = this.#parts.clock.setTimer(next, isFast ? everyMsInTransition : everyMs)
    }
  }

  async #examine(): Promise<'known' | 'old' | 'unknown'> {
    const { configured, run, bootedAtMs, onReports, onUnusable, log } = this.#parts
    const requests = this.#requests
    const list = configured.current()
    if (list === undefined) {
      this.#list = undefined
      this.#reports = new Map()
      if (this.#isOn && !this.#isUnusable) onUnusable()
      this.#isUnusable = this.#isOn
      return 'unknown'
    }
    const { manager } = list
    const uid = manager === 'system' ? 0 : (process.getuid?.() ?? 0)
    const services = [...list.services, ...list.former]
    let found: UnitReport[] = []
    if (services.length > 0) {
      const units = [...new Set(services.map(({ unit }) => unit))]
      const { status, stdout, stderr } = await run(showCommand(manager, units))
      // One that was killed may have printed a part of a unit's properties.
      found = status === 0 ? readReports(stdout, services, { bootedAtMs, uid }) : []
      const isFailure = found.length === 0
      if (isFailure && !this.#hasFailed) log(`the service manager does not respond: ${stderr.trim()}`)
      this.#hasFailed = isFailure
      if (isFailure) return 'unknown'
    }
    if (!this.#isOn) return 'unknown'
    if (requests !== this.#requests) return 'old'
    const isWhole = list !== this.#list
    const changed = found.filter((report) => !isDeepStrictEqual(report, this.#reports.get(report.unit)))
    const isMoving = changed.some((report) => inTransition(report) && hasMoved(report, this.#reports))
    if (isMoving) this.#beFastFor(transitionMs)
    this.#list = list
    this.#isUnusable = false
    this.#reports = new Map(found.map((report) => [report.unit, report]))
    onReports(changed, isWhole)
    return 'known'
  }
}

function inTransition({ active }: UnitReport): boolean {
  return active === 'activating' || active === 'deactivating'
}

function hasMoved(report: UnitReport, known: ReadonlyMap<string, UnitReport>): boolean {
  const { active, sub, invocation } = known.get(report.unit) ?? {}
  return report.active !== active || report.sub !== sub || report.invocation !== invocation
}
