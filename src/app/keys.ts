// The key file of a running gateway: read at the start and whenever it changes, handed to every thread, and acknowledged in
// `keys.state` once all threads check requests against it.
//
// A file with a fault is refused as a whole, and the last good one stays in force. A missing file is one without keys, at once:
// removing it is the emergency stop. The file is only read here; the command line alone writes it.
import { type FSWatcher, realpathSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { keyFileRules, noKeys, parseKeyFile } from '../clients/keys/key-file.ts'
import type { KeyFile, KeyRecord } from '../clients/keys/key-record.ts'
import { secretIdsOf } from '../clients/keys/keys-in-force.ts'
import { formatKeysState, keysStateFile } from '../clients/keys/keys-state.ts'
import { readTrustedFile } from '../config/trusted-file.ts'
import { findKeyFile } from '../config/find.ts'
import type { Config, KeysConfig } from '../config/types.ts'
import { fileVersion } from '../config/watch.ts'
import type { Events } from '../observe/events.ts'
import type { Clock } from '../platform/clock.ts'
import { type Accounts, systemAccounts } from '../platform/ownership.ts'
import { builtAtMs } from '../platform/package.ts'
import { StateFile } from '../platform/state-file.ts'
import { systemUsers, uidNamed } from '../platform/unix-users.ts'

export interface KeyFileParts {
  readonly path: string
  readonly events: Events
  readonly clock: Pick<Clock, 'setTimer' | 'wallNow'>
  /** Where `keys.state` is written. Undefined: nowhere. */
  readonly stateDirectory: string | undefined
  /** Has every thread check requests against these keys from now on. */
  readonly apply: (file: KeyFile) => AppliedKeys | Promise<AppliedKeys>
  /** Has every thread refuse these secrets at once, ahead of the file without them. Absent: `apply` does as soon. */
  readonly revoke?: (secretIds: ReadonlySet<string>) => void
  /** Default: the system's. */
  readonly accounts?: Accounts
  /** When the release was built, in milliseconds since 1970. Default: the package's. */
  readonly builtAtMs?: number
}

export interface AppliedKeys {
  /** How many check requests against them. */
  readonly threads: number
  /** Open calls that were ended because their keys were revoked. */
  readonly ended: number
}

/** What is in force after the file was read. */
export interface LoadedKeys extends AppliedKeys {
  readonly generation: number
  /** Why the file as it is now was refused: the generation before stays in force. */
  readonly refused: string | undefined
}

/** Between the last notification of a change and the reading. */
const quietMs = 20

/** Between two looks at the file, should the kernel's notifications miss a change. */
const lookMs = 1_000

/** Between two reports of a missing file. */
const missingMs = 60_000

export class KeyFileWatch {
  readonly #parts: KeyFileParts
  /** For acknowledgements. Undefined: nowhere. */
  readonly #state: StateFile | undefined
  #version: string | undefined
  readonly #watchers: FSWatcher[] = []
  #stopTimers: Readonly<Record<'quiet' | 'look' | 'missing', () => void>> = noTimers
  /** On the way to the threads, or in force in all of them. */
  #latest: KeyFile = noKeys
  #inForce: KeyFile = noKeys
  #applied: AppliedKeys = { threads: 0, ended: 0 }
  /** Calls that were ended by versions after the one in force. */
  #ended = 0
  #refused: string | undefined
  #applying: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(parts: KeyFileParts) {
    this.#parts = parts
    const { stateDirectory } = parts
    this.#state = stateDirectory === undefined ? undefined : new StateFile(stateDirectory, keysStateFile)
  }

  /** Reads the file before the first request. Without a good one no key is valid. */
  load(): KeyFile {
    this.#version = fileVersion(this.#parts.path)
    const read = this.#read((reason) => (this.#refused = reason))
    if (read !== undefined) this.#inForce = this.#latest = read
    return this.#inForce
  }

  /** Follows the file from here on, and acknowledges what was loaded. @param threads how many check requests against it. */
  start(threads: number): void {
    this.#applied = { threads, ended: 0 }
    this.#acknowledge()
    this.#reportClock()
    const look = () => {
      this.#change()
      if (!this.#isStopped) this.#setTimer('look', look, lookMs)
    }
    this.#setTimer('look', look, lookMs)
    this.#watchDirectories()
    // The start of threads takes its time, in which the file may have changed.
    this.#change()
  }

  /**
   * Loads the file now if it has changed, without waiting for a notification. Resolves when all threads check requests against
   * it, with how many calls this generation has ended.
   */
  async reload(): Promise<LoadedKeys> {
    this.#change()
    // A version that comes meanwhile takes the place of this one, which then is never in force by itself.
    for (let applying; applying !== this.#applying;) await (applying = this.#applying)
    return { ...this.#applied, generation: this.#inForce.generation, refused: this.#refused }
  }

  /** Nothing that happens to the file has an effect any more. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const watcher of this.#watchers) watcher.close()
    for (const stopTimer of Object.values(this.#stopTimers)) stopTimer()
    await this.#state?.settled()
  }

  /** A link is replaced in its directory, the file that it leads to in another one. */
  #watchDirectories(): void {
    const { path } = this.#parts
    const paths = [path, realPathOf(path)]
    const names = new Set(paths.map((each) => basename(each)))
    const onChange = (_: string, changed: string | null) => {
      if (changed === null || names.has(changed)) this.#setTimer('quiet', () => this.#change(), quietMs)
    }
    for (const directory of new Set(paths.map((each) => dirname(each)))) {
      try {
        const watcher = watch(directory, { persistent: false }, onChange)
        // The directory was removed, say; `look` goes on.
        watcher.on('error', () => watcher.close())
        this.#watchers.push(watcher)
      } catch {
        // There is no such directory, or no notification left; `look` sees changes within a second.
      }
    }
  }

  #change(): void {
    const version = fileVersion(this.#parts.path)
    if (this.#isStopped || version === this.#version) return
    this.#version = version
    this.#refused = undefined
    const file = this.#read((reason) => (this.#refused = reason))
    if (file === undefined) this.#acknowledge()
    else this.#applying = this.#apply(file)
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
    this.#acknowledge()
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

  /** Undefined: it is at fault. */
  #read(onFault: (reason: string) => void): KeyFile | undefined {
    const { path, accounts = systemAccounts() } = this.#parts
    const read = readTrustedFile(path, keyFileRules, accounts)
    if (read.kind === 'absent') return this.#readMissing()
    this.#stopTimers.missing()
    if (read.kind === 'refused') return this.#refuse([read.message], onFault)
    const parsed = parseKeyFile(read.text)
    if (parsed.kind === 'parsed') return parsed.file
    return this.#refuse(
      parsed.faults.map(({ place, message }) => (place === '' ? message : `${place} ${message}`)),
      onFault,
    )
  }

  #refuse(faults: readonly string[], onFault: (reason: string) => void): undefined {
    const { path, events } = this.#parts
    const shown = faults.slice(0, maxShownFaults)
    events.emit({ kind: 'keys_refused', file: path, faults: shown, unshown: faults.length - shown.length })
    onFault(faults[0]!)
    return undefined
  }

  #readMissing(): KeyFile {
    const report = () => {
      this.#parts.events.emit({ kind: 'keys_missing', file: this.#parts.path })
      this.#setTimer('missing', report, missingMs)
    }
    report()
    return noKeys
  }

  #setTimer(name: 'quiet' | 'look' | 'missing', fn: () => void, delayMs: number): void {
    this.#stopTimers[name]()
    const stop = this.#isStopped ? () => {} : this.#parts.clock.setTimer(fn, delayMs)
    this.#stopTimers = { ...this.#stopTimers, [name]: stop }
  }

  #acknowledge(): void {
    const refused = this.#refused
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
}

function hasExpiry({ expiresMs, secrets }: KeyRecord): boolean {
  return [expiresMs, ...secrets.map(({ untilMs }) => untilMs)].some((ms) => ms !== undefined)
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

const maxShownFaults = 5

function none(): void {}
const noTimers = { quiet: none, look: none, missing: none } as const

interface KeyWatchParts extends Omit<KeyFileParts, 'path'> {
  /** The key file is looked for beside it. */
  readonly configFile: string
}

/** Undefined: keys are ignored. */
export function keyWatchOf(
  { keys }: Config,
  { configFile, ...parts }: KeyWatchParts,
): KeyFileWatch | undefined {
  if (keys.mode === 'off') return undefined
  return new KeyFileWatch({ ...parts, path: findKeyFile(configFile, keys.file) })
}

/** The clients that `keys.keyless_users` names. An account that does not exist exempts nobody. */
export function keylessClients({ keylessUsers }: Pick<KeysConfig, 'keylessUsers'>): ReadonlySet<string> {
  const users = systemUsers()
  const uids = keylessUsers.map((name) => uidNamed(name, users, process.getuid?.() ?? 0))
  return new Set(uids.filter((uid) => uid !== undefined).map((uid) => `user:${users.nameOf(uid) ?? uid}`))
}
