// The worker threads of a gateway with `server.workers` above 1. The main thread then serves no connections: it owns what all calls
// share, and replaces a worker that ends by itself.
//
// All workers listen on the same port, and the kernel deals connections out to them. A Unix socket and sockets that a
// service manager passed can't be shared in this way: the first worker serves those.
import { setTimeout as setTimeoutPromise } from 'node:timers/promises'
import type { KeyFile } from '../../clients/keys/key-record.ts'
import type { Config } from '../../config/types.ts'
import { StartError } from '../../errors.ts'
import { systemClock } from '../../platform/clock.ts'
import { resetServingFlags, setServingFlags } from '../../platform/node/serving-flags.ts'
import type { RouteTable } from '../../routing/route-table.ts'
import type { InheritedSocket } from '../../server/listeners/inherited.ts'
import type { StatusSource } from '../../status/status-source.ts'
import type { AppliedKeys } from '../key-application.ts'
import type { ThreadFacts } from '../metrics-source.ts'
import type { OpenedEvents } from '../open-events.ts'
import type { OwnServices } from '../own-services.ts'
import { ProviderPool, type ProviderSet } from '../provider-pool.ts'
import { RoutesInForce } from '../routes-in-force.ts'
import type { ServingThreads, ThreadLook } from '../serving-threads.ts'
import { serializeConfig, type SerializedConfig } from './config-transfer.ts'
import { FloodLeases } from './flood-leases.ts'
import { Inbox } from './inbox.ts'
import type { FromWorker, ToWorker, WorkerStart } from './messages.ts'
import { ReceivedCounts } from './remote-counts.ts'
import { RestartDelay } from './restart-delay.ts'
import { sharedPort } from './shared-port.ts'
import { WorkerThread } from './worker-thread.ts'

/** Beyond `server.shutdown_grace_ms`: for the last bytes of calls and the end of the thread. */
const stopMarginMs = 5_000

/** How long a scrape waits for the threads. */
const maxMeasureMs = 250

const unsharable =
  'The sockets of the service manager can not be shared by threads: that takes ReusePort=yes in the socket unit, one port, ' +
  'and a manager of the same user.'

/** The file that a worker thread runs: TypeScript in a checkout, a bundled file in the package. */
const packagedEntry = new URL(
  import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.cjs',
  import.meta.url,
)

interface WorkerPoolParts {
  readonly opened: OpenedEvents
  readonly services: OwnServices
  readonly status: StatusSource
  /** The keys that are in force. */
  readonly keyFile: KeyFile
  readonly sockets: readonly InheritedSocket[]
  readonly version: string
  readonly configFile: string
  /** The file that each thread runs; the package's own when absent. */
  readonly workerEntry?: URL
}

export class WorkerPool implements ServingThreads {
  addresses: readonly string[] = []
  readonly #config: Config
  #newest: Config
  readonly #parts: WorkerPoolParts
  readonly #providers: ProviderPool
  readonly #inbox = new Inbox<FromWorker>()
  readonly #leases: FloodLeases | undefined
  readonly #workers = new Map<number, WorkerThread>()
  /** In force, or on the way to the threads. */
  #keyFile: KeyFile
  /** As they were measured last. */
  readonly #openCalls = new WeakMap<WorkerThread, number>()
  readonly #relaunches = new Map<number, NodeJS.Timeout>()
  readonly #restartDelay = new RestartDelay(systemClock.now)
  #providerSet: ProviderSet
  #reloaded: SerializedConfig | undefined
  readonly #routesInForce = new RoutesInForce()
  #starting = 0
  #isStopping = false

  constructor(config: Config, parts: WorkerPoolParts) {
    this.#config = config
    this.#newest = config
    this.#parts = parts
    this.#keyFile = parts.keyFile
    const { services, version } = parts
    const { floodWindows } = services
    this.#leases = floodWindows === undefined ? undefined : new FloodLeases(floodWindows)
    this.#providers = new ProviderPool(`llm-gateway/${version}`)
    this.#providerSet = this.#providers.open(config.providers)
    services.onModels = (discovered) => this.#post({ kind: 'models', discovered })
    services.onServerEnded = (provider) => {
      this.#providerSet.get(provider)?.retireConnections?.()
      this.#post({ kind: 'server_ended', provider })
    }
    services.watch.onFormats = () => this.#post({ kind: 'formats', found: services.formats.confirmed() })
  }

