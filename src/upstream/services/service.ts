// One service, which is one unit whatever the configuration calls it: what the configuration says of it now, who waits for it, and the
// life of its unit (unit-life.ts).
import { isDeepStrictEqual } from 'node:util'
import type { ServiceConfig } from '../../config/service-types.ts'
import type { EarlierCalls } from './earlier-calls.ts'
import type { Member } from './group-policy.ts'
import type { ServiceStateName } from './service-change.ts'
import { type Deadline, deadlines } from './service-deadlines.ts'
import { ServiceLine } from './service-line.ts'
import type { NewService, ServedProvider, ServiceParts } from './service-parts.ts'
import type { NotStarted, ServiceState, ServiceVisit } from './services.ts'
import { UnitLife } from './unit-life.ts'
import { UnitSituation } from './unit-situation.ts'

/** When a call that was refused by a command to stop may try again. */
const stoppedRetryMs = 1000

/** The group that a service is in. */
export interface ServiceWatcher {
  /** Something has changed that may concern all members. */
  readonly onChanged: (service: Service) => void
  /** The last visit has left. On the way of each call. */
  readonly onEmpty: (service: Service) => void
}

export class Service {
  /** How its unit stands; `life` changes that. */
  readonly situation: Readonly<UnitSituation>
  readonly life: UnitLife
  readonly line: ServiceLine
  /** Of the configuration. Undefined: it has none. */
  group: string | undefined
  readonly earlierCalls: EarlierCalls
  readonly #now: () => number
  #provider: ServedProvider
  #isRetired = false

  constructor({ provider, earlierCalls }: NewService, parts: ServiceParts, watcher: ServiceWatcher) {
    const { unit } = provider.service
    this.#provider = provider
    this.#now = parts.clock.now
    this.earlierCalls = earlierCalls
    this.line = new ServiceLine(unit, this.#now, () => watcher.onChanged(this))
    const situation = new UnitSituation(unit, parts)
    this.situation = situation
    this.life = new UnitLife(situation, earlierCalls, parts, {
      name: () => this.name,
      group: () => this.group,
      origin: () => (this.#isRetired ? undefined : this.#provider.origin),
      onChanged: () => watcher.onChanged(this),
      onEmpty: () => watcher.onEmpty(this),
      onRefused: (result, retryAfterMs) => this.#refuseAll(this.failure(result, retryAfterMs)),
    })
  }

  get unit(): string {
    return this.situation.unit
  }

  get name(): string {
    return this.#provider.name
  }

  get config(): ServiceConfig {
    return this.#provider.service
  }

  get state(): ServiceStateName {
    return this.situation.state
  }

  /** Of one that was retired: its unit is about to be down, or has calls that must not be cut if the service comes back. */
  get isLeaving(): boolean {
    const { state, holdsPlace, visits } = this.situation
    if (!this.#isRetired || !holdsPlace || state === 'starting') return false
    return state !== 'ready' || visits > 0
  }

  /** Goes over to a configuration with the same unit, which may have it under another name, or start another command with it next time. */
  follow(provider: ServedProvider): void {
    const { run } = this.config
    this.#provider = provider
    this.#isRetired = false
    if (!isDeepStrictEqual(run, this.config.run)) this.life.forgetFailures()
    this.life.onConfigured()
  }

  /** The configuration has it no longer. A unit that this gateway has started is stopped once its calls have ended; another is left as it is. */
  retire(): void {
    this.#isRetired = true
    this.life.onRemoved()
  }

  /** @param isCall as `ServiceRun.enter`. */
  enterIfOpen(isCall = true): ServiceVisit | undefined {
    return this.life.enter(isCall)
  }

  /** Why no call may wait for it. Undefined: one may. */
  refusal(): NotStarted | undefined {
    const { state, failure, mayStartAtMs } = this.situation
    const waitMs = mayStartAtMs - this.#now()
    return state === 'failed' && waitMs > 0 ? this.failure(failure!, waitMs) : undefined
  }

  failure(result: string, retryAfterMs: number): NotStarted {
    return { unit: this.unit, result, retryAfterMs: Math.ceil(retryAfterMs) }
  }

  /** Calls that wait for it already are refused, so that it stays stopped until the next one. @returns why it was refused; undefined: it is stopped. */
  stopByCommand(): Promise<string | undefined> {
    this.#refuseAll(this.failure('stopped', stoppedRetryMs))
    return this.life.stopByCommand()
  }

  /** Does what is due first. The group calls it at `nextMs` and after each change. */
  tick(): void {
    const nowMs = this.#now()
    const due = this.#deadlines().find(([atMs]) => atMs <= nowMs)?.[1]
    if (due !== undefined) this.life.onDue(due)
  }

  /** When it is to be looked at again, in milliseconds of the monotonic clock. Infinity: never, if nothing happens. */
  nextMs(): number {
    return Math.min(...this.#deadlines().map(([atMs]) => atMs))
  }

  asMember(): Member {
    return { ...this.situation.asMember(), isKept: this.#isKept }
  }

  describe(): ServiceState {
    const { name: provider, unit, group } = this
    const { calls } = this.life
    return { provider, unit, group, ...this.situation.describe(), calls, waiting: this.line.calls }
  }

  get #isKept(): boolean {
    return this.config.isKept || this.#isRetired
  }

  #refuseAll(failure: NotStarted): void {
    this.line.endAll({ kind: 'not_started', failure })
  }

  #deadlines(): readonly Deadline[] {
    const { startTimeoutMs, stopAfterIdleMs } = this.config
    return deadlines(this.situation, {
      isAwaited: this.line.length > 0,
      startTimeoutMs,
      stopAfterIdleMs: this.#isKept ? undefined : stopAfterIdleMs,
    })
  }
}
