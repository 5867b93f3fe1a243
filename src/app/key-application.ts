// Has every thread check requests against a version of the keys, and acknowledges in `keys.state` what is in force in all of them.
import { setImmediate } from 'node:timers/promises'
import { noKeys } from '../clients/keys/key-file.ts'
import type { KeyFile, KeyRecord } from '../clients/keys/key-record.ts'
import { secretIdsOf } from '../clients/keys/keys-in-force.ts'
import { formatKeysState, keysStateFile } from '../clients/keys/keys-state.ts'
import type { Events } from '../observe/events.ts'
import type { Clock } from '../platform/clock.ts'
import { builtAtMs } from '../platform/package.ts'
import { StateFile } from '../platform/state-file.ts'

export interface KeyApplicationParts {
  readonly events: Events
  readonly clock: Pick<Clock, 'setTimer' | 'wallNow'>
  /** Where `keys.state` is written. Undefined: nowhere. */
  readonly stateDirectory: string | undefined
  /** Has every thread check requests against these keys from now on. */
  readonly apply: (file: KeyFile) => AppliedKeys | Promise<AppliedKeys>
  /** Has every thread refuse these secrets at once, ahead of the file without them. Absent: `apply` does as soon. */
  readonly revoke?: (secretIds: ReadonlySet<string>) => void
  /** When the release was built, in milliseconds since 1970. Default: the package's. */
  readonly builtAtMs?: number
}

export interface AppliedKeys {
  /** How many check requests against them. */
  readonly threads: number
  /** Open calls that were ended because their keys were revoked. */
  readonly ended: number
}

/** What is in force after the keys were read. */
export interface LoadedKeys extends AppliedKeys {
  readonly generation: number
  /** Why the keys as they are now were refused: the generation before stays in force. */
  readonly refused: string | undefined
}

export class KeyApplication {
  readonly #parts: KeyApplicationParts
  /** For acknowledgements. Undefined: nowhere. */
  readonly #state: StateFile | undefined
  /** On the way to the threads, or in force in all of them. */
  #latest: KeyFile = noKeys
  #inForce: KeyFile = noKeys
  #applied: AppliedKeys = { threads: 0, ended: 0 }
  /** Calls that were ended by versions after the one in force. */
  #ended = 0
  #applying: Promise<void> = Promise.resolve()
  /** Why the keys as they are now were refused. */
  refused: string | undefined

  constructor(parts: KeyApplicationParts) {
    this.#parts = parts
    const { stateDirectory } = parts
    this.#state = stateDirectory === undefined ? undefined : new StateFile(stateDirectory, keysStateFile)
  }

  /** In all threads. */
  get inForce(): KeyFile {
    return this.#inForce
  }

  /** Whether these keys are in force, or on their way. */
  get latest(): KeyFile {
    return this.#latest
  }

  /** Before the first request: the threads start with these keys. */
  begin(file: KeyFile): void {
    this.#inForce = this.#latest = file
  }

  /** Acknowledges them. @param threads how many check requests against them. */
  start(threads: number): void {
    this.#applied = { threads, ended: 0 }
    this.acknowledge()
    this.#reportClock()
  }

  /** Goes over to these keys. */
  replace(file: KeyFile): void {
    this.#applying = this.#apply(file)
  }

  /**
   * Resolves when all threads check requests against the latest keys, with how many calls they have ended.
   */
  async settled(): Promise<LoadedKeys> {
    // A version that comes meanwhile takes the place of this one, which then is never in force by itself.
    for (let applying; applying !== this.#applying;) await (applying = this.#applying)
    return { ...this.#applied, generation: this.#inForce.generation, refused: this.refused }
  }

  /** Writes down what is in force, and why what is there now is not. */
  acknowledge(): void {
    const { refused } = this
    const { clock, events } = this.#parts
    const state = formatKeysState({
      generation: this.#inForce.generation,
      loadedAtMs: clock.wallNow(),
      threads: this.#applied.threads,
      ...(refused !== undefined && { refused }),
    })
    const failed = (cause: unknown) => events.emit({ kind: 'keys_not_acknowledged', cause })
    void this.#state?.replace(state).catch(failed)
  }

  /** Resolves when the last acknowledgement is written. */
  async stop(): Promise<void> {
    await this.#state?.settled()
  }

  /** A thread that does not answer holds up the acknowledgement, and neither the other threads nor later versions. */
  async #apply(file: KeyFile): Promise<void> {
    const { apply, revoke } = this.#parts
    const revoked = revoke && secretIdsOf(this.#latest).difference(secretIdsOf(file))
    this.#latest = file
    if (revoked !== undefined && revoked.size > 0) {
      revoke?.(revoked)
      // What is posted to threads in one turn of the event loop arrives together, and a large file takes its time.
      await setImmediate()
      if (this.#latest !== file) return
    }
    const { threads, ended } = await apply(file)
    this.#ended += ended
    if (this.#latest !== file) return
    this.#inForce = file
    this.#applied = { threads, ended: this.#ended }
    this.#ended = 0
    this.#parts.events.emit({ kind: 'keys_loaded', generation: file.generation, keys: file.keys.length })
    this.acknowledge()
    this.#reportClock()
  }

  /** Where the clock was lost, keys that expire are refused: by it, those that have expired would be valid again. */
  #reportClock(): void {
    const { clock, events, builtAtMs: builtMs = builtAtMs() } = this.#parts
    const nowMs = clock.wallNow()
    if (nowMs >= builtMs) return
    const keys = this.#inForce.keys.filter(hasExpiry).length
    if (keys === 0) return
    const [now, built] = [nowMs, builtMs].map((ms) => new Date(ms).toISOString()) as [string, string]
    events.emit({ kind: 'clock_not_set', now, built, keys })
  }
}

function hasExpiry({ expiresMs, secrets }: KeyRecord): boolean {
  return [expiresMs, ...secrets.map(({ untilMs }) => untilMs)].some((ms) => ms !== undefined)
}
