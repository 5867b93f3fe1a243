// The limits that this gateway shares with those of other machines, over the server that rate_limit_settings.store names.
import { createHash, randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import type { Scope } from '../../admission/scopes.ts'
import { Allotments } from '../../admission/stores/valkey/allotments.ts'
import { connectStore, type StoreConnection } from '../../admission/stores/valkey/connection.ts'
import { leaseMs, schemaVersion } from '../../admission/stores/valkey/exchange.ts'
import { SharedBudgets } from '../../admission/stores/valkey/shared-budgets.ts'
import {
  type SharedFloodParts,
  SharedFloodWindows,
} from '../../admission/stores/valkey/shared-flood-windows.ts'
import { publishedGeneration } from '../../admission/stores/valkey/key-list.ts'
import { ValkeyStore } from '../../admission/stores/valkey/valkey-store.ts'
import type { SharedStore } from '../../config/store-types.ts'
import { readStoreUrl } from '../../config/store-url.ts'
import type { Config } from '../../config/types.ts'
import { StartError } from '../../errors.ts'
import type { Events } from '../../observe/events.ts'
import { reachOf } from '../../platform/address-reach.ts'
import type { Clock } from '../../platform/clock.ts'
import { reasonOf } from '../../platform/thrown.ts'
import type { UsageAnswer } from '../../ledger/ledger.ts'
import type { UsageQuestion } from '../../ledger/report.ts'
import { ConflictWatch } from './conflicts.ts'
import { machineId, placeOf } from './machine-id.ts'
import { Machines } from './machines.ts'
import { StoreReports } from './report-store.ts'
import { type SettingsConfig, type SharedSetting, sharedSettings, stateSettings } from './shared-settings.ts'

export interface SharedLimitsParts {
  readonly clock: Clock
  readonly events: Events
  /** Keeps the machine's id. Undefined: it is another one after each start. */
  readonly stateDirectory: string | undefined
  readonly version: string
}

/** What tells this gateway from the others. */
export interface MachineName {
  /** The same after a restart. */
  readonly machine: string
  /** Of this process, with the machine's: `MACHINE.PROCESS`. */
  readonly member: string
}

/** How long the start waits for the server. */
const firstContactMs = 500

export class SharedLimits {
  readonly store: ValkeyStore
  readonly connection: StoreConnection
  readonly allotments: Allotments
  readonly budgets: SharedBudgets
  readonly #budgetAllotments: Allotments
  readonly #floodParts: Omit<SharedFloodParts, 'rpm'>
  readonly name: MachineName
  /** Called with the generation when a list of clients' keys was published. One listener. */
  onKeys: ((generation: number) => void) | undefined
  /** Called at each change of the connection while the start waits for the first one. */
  #onFirstContact: (() => void) | undefined
  /** Called each time that the store is reached again. One listener. */
  onConnected: (() => void) | undefined
  readonly #reports: StoreReports
  readonly #watch: ConflictWatch
  readonly #settings: SharedStore
  readonly #parts: SharedLimitsParts
  #machines: Machines | undefined
  /** Of budgets, as others are told it. */
  #timeZone: string | undefined
  #floodRpm: number | undefined
  #limitSettings: readonly SharedSetting[] = []
  /** As others are told them. Undefined: no configuration is followed yet. */
  #statedSettings: string | undefined
  /** Providers whose server is this machine's own, so that its slots are. */
  #ownProviders: ReadonlySet<string> = new Set()

  private constructor(
    connection: StoreConnection,
    name: MachineName,
    settings: SharedStore,
    parts: SharedLimitsParts,
  ) {
    const { clock, events } = parts
    const { prefix, members, whenUnavailable } = settings
    this.connection = connection
    this.name = name
    this.#settings = settings
    this.#parts = parts
    const shared = {
      connection,
      prefix,
      clock,
      whenUnavailable,
      members,
      onBug: (error: unknown) => events.emit({ kind: 'internal_error', error, where: 'the store of limits' }),
    }
    this.allotments = new Allotments({
      ...shared,
      member: name.member,
      onFreed: () => this.store.freed(),
    })
    // What was spent outlives the process.
    this.#budgetAllotments = new Allotments({
      ...shared,
      member: name.machine,
      // Above those of the last run, unless the clock was set back.
      firstNumber: Math.floor(clock.wallNow()) * 1000,
      onFreed: () => this.budgets.onFreed(),
    })
    this.budgets = new SharedBudgets({
      allotments: this.#budgetAllotments,
      keyOf: (scope) => (isOfOneMachine(scope) ? undefined : digest(scope)),
      whenUnavailable,
      wallNow: clock.wallNow,
      setTimer: clock.setTimer,
    })
    this.#floodParts = {
      allotments: this.allotments,
      keyOf: (client) => (isOfOneMachine(`client:${client}`) ? undefined : digest(client)),
      whenUnavailable,
      now: clock.now,
    }
    this.store = new ValkeyStore({
      allotments: this.allotments,
      keyOf: (scope) => this.#keyOf(scope),
      whenUnavailable,
      now: clock.now,
      setTimer: clock.setTimer,
    })
    this.#reports = new StoreReports(connection, settings, parts)
    const { setTimer } = clock
    this.#watch = new ConflictWatch({
      connection,
      events,
      setTimer,
      look: async () => this.#machines?.conflicts(),
    })
    const all = [this.allotments, this.#budgetAllotments]
    connection.onNews = (message) => {
      for (const each of all) each.hear(message)
      this.#machines?.usage.hear(message)
      const generation = publishedGeneration(message)
      if (generation !== undefined) this.onKeys?.(generation)
    }
    connection.onChange = () => {
      this.#reports.report()
      for (const each of all) each.reconnected()
      if (connection.isUp) this.onConnected?.()
      this.#onFirstContact?.()
    }
    connection.onGrace = () => {
      for (const each of all) void each.restate()
    }
  }

  /**
   * Undefined: the limits are this gateway's alone. Waits for the server for a moment, because without it the first calls would be
   * taken from a share of the limits.
   * @throws StartError when the URL is none, or the client library is missing.
   */
  static async open(
    { store }: Pick<Config, 'store'>,
    parts: SharedLimitsParts,
  ): Promise<SharedLimits | undefined> {
    if (store.kind === 'memory') return undefined
    const { clock, stateDirectory, version } = parts
    const read = readStoreUrl(store.url!.reveal(), store.url!.source)
    if (read.kind === 'refused') {
      throw new StartError(`The URL from ${store.url!.source} ${read.message}. Remedy: ${read.hint}.`)
    }
    const machine = await machineId(stateDirectory, (cause) =>
      parts.events.emit({ kind: 'limits_not_saved', cause }),
    )
    const process = randomBytes(4).toString('hex')
    const { prefix, ca } = store
    const opened: { limits?: SharedLimits } = {}
    const connection = await connectStore({
      endpoint: read.endpoint,
      ca,
      prefix,
      member: {
        machine,
        process,
        host: hostname(),
        version,
        place: placeOf(stateDirectory),
        timeZone: () => (opened.limits === undefined ? undefined : opened.limits.#timeZone),
        limits: () => (opened.limits === undefined ? undefined : opened.limits.#statedSettings),
      },
      schema: schemaVersion,
      leaseMs,
      setTimer: clock.setTimer,
      chance: Math.random,
    }).catch((error: unknown) => {
      throw new StartError(reasonOf(error))
    })
    const limits = new SharedLimits(connection, { machine, member: `${machine}.${process}` }, store, parts)
    opened.limits = limits
    await limits.#firstContact()
    return limits
  }

  /** Resolves when the server is reached, at the latest after half a second. */
  async #firstContact(): Promise<void> {
    if (this.connection.isUp) return
    const reached = Promise.withResolvers<void>()
    this.#onFirstContact = reached.resolve
    const waiting = new AbortController()
    // Nothing else may keep the process alive yet.
    const late = setTimeout(firstContactMs, undefined, { signal: waiting.signal }).catch(() => {})
    await Promise.race([reached.promise, late])
    waiting.abort()
    this.#onFirstContact = undefined
  }

  /** @param hasBudgets whether any can be spent of. */
  follow(config: SettingsConfig, hasBudgets: boolean): void {
    const { providers, budgets } = config
    this.#timeZone = hasBudgets ? budgets.timeZone : undefined
    const own = Array.from(providers.values()).filter(
      (each) => !('origin' in each) || each.maxParallelRequests === 'auto' || isOfThisMachine(each.origin),
    )
    this.#ownProviders = new Set(own.map(({ name }) => name))
    this.#limitSettings = sharedSettings(config, {
      floodRpm: this.#floodRpm,
      isOwnProvider: (name) => this.#ownProviders.has(name),
      isOwnClient: (pattern) => isOfOneMachine(`client:${pattern}`),
    })
    this.#statedSettings = stateSettings(this.#limitSettings)
  }

  /** @param rpm as configured; at least 1. */
  floodWindows(rpm: number): SharedFloodWindows {
    this.#floodRpm = rpm
    return new SharedFloodWindows({ ...this.#floodParts, rpm })
  }

  /** From now on a process that replaces this one may state what the machine has spent of budgets. */
  offer(): void {
    this.#budgetAllotments.offer()
  }

  /** From now on questions of other machines are answered. @param readUsage by the names of clients. */
  openMachines(readUsage: (question: UsageQuestion) => Promise<UsageAnswer>): Machines {
    const { clock, events } = this.#parts
    const { connection, allotments } = this
    return (this.#machines = new Machines({
      connection,
      allotments,
      settings: this.#settings,
      limitSettings: () => this.#limitSettings,
      clock,
      readUsage,
      member: this.name.member,
      host: hostname(),
      onBug: (error) => events.emit({ kind: 'internal_error', error, where: 'the usage of all machines' }),
    }))
  }

  /** After a start that failed. Gives nothing back: what this machine holds of budgets may be another process's. */
  async disconnect(): Promise<void> {
    this.#reports.stop()
    this.#watch.stop()
    await this.connection.close()
  }

  /** Gives back what is not used, and disconnects. Calls have ended. */
  async close(): Promise<void> {
    this.#reports.stop()
    this.#watch.stop()
    await Promise.all([this.allotments.leave(), this.#budgetAllotments.leave()])
    await this.connection.close()
  }

  /** Users and addresses are of one machine, as are servers on loopback: only models, keys, identities and clouds are shared. */
  #keyOf({ kind, name, limits }: Scope): string | undefined {
    if (kind === 'model') return `model:${name}`
    if (kind === 'provider')
      return limits.isAuto || this.#ownProviders.has(name) ? undefined : `provider:${name}`
    return isOfOneMachine(name) ? undefined : `client:${digest(name)}`
  }
}

/** @param scope name of a client's scope. */
function isOfOneMachine(scope: string): boolean {
  return /^client:(?:user:|ip:|unknown$)/.test(scope)
}

function isOfThisMachine(origin: string): boolean {
  const { hostname: name } = new URL(origin)
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    reachOf(name.replace(/^\[|\]$/g, '')) === 'loopback'
  )
}

/** Names of clients may be addresses of people; in the server they are not to be read. 128 bits. */
function digest(name: string): string {
  return createHash('sha256').update(name).digest().subarray(0, 16).toString('base64url')
}