  get providers(): ProviderSet {
    return this.#providerSet
  }

  get isDraining(): boolean {
    return this.#isStopping
  }

  async start(): Promise<void> {
    try {
      await this.#start()
    } catch (error) {
      this.#isStopping = true
      await this.#all((worker) => worker.terminate())
      await this.close()
      throw error
    }
  }

  async #start(): Promise<void> {
    const { server } = this.#config
    const { sockets, opened } = this.#parts
    const first = this.#launch(1).started
    // The others join the port of the first one where it is not known before.
    if (server.port === 0 || sockets.length > 0) this.addresses = await first
    const numbers = Array.from({ length: server.workers - 1 }, (_, index) => index + 2)
    try {
      await Promise.all([first, ...numbers.map((number) => this.#launch(number).started)])
    } catch (error) {
      if (sockets.length === 0 || !(error instanceof StartError)) throw error
      const others = numbers.map((number) => this.#workers.get(number)).filter((each) => each !== undefined)
      for (const number of numbers) this.#workers.delete(number)
      await Promise.all(others.map((worker) => worker.terminate()))
      opened.events.emit({ kind: 'workers_missing', workers: 1, reason: unsharable })
    }
    this.addresses = await first
    for (const [number, worker] of this.#workers) this.#replaceAtEnd(number, worker)
  }

  async reload(next: Config): Promise<void> {
    const before = this.#providerSet
    this.#newest = next
    const config = serializeConfig(next)
    this.#reloaded = config
    this.#providerSet = this.#providers.open(next.providers)
    await this.#all((worker) => worker.request({ kind: 'reload', config }))
    void this.#providers.release(before)
  }

  /** A thread that does not answer counts with what it answered last. */
  async describe(): Promise<ThreadFacts> {
    const measuring = this.#all(async (worker) => {
      this.#openCalls.set(worker, await worker.request({ kind: 'measure' }))
    })
    await Promise.race([measuring, setTimeoutPromise(maxMeasureMs, undefined, { ref: false })])
    const workers = [...this.#workers.values()]
    return {
      isDraining: this.#isStopping,
      openCalls: workers.reduce((sum, worker) => sum + (this.#openCalls.get(worker) ?? 0), 0),
      workers: this.count(),
    }
  }

  count(): ThreadFacts['workers'] {
    return { wanted: this.#config.server.workers, running: this.#workers.size }
  }

  openCalls(): undefined {}

  routes(): RouteTable {
    return this.#routesInForce.of(this.#newest, this.#parts.services.discovered)
  }

  async look(): Promise<readonly ThreadLook[]> {
    // Of the requests that this thread itself sends to providers.
    const own = { calls: [], recent: this.#parts.opened.history.look() }
    return [own, ...(await this.#all((worker) => worker.look()))]
  }

  /** Does not wait for threads that are busy once another one had the call. */
  cancelCall(id: string, by?: string): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const asked = this.#all(async (worker) => {
      if ((await worker.request({ kind: 'cancel_call', id, by })) > 0) resolve(true)
    })
    void asked.then(() => resolve(false))
    return promise
  }

  /** A worker that starts later has them from its start on. */
  async setKeys(file: KeyFile): Promise<AppliedKeys> {
    this.#keyFile = file
    const ended = await this.#all((worker) => worker.request({ kind: 'keys', file }))
    return { threads: ended.length, ended: ended.reduce((sum, count) => sum + count, 0) }
  }

  revokeKeys(secretIds: ReadonlySet<string>): void {
    void this.#all((worker) => worker.request({ kind: 'revoke', secretIds }))
  }

  drain(): void {
    this.#isStopping = true
    for (const timer of this.#relaunches.values()) clearTimeout(timer)
  }

  async stop(reason: string): Promise<void> {
    const limitMs = this.#newest.server.shutdownGraceMs + stopMarginMs
    const openCalls = await this.#all((worker) => worker.stop(reason, limitMs))
    this.#parts.opened.events.emit({
      kind: 'stopping',
      reason,
      open_calls: openCalls.reduce((sum, count) => sum + count, 0),
    })
    await this.#all(async (worker) => Promise.race([worker.ended, worker.stopped]))
  }

  async close(): Promise<void> {
    await this.#providers.release(this.#providerSet)
  }

  /** A worker that is being replaced has ended, and hangs no more. */
  isAlive(): boolean {
    return [...this.#workers.values()].map((worker) => worker.checkLiveness()).every(Boolean)
  }

  #post(message: ToWorker): void {
    for (const worker of this.#workers.values()) worker.post(message)
  }

  #all<Result>(run: (worker: WorkerThread) => Promise<Result>): Promise<Result[]> {
    return Promise.all(Array.from(this.#workers.values(), run))
  }

  #launch(number: number): WorkerThread {
    const { workerEntry: entry = packagedEntry, services, status, opened } = this.#parts
    const { logOutput, counts, audit } = opened
    const received = counts && new ReceivedCounts(counts.registry)
    const worker = new WorkerThread({
      entry,
      start: this.#startOf(number),
      inbox: this.#inbox,
      leases: this.#leases,
      services,
      status,
      onLog: (text) => void logOutput.write(text),
      onRows: (rows) => services.recordRows(rows),
      onUnfinished: (call) => services.recordUnfinished(call),
      onCounts: (message) => received?.receive(message),
      onAudited: (event) => audit?.sink.receive(event),
      onBug: (error) => opened.events.emit({ kind: 'internal_error', error, where: 'the end of a worker' }),
    })
    this.#workers.set(number, worker)
    // A thread that starts under the flags compiles everything anew.
    this.#starting += 1
    resetServingFlags()
    const onSettled = () => {
      this.#starting -= 1
      if (this.#starting === 0) setServingFlags()
    }
    worker.started.then(onSettled, onSettled)
    return worker
  }

  #startOf(number: number): Omit<WorkerStart, 'port'> {
    const { server } = this.#config
    const { sockets, version, configFile, opened, services } = this.#parts
    const isFirst = number === 1
    const { hosts, port } = this.addresses.length === 0 ? server : sharedPort(this.addresses)
    return {
      number,
      hasLedger: opened.ledger !== undefined,
      hasCounts: opened.counts !== undefined,
      hasAudit: opened.audit !== undefined,
      config: serializeConfig(this.#config),
      reloaded: this.#reloaded,
      discovered: services.discovered,
      foundFormats: services.formats.confirmed(),
      prefixKey: services.coordinator.prefixKey,
      keyFile: this.#keyFile,
      hosts,
      tcpPort: port,
      unixSocket: isFirst ? server.unixSocket : undefined,
      sockets: isFirst ? sockets : [],
      version,
      configFile,
    }
  }

  #replaceAtEnd(number: number, worker: WorkerThread): void {
    void worker.ended.then((cause) => {
      if (this.#isStopping || cause === undefined) return
      this.#workers.delete(number)
      const delayMs = this.#restartDelay.next()
      this.#parts.opened.events.emit({ kind: 'worker_ended', worker: number, cause, restart_in_ms: delayMs })
      // The passed sockets went with it, and only a new process gets them again: the rejection ends this one.
      if (number === 1 && this.#parts.sockets.length > 0) throw cause
      this.#relaunches.set(
        number,
        setTimeout(() => this.#relaunch(number), delayMs),
      )
    })
  }

  #relaunch(number: number): void {
    this.#relaunches.delete(number)
    const worker = this.#launch(number)
    this.#replaceAtEnd(number, worker)
    worker.started.then(
      () => this.#parts.opened.events.emit({ kind: 'worker_restarted', worker: number }),
      () => {}, // its end is reported
    )
  }
}
