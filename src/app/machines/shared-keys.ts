// The keys of clients that gateways share: a signed list in the store, which this gateway pulls, verifies and keeps a copy of.
// Which list is in force, held-keys.ts decides. What is in the store and is none is replaced by the list in force. Where the copy
// was removed (or, on the machine that signs, the key file), no key is valid until a newer list is published.
import { randomBytes } from 'node:crypto'
import type { StoreConnection } from '../../admission/stores/valkey/connection.ts'
import { KeyListInStore, type ListInStore } from '../../admission/stores/valkey/key-list.ts'
import { StoreFault } from '../../admission/stores/valkey/store-fault.ts'
import { keyFileRules, noKeys } from '../../clients/keys/key-file.ts'
import type { KeyFile } from '../../clients/keys/key-record.ts'
import {
  formatSignedKeys,
  type KeySignature,
  maxSignedBytes,
  shortNameOf,
} from '../../clients/keys/signed-keys.ts'
import type { SharedStore } from '../../config/store-types.ts'
import { readTrustedFile } from '../../config/trusted-file.ts'
import { fileVersion } from '../../config/watch.ts'
import type { Clock } from '../../platform/clock.ts'
import { LastingFault } from '../../platform/lasting-fault.ts'
import { NamedTimers } from '../../platform/named-timers.ts'
import { type Accounts, systemAccounts } from '../../platform/ownership.ts'
import { reasonOf } from '../../platform/thrown.ts'
import { watchPath } from '../../platform/watch-path.ts'
import { KeyApplication, type KeyApplicationParts, type LoadedKeys } from '../key-application.ts'
import type { KeySource, PublishedKeys, SharedKeyCommands } from '../key-source.ts'
import { type MissingKeys, MissingKeyReports } from '../missing-keys.ts'
import { HeldKeys, type HeldList } from './held-keys.ts'
import { KeptKeys } from './kept-keys.ts'
import { Looks } from './looks.ts'
import type { SharedLimits } from './shared-limits.ts'

export interface MachinesOfKeys extends Pick<SharedLimits, 'name' | 'onConnected' | 'onKeys'> {
  readonly connection: Pick<StoreConnection, 'fault' | 'isUp' | 'run'>
}

export interface SharedKeysParts extends KeyApplicationParts {
  readonly clock: Clock
  readonly machines: MachinesOfKeys
  readonly store: Pick<SharedStore, 'keysSignedBy' | 'prefix' | 'signsKeys'>
  /** Of this machine's key file, which is signed here, or is not in use. */
  readonly path: string
  /** Default: the system's. */
  readonly accounts?: Accounts
  /** From 0 to below 1. Default: random. */
  readonly chance?: () => number
}

/** After a removal that the kernel reports: a file may be replaced by one that is not there for a moment. */
const quietMs = 20
/** Between two reports of a fault that stays as it is. */
const faultMs = 300_000
/** How long a start may take to get a list before that is reported. */
const firstWaitMs = 2_000
/** Within which one of several gateways puts a list back that the store has lost. */
const spreadMs = 300
/** How long others may take to have a list in force, while a command waits. */
const othersMs = 2_000
const othersPollMs = 25

export class SharedKeys implements KeySource {
  readonly shared: SharedKeyCommands = {
    publish: (signature) => this.#publish(signature),
    describe: () => this.#held.describe(this.#isFileRemoved()),
  }
  readonly #parts: SharedKeysParts
  readonly #keys: KeyApplication
  readonly #kept: KeptKeys
  readonly #held: HeldKeys
  readonly #list: KeyListInStore
  readonly #looks: Looks
  readonly #timers: NamedTimers<'first' | 'missing' | 'put' | 'quiet'>
  readonly #missing: MissingKeyReports
  /** Met at each look at the store. */
  readonly #looking = new LastingFault(faultMs)
  /** Met at each try to put the list in force there. */
  readonly #storing = new LastingFault(faultMs)
  #seen: ListInStore | undefined
  #lastReason: string | undefined
  #mayPut = false
  #stopWatching: () => void = none
  #isStopped = false

