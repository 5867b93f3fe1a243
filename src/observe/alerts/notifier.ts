// Looks every two seconds whether something needs a person, and sends what has changed to the services of the configuration.
// One in a process, in the thread that owns what calls share. Nothing waits for it, and nothing of it throws.
import type { NotifyConfig, NotifySink } from '../../config/observe-types.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Events } from '../events.ts'
import type { CounterReader } from '../metrics/counters.ts'
import { type Attention, compareSeverity } from './attention.ts'
import { Conditions } from './conditions.ts'
import { deliver } from './deliver.ts'
import type { GatewayState } from './gateway-state.ts'
import { Heartbeat } from './heartbeat.ts'
import { Measures } from './measures.ts'
import type { Notice } from './notice.ts'
import { AlertsFile, type SavedAlerts } from './saved-alerts.ts'
import { SinkQueue } from './sink-queue.ts'

export interface NotifierParts {
  readonly clock: Clock
  readonly counters: CounterReader
  /** Called at each look. */
  readonly stateOf: () => GatewayState
  readonly emit: Events['emit']
  /** Where the conditions are kept over a restart. Undefined: nowhere. */
  readonly stateDirectory: string | undefined
  /** Name of the machine. */
  readonly host: string
}

const tickMs = 2_000
/** Alertmanager ends an alert that it has not received again for five minutes. */
const alertmanagerMs = 60_000

interface Receiver {
  sink: NotifySink
  readonly queue: SinkQueue
}

export class Notifier {
  readonly #parts: NotifierParts
  readonly #startMs: number
  readonly #measures = new Measures()
  readonly #conditions = new Conditions()
  readonly #receivers = new Map<string, Receiver>()
  readonly #heartbeat: Heartbeat
  readonly #file: AlertsFile | undefined
  #config: NotifyConfig | undefined
  /** What the last process could not send, until its service is there. */
  readonly #saved: Map<string, readonly Notice[]>
  #cancel: (() => void) | undefined
  #isFailing = false
  #isStopped = false
  #alertmanagerMs = -Infinity

  constructor(parts: NotifierParts) {
    this.#parts = parts
    this.#startMs = parts.clock.now()
    this.#heartbeat = new Heartbeat(parts.clock, parts.emit)
    const { stateDirectory, emit } = parts
    this.#saved = new Map()
    if (stateDirectory === undefined) return
    this.#file = new AlertsFile({
      directory: stateDirectory,
      content: () => this.#content(),
      onFault: (cause) => emit({ kind: 'alerts_not_saved', cause }),
    })
    const { conditions, waiting } = this.#file.load()
    this.#conditions.restore(conditions, this.#now())
    this.#saved = new Map(waiting)
  }

  /** @param isLookedAt whether somebody may ask for `attention` where nothing is sent. */
  follow(config: NotifyConfig, isLookedAt: boolean): void {
    if (this.#isStopped) return
    this.#config = config
    const names = new Set(config.sinks.map(({ name }) => name))
    for (const name of this.#receivers.keys()) if (!names.has(name)) this.#receivers.delete(name)
    for (const sink of config.sinks) this.#follow(sink)
    this.#heartbeat.follow(config.heartbeat)
    const isWanted = config.sinks.length > 0 || isLookedAt
    if (!isWanted) this.#cancel?.()
    if (!isWanted) this.#cancel = undefined
    else if (this.#cancel === undefined) this.#tick()
  }

  /** What needs a person now, the most severe first. */
  attention(): readonly Attention[] {
    return this.#conditions.attention(this.#now())
  }

  /** Looks no more, and sends nothing more. */
  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
    this.#heartbeat.stop()
    this.#file?.touch()
  }

  /** Resolves when everything is written that a restart goes on from. */
  async saved(): Promise<void> {
    await this.#file?.stop()
  }

  #follow(sink: NotifySink): void {
    const before = this.#receivers.get(sink.name)
    if (before?.sink.kind === sink.kind) {
      before.sink = sink
      return
    }
    const { clock, emit, host } = this.#parts
    const { name, kind } = sink
    const queue = new SinkQueue({
      kind,
      now: clock.now,
      send: (batch) => deliver(receiver.sink, batch, { host }, clock.wallNow()),
      onSent: (notices) => {
        // Alertmanager receives all that is firing each minute.
        const news = notices.filter((notice) => kind !== 'alertmanager' || notice.kind !== 'repeated')
        if (news.length > 0) emit({ kind: 'notification_sent', sink: name, notices: news.length })
      },
      onFailed: (reason, retryInMs) =>
        emit({ kind: 'notification_failed', sink: name, reason, retry_in_ms: retryInMs }),
      onSuppressed: (notices, reason) =>
        emit({ kind: 'notification_suppressed', sink: name, notices, reason }),
      onChange: () => this.#file?.touch(),
    })
    const receiver: Receiver = { sink, queue }
    queue.add(this.#saved.get(name) ?? [])
    this.#saved.delete(name)
    this.#receivers.set(name, receiver)
  }

  #tick(): void {
    this.#cancel = this.#parts.clock.setTimer(() => this.#tick(), tickMs)
    try {
      this.#look()
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing) this.#parts.emit({ kind: 'internal_error', error, where: 'a look at conditions' })
      this.#isFailing = true
    }
  }

  #look(): void {
    const config = this.#config
    if (config === undefined) return
    const { counters, stateOf } = this.#parts
    const { nowMs, wallMs } = this.#now()
    this.#measures.record(counters, nowMs)
    const look = { measures: this.#measures, state: stateOf() }
    const isQuiet = nowMs - this.#startMs < config.quietStartMs
    const notices = this.#conditions.step(look, config, { nowMs, wallMs, isQuiet })
    this.#send(notices)
    if (!isQuiet && nowMs - this.#alertmanagerMs >= alertmanagerMs) {
      this.#alertmanagerMs = nowMs
      const firing = this.#conditions.firing({ nowMs, wallMs })
      this.#send(firing, ({ sink }) => sink.kind === 'alertmanager')
    }
    if (notices.length > 0) this.#file?.touch()
    if (!isQuiet) for (const { queue } of this.#receivers.values()) void queue.flush()
  }

  #send(notices: readonly Notice[], isFor: (receiver: Receiver) => boolean = () => true): void {
    if (notices.length === 0) return
    for (const receiver of this.#receivers.values()) {
      if (!isFor(receiver)) continue
      const { minSeverity } = receiver.sink
      receiver.queue.add(notices.filter(({ severity }) => compareSeverity(severity, minSeverity) >= 0))
    }
  }

  #content(): SavedAlerts {
    const waiting = [...this.#receivers].map(([name, { queue }]) => [name, queue.waiting] as const)
    return {
      conditions: this.#conditions.save({ measures: this.#measures }, this.#now()),
      waiting: new Map(waiting),
    }
  }

  #now(): { nowMs: number; wallMs: number } {
    const { now, wallNow } = this.#parts.clock
    return { nowMs: now(), wallMs: wallNow() }
  }
}
