// The key file of a running gateway: read at the start and whenever it changes, handed to every thread, and acknowledged in
// `keys.state` once all threads check requests against it.
//
// A file with a fault is refused as a whole, and the last good one stays in force. A missing file is one without keys, at once:
// removing it is the emergency stop. The file is only read here; the command line alone writes it.
import { keyFileRules, noKeys, parseKeyFile } from '../clients/keys/key-file.ts'
import type { KeyFile } from '../clients/keys/key-record.ts'
import { readTrustedFile } from '../config/trusted-file.ts'
import { findKeyFile } from '../config/find.ts'
import type { Config, KeysConfig } from '../config/types.ts'
import { fileVersion } from '../config/watch.ts'
import type { Clock } from '../platform/clock.ts'
import { NamedTimers } from '../platform/named-timers.ts'
import { type Accounts, systemAccounts } from '../platform/ownership.ts'
import { systemUsers, uidNamed } from '../platform/unix-users.ts'
import { watchPath } from '../platform/watch-path.ts'
import { KeyApplication, type KeyApplicationParts, type LoadedKeys } from './key-application.ts'
import type { KeySource } from './key-source.ts'
import { type MachinesOfKeys, SharedKeys } from './machines/shared-keys.ts'
import { MissingKeyReports } from './missing-keys.ts'

export interface KeyFileParts extends KeyApplicationParts {
  readonly path: string
  /** Clients without a key are served. Absent: they are not. */
  readonly isOptional?: boolean
  /** Default: the system's. */
  readonly accounts?: Accounts
}

/** Between the last notification of a change and the reading. */
const quietMs = 20

/** Between two looks at the file, should the kernel's notifications miss a change. */
const lookMs = 1_000

export class KeyFileWatch implements KeySource {
  readonly #parts: KeyFileParts
  readonly #keys: KeyApplication
  #version: string | undefined
  #stopWatching: () => void = () => {}
  readonly #timers: NamedTimers<'look' | 'missing' | 'quiet'>
  readonly #missing: MissingKeyReports
  #isStopped = false
  /** A good file was there since the start. */
  #wasThere = false

  constructor(parts: KeyFileParts) {
    this.#parts = parts
    this.#keys = new KeyApplication(parts)
    this.#timers = new NamedTimers(parts.clock.setTimer)
    this.#missing = new MissingKeyReports(parts.events, this.#timers, () => {
      const isUsual = parts.isOptional === true && !this.#wasThere
      return { file: parts.path, ...(isUsual && { is_usual: true }) }
    })
  }

  /** Reads the file before the first request. Without a good one no key is valid. */
  load(): KeyFile {
    this.#version = fileVersion(this.#parts.path)
    const read = this.#read()
    if (read !== undefined) this.#keys.begin(read)
    return this.#keys.inForce
  }

  start(threads: number): void {
    this.#keys.start(threads)
    const look = () => {
      this.#change()
      this.#timers.set('look', look, lookMs)
    }
    this.#timers.set('look', look, lookMs)
    this.#stopWatching = watchPath(this.#parts.path, () =>
      this.#timers.set('quiet', () => this.#change(), quietMs),
    )
    // The start of threads takes its time, in which the file may have changed.
    this.#change()
  }

  async reload(): Promise<LoadedKeys> {
    this.#change()
    return this.#keys.settled()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stopWatching()
    this.#timers.stop()
    await this.#keys.stop()
  }

  #change(): void {
    const version = fileVersion(this.#parts.path)
    if (this.#isStopped || version === this.#version) return
    this.#version = version
    this.#keys.refused = undefined
    const file = this.#read()
    if (file === undefined) this.#keys.acknowledge()
    else this.#keys.replace(file)
  }

  /** Undefined: it is at fault. */
  #read(): KeyFile | undefined {
    const { path, accounts = systemAccounts() } = this.#parts
    const read = readTrustedFile(path, keyFileRules, accounts)
    if (read.kind === 'absent') {
      this.#missing.look()
      return noKeys
    }
    this.#missing.end()
    if (read.kind === 'refused') return this.#refuse([read.message])
    const parsed = parseKeyFile(read.text)
    if (parsed.kind === 'parsed') {
      this.#wasThere = true
      return parsed.file
    }
    return this.#refuse(
      parsed.faults.map(({ place, message }) => (place === '' ? message : `${place} ${message}`)),
    )
  }

  #refuse(faults: readonly string[]): undefined {
    const { path, events } = this.#parts
    const shown = faults.slice(0, maxShownFaults)
    events.emit({ kind: 'keys_refused', file: path, faults: shown, unshown: faults.length - shown.length })
    this.#keys.refused = faults[0]!
    return undefined
  }
}

const maxShownFaults = 5

interface KeySourceParts extends KeyApplicationParts {
  readonly clock: Clock
  /** The key file is looked for beside it. */
  readonly configFile: string
  /** Undefined: the gateway shares nothing with others. */
  readonly machines: MachinesOfKeys | undefined
}

/** Undefined: keys are ignored. */
export function keySourceOf(
  { keys, store }: Pick<Config, 'keys' | 'store'>,
  { configFile, machines, ...parts }: KeySourceParts,
): KeySource | undefined {
  if (keys.mode === 'off') return undefined
  const path = findKeyFile(configFile, keys.file)
  if (machines === undefined || store.kind === 'memory' || store.keysSignedBy.length === 0)
    return new KeyFileWatch({ ...parts, path, isOptional: keys.mode === 'optional' })
  return new SharedKeys({ ...parts, machines, store, path })
}

/** The clients that `keys.keyless_users` names. An account that does not exist exempts nobody. */
export function keylessClients({ keylessUsers }: Pick<KeysConfig, 'keylessUsers'>): ReadonlySet<string> {
  const users = systemUsers()
  const uids = keylessUsers.map((name) => uidNamed(name, users, process.getuid?.() ?? 0))
  return new Set(uids.filter((uid) => uid !== undefined).map((uid) => `user:${users.nameOf(uid) ?? uid}`))
}