  constructor(parts: SharedKeysParts) {
    this.#parts = parts
    const { machines, store, stateDirectory, clock } = parts
    this.#keys = new KeyApplication(parts)
    this.#kept = new KeptKeys(stateDirectory)
    this.#held = new HeldKeys(store)
    this.#looks = new Looks(() => this.#look(), clock.setTimer)
    this.#timers = new NamedTimers(clock.setTimer)
    this.#missing = new MissingKeyReports(parts.events, this.#timers, () => this.#findMissing())
    const { machine, member } = machines.name
    this.#list = new KeyListInStore(machines.connection, {
      prefix: store.prefix,
      machine,
      uploadId: `${member}-${randomBytes(4).toString('hex')}`,
    })
  }

  load(): KeyFile {
    const found = this.#kept.load()
    const { newest, fault } = found
    if (fault !== undefined) this.#reportNotAccepted(newest, fault)
    const restored = this.#held.restore(found, this.#isFileRemoved())
    const ofCopy = 'the copy in the state directory'
    switch (restored.kind) {
      case 'in_force':
        this.#keys.begin(restored.file)
        return restored.file
      case 'refused':
        this.#keys.refused = restored.reason
        this.#reportNotAccepted(newest, `${ofCopy} ${restored.reason}`)
        break
      case 'outdated':
        this.#reportNotAccepted(restored.generation, `${ofCopy} is older than generation ${newest}`)
        break
      case 'halted':
        this.#keepHalt()
        break
      case 'no_copy':
        break
    }
    return noKeys
  }

  start(threads: number): void {
    const { machines, store, path, events } = this.#parts
    this.#keys.start(threads)
    if (!store.signsKeys && fileVersion(path) !== undefined)
      events.emit({ kind: 'key_file_not_used', file: path })
    const isAwaited = () => this.#held.list === undefined && this.#findMissing() === undefined
    this.#timers.set('first', () => isAwaited() && events.emit({ kind: 'keys_awaited' }), firstWaitMs)
    const removals = () => this.#timers.set('quiet', () => this.#checkRemoval(), quietMs)
    const watched = [this.#kept.path, store.signsKeys ? path : undefined]
    const stops = watched.map((each) => (each === undefined ? none : watchPath(each, removals)))
    this.#stopWatching = () => stops.forEach((stop) => stop())
    machines.onKeys = (generation) => {
      if (generation > this.#held.newest) this.#looks.soon()
    }
    machines.onConnected = () => void this.#looks.now()
    this.#looks.start()
  }

  async reload(): Promise<LoadedKeys> {
    await this.#looks.now()
    return this.#keys.settled()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stopWatching()
    this.#timers.stop()
    await this.#looks.stop()
    await this.#kept.settled()
    await this.#keys.stop()
  }

  async #publish(head: KeySignature): Promise<PublishedKeys> {
    const { path, accounts = systemAccounts(), machines } = this.#parts
    // What another machine has published is older or newer than this, and never the same.
    await this.#looks.now()
    const read = readTrustedFile(path, keyFileRules, accounts)
    if (read.kind === 'absent') return refusal(`there is no ${path}`)
    if (read.kind === 'refused') return refusal(`${path} ${read.message}`)
    const verified = this.#held.verify(formatSignedKeys({ head, file: read.text }))
    if (verified.kind === 'refused') return refusal(`${path} ${verified.reason}`)
    const { newest } = this.#held
    if (head.generation <= newest) return refusal(`generation ${newest} was in force before`, newest)
    await this.#accept(verified.list, verified.file, 'publish')
    const { connection } = machines
    const waitsFor = connection.isUp ? await this.#put(true) : connection.fault
    if (waitsFor === undefined) await this.#waitForOthers(head.generation)
    const { inForce = 0, machines: all = 0 } = this.#seen ?? {}
    const loaded = await this.#keys.settled()
    return { kind: 'published', ...loaded, waitsFor, inForce, machines: all }
  }

  /** For a while. */
  async #waitForOthers(generation: number): Promise<void> {
    const { clock } = this.#parts
    for (let waitedMs = 0; waitedMs < othersMs; waitedMs += othersPollMs) {
      await this.#looks.now()
      const { generation: stored = 0, inForce = 0, machines = 1 } = this.#seen ?? {}
      if (stored > generation || inForce >= machines) return
      await new Promise<void>((resolve) => void clock.setTimer(resolve, othersPollMs))
    }
  }

  async #look(): Promise<void> {
    try {
      this.#checkRemoval()
      if (!this.#parts.machines.connection.isUp) return
      await this.#lookAtStore()
      this.#looking.ends()
    } catch (error) {
      this.#reportNotRead(error)
    }
  }

  #reportNotRead(error: unknown): void {
    if (!(error instanceof StoreFault)) {
      if (this.#looking.isNews(reasonOf(error), this.#parts.clock.now())) this.#reportBug(error)
      return
    }
    // The loss of the store is reported already.
    if (error.kind === 'refused') this.#reportNotAccepted(0, `the store refuses to be read: ${error.message}`)
  }

  async #lookAtStore(): Promise<void> {
    const found = await this.#list.look(this.#keys.inForce.generation)
    this.#seen = found
    const judged = () => this.#held.judgeStored(found, this.#isFileRemoved())
    if (judged() === 'pull') await this.#pull(found)
    // It may have turned out to be no list.
    const judgement = judged()
    if (judgement === 'put_back') await this.#putBack()
    else if (judgement === 'leave') this.#reportStored()
  }

  #reportBug(error: unknown): void {
    this.#parts.events.emit({ kind: 'internal_error', error, where: 'the keys of the store' })
  }

  /** One of the gateways does, once. */
  async #putBack(): Promise<void> {
    if (this.#mayPut) {
      this.#mayPut = false
      await this.#put(false)
      return
    }
    const { chance = Math.random } = this.#parts
    const put = () => {
      this.#mayPut = true
      void this.#looks.now()
    }
    this.#timers.set('put', put, chance() * spreadMs)
  }

  /** @returns why the store does not have it. */
  async #put(isCommanded: boolean): Promise<string | undefined> {
    const { list } = this.#held
    if (list === undefined) return undefined
    const { text, digest, head } = list
    const replaces = this.#held.replaceable(isCommanded)
    const { generation } = head
    try {
      const put = await this.#list.publish(text, { generation, digest, replaces })
      if (put.kind !== 'stored') return `the store has generation ${put.generation}`
      this.#reportStored()
      return undefined
    } catch (error) {
      this.#reportNotStored(error, generation)
      return error instanceof StoreFault
        ? error.message
        : 'the gateway failed to store it (its log has the error)'
    }
  }

  #reportNotStored(error: unknown, generation: number): void {
    const { clock, events } = this.#parts
    const isOfStore = error instanceof StoreFault
    // The loss of the store is reported already.
    if (isOfStore && error.kind !== 'refused') return
    const reason = reasonOf(error)
    if (!this.#storing.isNews(reason, clock.now())) return
    if (!isOfStore) this.#reportBug(error)
    events.emit({ kind: 'keys_not_stored', generation, reason })
  }

  #reportStored(): void {
    if (this.#storing.ends()) this.#parts.events.emit({ kind: 'keys_stored' })
  }

  async #pull(found: ListInStore): Promise<void> {
    const read = await this.#list.read(found, this.#keys.inForce.generation, maxSignedBytes)
    if (read === undefined || this.#isStopped) return
    const judged =
      'fault' in read ? this.#held.reject(found.digest, read.fault) : this.#held.judgeText(found, read.text)
    if (judged.kind === 'valid') {
      void this.#accept(judged.list, judged.file, 'store')
      return
    }
    this.#reportNotAccepted(found.generation, `the list in the store ${judged.reason}`)
    if (judged.isNewest === true) this.#keepHalt()
  }

  /** Once, while it stays so. */
  #reportNotAccepted(generation: number, reason: string): void {
    if (reason === this.#lastReason) return
    this.#lastReason = reason
    this.#parts.events.emit({ kind: 'keys_not_accepted', generation, reason })
  }

  /** Resolves when it is kept, too. */
  async #accept(list: HeldList, file: KeyFile, source: 'publish' | 'store'): Promise<void> {
    const { events } = this.#parts
    const { generation, signedBy, signedAtMs } = list.head
    this.#held.accept(list)
    this.#missing.end()
    this.#lastReason = undefined
    this.#keys.refused = undefined
    events.emit({
      kind: 'keys_pulled',
      source,
      generation,
      keys: file.keys.length,
      publisher: shortNameOf(signedBy),
      signed_at: new Date(signedAtMs).toISOString(),
    })
    this.#keys.replace(file)
    // The others hear from the next look that it is in force here.
    if (source === 'store') void this.#keys.settled().then(() => this.#looks.now())
    await this.#kept
      .keep(list.text, generation)
      .catch((cause: unknown) => events.emit({ kind: 'keys_not_kept', cause }))
  }

  /** On the machine that signs: its key file. */
  #isFileRemoved(): boolean {
    const { store, path } = this.#parts
    return store.signsKeys && fileVersion(path) === undefined
  }

  #checkRemoval(): void {
    if (this.#isStopped) return
    if (this.#held.list !== undefined) {
      if (!this.#isFileRemoved() && !this.#kept.isCopyRemoved()) return
      this.#held.halt()
      this.#keepHalt()
      this.#keys.replace(noKeys)
    }
    this.#missing.look()
  }

  /** So that a restart does not bring the list back. */
  #keepHalt(): void {
    const { events } = this.#parts
    void this.#kept
      .halt(this.#held.newest)
      .catch((cause: unknown) => events.emit({ kind: 'keys_not_kept', cause }))
  }

  /** Undefined: keys are in force, or awaited from the store. */
  #findMissing(): MissingKeys | undefined {
    const { path } = this.#parts
    const { list, isHalted } = this.#held
    if (list !== undefined) return undefined
    // Where none was ever in force, the first key that is created is enough.
    const isShared = isHalted && ({ is_shared: true } as const)
    if (this.#isFileRemoved()) return { file: path, ...isShared }
    return isHalted ? { file: this.#kept.path ?? path, ...isShared } : undefined
  }
}

function refusal(reason: string, newest?: number): PublishedKeys {
  return { kind: 'refused', reason, newest }
}

function none(): void {}
