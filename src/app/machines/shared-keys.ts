// The keys of clients that gateways share: a signed list in the store, which this gateway pulls, verifies and keeps a copy of.
//
// What is in force is the newest list that has ever verified here, whatever happens to the store: one that is older, forged, of
// other gateways or gone changes nothing, and is replaced by the copy. Where the copy was removed (or, on the machine that signs,
// the key file), no key is valid until a newer list is published: that is the emergency stop.
import { randomBytes } from 'node:crypto'
import { KeyListInStore, type ListInStore } from '../../admission/stores/valkey/key-list.ts'
import { StoreFault } from '../../admission/stores/valkey/store-fault.ts'
import { keyFileRules, noKeys } from '../../clients/keys/key-file.ts'
import type { KeyFile } from '../../clients/keys/key-record.ts'
import {
  digestOfSigned,
  formatSignedKeys,
  type KeySignature,
  maxSignedBytes,
  parseSignedKeys,
  shortNameOf,
  verifySigned,
} from '../../clients/keys/signed-keys.ts'
import type { SharedStore } from '../../config/store-types.ts'
import { readTrustedFile } from '../../config/trusted-file.ts'
import { fileVersion } from '../../config/watch.ts'
import { NamedTimers } from '../../platform/named-timers.ts'
import { type Accounts, systemAccounts } from '../../platform/ownership.ts'
import { watchPath } from '../../platform/watch-path.ts'
import { KeyApplication, type KeyApplicationParts, type LoadedKeys } from '../key-application.ts'
import type { KeySource, PublishedKeys, SharedKeyCommands, SharedKeysState } from '../key-source.ts'
import { KeptKeys } from './kept-keys.ts'
import type { SharedLimits } from './shared-limits.ts'

export type MachinesOfKeys = Pick<SharedLimits, 'connection' | 'name' | 'onConnected' | 'onKeys'>

export interface SharedKeysParts extends KeyApplicationParts {
  readonly machines: MachinesOfKeys
  readonly store: Pick<SharedStore, 'keysSignedBy' | 'prefix' | 'signsKeys'>
  /** Of this machine's key file, which is signed here, or is not in use. */
  readonly path: string
  /** Default: the system's. */
  readonly accounts?: Accounts
  /** From 0 to below 1. Default: random. */
  readonly chance?: () => number
}

interface HeldList {
  readonly head: KeySignature
  readonly text: string
  readonly digest: string
}

/** Between two looks at the store, should a message be lost. */
const lookMs = 1_000
/** Between two looks because of messages. */
const hearMs = 100
/** After a removal that the kernel reports: a file may be replaced by one that is not there for a moment. */
const quietMs = 20
/** Between two reports that no key is valid. */
const missingMs = 60_000
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
    describe: () => this.#describe(),
  }
  readonly #parts: SharedKeysParts
  readonly #keys: KeyApplication
  readonly #kept: KeptKeys
  readonly #list: KeyListInStore
  /** In force. Undefined: no list is. */
  #held: HeldList | undefined
  /** The latest generation that was in force here. */
  #newest = 0
  /** A file was removed. */
  #isHalted = false
  /** What the store has, and may not be in force; `mayStay`: others may have a reason to accept it. */
  #rejected: { readonly digest: string; readonly reason: string; readonly mayStay: boolean } | undefined
  #seen: ListInStore | undefined
  #lastReason: string | undefined
  #looking: Promise<void> | undefined
  #isDue = false
  #mayPut = false
  /** A message was followed just now; another one has come since. */
  #isHearing = false
  #hasHeard = false
  #stopWatching: () => void = none
  readonly #timers: NamedTimers<'first' | 'heard' | 'look' | 'missing' | 'put' | 'quiet'>
  #isStopped = false

  constructor(parts: SharedKeysParts) {
    this.#parts = parts
    const { machines, store, stateDirectory } = parts
    this.#keys = new KeyApplication(parts)
    this.#kept = new KeptKeys(stateDirectory)
    this.#timers = new NamedTimers(parts.clock.setTimer)
    const { machine, member } = machines.name
    this.#list = new KeyListInStore(machines.connection, {
      prefix: store.prefix,
      machine,
      uploadId: `${member}-${randomBytes(4).toString('hex')}`,
    })
  }

  load(): KeyFile {
    const found = this.#kept.load()
    this.#newest = found.newest
    if (found.fault !== undefined) this.#notAccepted(found.newest, found.fault)
    if (found.text === undefined) {
      // A copy that cannot be read is no removed one, but no list either.
      if (found.newest > 0) this.#isHalted = true
      return noKeys
    }
    const read = this.#verify(found.text)
    if (read.kind === 'refused') {
      this.#keys.refused = read.reason
      this.#notAccepted(found.newest, `the copy in the state directory ${read.reason}`)
      return noKeys
    }
    const { generation } = read.head
    if (generation < found.newest) {
      this.#notAccepted(
        generation,
        `the copy in the state directory is older than generation ${found.newest}`,
      )
      return noKeys
    }
    if (this.#isFileRemoved()) {
      this.#newest = generation
      this.#isHalted = true
      this.#keepHalt()
      return noKeys
    }
    this.#newest = generation
    this.#held = { head: read.head, text: found.text, digest: digestOfSigned(found.text) }
    this.#keys.begin(read.file)
    return read.file
  }

  start(threads: number): void {
    const { machines, store, path, events } = this.#parts
    this.#keys.start(threads)
    if (!store.signsKeys && fileVersion(path) !== undefined)
      events.emit({ kind: 'key_file_not_used', file: path })
    if (this.#isHalted) this.#reportMissing()
    const isAwaited = () => this.#held === undefined && !this.#isHalted && !this.#isFileRemoved()
    this.#timers.set('first', () => isAwaited() && events.emit({ kind: 'keys_awaited' }), firstWaitMs)
    const look = () => {
      void this.#look()
      this.#timers.set('look', look, lookMs)
    }
    const removals = () => this.#timers.set('quiet', () => this.#checkRemoval(), quietMs)
    const watched = [this.#kept.path, store.signsKeys ? path : undefined]
    const stops = watched.map((each) => (each === undefined ? none : watchPath(each, removals)))
    this.#stopWatching = () => stops.forEach((stop) => stop())
    machines.onKeys = (generation) => {
      if (generation > this.#newest) this.#lookSoon()
    }
    machines.onConnected = () => void this.#look()
    look()
  }

  async reload(): Promise<LoadedKeys> {
    await this.#look()
    return this.#keys.settled()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stopWatching()
    this.#timers.stop()
    await this.#looking
    await this.#kept.settled()
    await this.#keys.stop()
  }

  async #publish(head: KeySignature): Promise<PublishedKeys> {
    const { path, accounts = systemAccounts(), machines } = this.#parts
    // What another machine has published is older or newer than this, and never the same.
    await this.#look()
    const read = readTrustedFile(path, keyFileRules, accounts)
    if (read.kind === 'absent') return refusal(`there is no ${path}`)
    if (read.kind === 'refused') return refusal(`${path} ${read.message}`)
    const text = formatSignedKeys({ head, file: read.text })
    const verified = this.#verify(text)
    if (verified.kind === 'refused') return refusal(`${path} ${verified.reason}`)
    if (head.generation <= this.#newest)
      return refusal(`generation ${this.#newest} was in force before`, this.#newest)
    await this.#accept({ head, text, digest: digestOfSigned(text) }, verified.file, 'publish')
    const { connection } = machines
    let waitsFor = connection.fault
    if (connection.isUp) waitsFor = await this.#put(true).catch((error: unknown) => faultText(error))
    if (waitsFor === undefined) await this.#waitForOthers(head.generation)
    const { inForce = 0, machines: all = 0 } = this.#seen ?? {}
    const loaded = await this.#keys.settled()
    return { kind: 'published', ...loaded, waitsFor, inForce, machines: all }
  }

  /** For a while. */
  async #waitForOthers(generation: number): Promise<void> {
    const { clock } = this.#parts
    for (let waitedMs = 0; waitedMs < othersMs; waitedMs += othersPollMs) {
      await this.#look()
      const { generation: stored = 0, inForce = 0, machines = 1 } = this.#seen ?? {}
      if (stored > generation || inForce >= machines) return
      await new Promise<void>((resolve) => void clock.setTimer(resolve, othersPollMs))
    }
  }

  #describe(): SharedKeysState {
    const head = this.#held?.head
    return {
      generation: head?.generation ?? 0,
      newest: this.#newest,
      publisher: head && shortNameOf(head.signedBy),
      signedAtMs: head?.signedAtMs,
      isStopped: this.#isHalted || this.#isFileRemoved(),
      fault: this.#rejected?.reason,
    }
  }

  /** At once, unless somebody floods the channel. */
  #lookSoon(): void {
    this.#hasHeard = true
    if (this.#isHearing) return
    this.#isHearing = true
    this.#hasHeard = false
    const again = () => {
      this.#isHearing = false
      if (this.#hasHeard) this.#lookSoon()
    }
    void this.#look().then(() => this.#timers.set('heard', again, hearMs))
  }

  /** Resolves when a look that begins now or later has ended. */
  #look(): Promise<void> {
    this.#isDue = true
    this.#looking ??= this.#lookWhileDue().finally(() => (this.#looking = undefined))
    return this.#looking
  }

  async #lookWhileDue(): Promise<void> {
    while (this.#isDue && !this.#isStopped) {
      this.#isDue = false
      this.#checkRemoval()
      if (!this.#parts.machines.connection.isUp) continue
      try {
        await this.#lookOnce()
      } catch (error) {
        // The loss of the store is reported already.
        if (!(error instanceof StoreFault))
          this.#parts.events.emit({ kind: 'internal_error', error, where: 'the keys of the store' })
        else if (error.kind === 'refused')
          this.#notAccepted(0, `the store refuses to be read: ${error.message}`)
      }
    }
  }

  async #lookOnce(): Promise<void> {
    const found = await this.#list.look(this.#keys.inForce.generation)
    this.#seen = found
    const { generation, digest } = found
    if (generation > 0 && digest !== this.#held?.digest && digest !== this.#rejected?.digest) {
      const isNewer = generation > this.#newest || (this.#held !== undefined && generation === this.#newest)
      if (isNewer && !this.#isFileRemoved()) await this.#pull(found)
    }
    await this.#putBack(found)
  }

  /** What the store has lost, or what has taken its place without being a list, one of the gateways puts back. */
  async #putBack({ generation, digest }: ListInStore): Promise<void> {
    if (this.#held === undefined || digest === this.#held.digest) return
    const isForged = digest === this.#rejected?.digest && !this.#rejected.mayStay
    if (generation >= this.#held.head.generation && !isForged) return
    if (this.#mayPut) {
      this.#mayPut = false
      await this.#put(false)
      return
    }
    const { chance = Math.random } = this.#parts
    const put = () => {
      this.#mayPut = true
      void this.#look()
    }
    this.#timers.set('put', put, chance() * spreadMs)
  }

  /** @returns why the store does not have it. @throws StoreFault */
  async #put(isCommanded: boolean): Promise<string | undefined> {
    if (this.#held === undefined) return undefined
    const { text, digest, head } = this.#held
    const rejected = this.#rejected
    const replaces = isCommanded || rejected?.mayStay === false ? rejected?.digest : undefined
    const put = await this.#list.publish(text, { generation: head.generation, digest, replaces })
    return put.kind === 'stored' ? undefined : `the store has generation ${put.generation}`
  }

  async #pull(found: ListInStore): Promise<void> {
    const read = await this.#list.read(found, this.#keys.inForce.generation, maxSignedBytes)
    if (read === undefined || this.#isStopped) return
    const { digest } = found
    if ('fault' in read) return this.#reject(found, read.fault)
    const { text } = read
    if (digestOfSigned(text) !== digest) return this.#reject(found, 'is not what its digest says')
    const verified = this.#verify(text)
    if (verified.kind === 'refused') return this.#reject(found, verified.reason, verified.isOfUnknown)
    const { head, file } = verified
    if (head.generation !== found.generation)
      return this.#reject(found, `is of generation ${head.generation}, which is not what the store says`)
    if (head.generation === this.#newest)
      return this.#reject(found, 'is another one than the list of the same generation in force here', true)
    void this.#accept({ head, text, digest }, file, 'store')
  }

  #reject({ digest, generation }: ListInStore, reason: string, mayStay = false): void {
    this.#rejected = { digest, reason, mayStay }
    this.#notAccepted(generation, `the list in the store ${reason}`)
  }

  /** Once, while it stays so. */
  #notAccepted(generation: number, reason: string): void {
    if (reason === this.#lastReason) return
    this.#lastReason = reason
    this.#parts.events.emit({ kind: 'keys_not_accepted', generation, reason })
  }

  #verify(
    text: string,
  ):
    | { kind: 'valid'; head: KeySignature; file: KeyFile }
    | { kind: 'refused'; reason: string; isOfUnknown: boolean } {
    const { prefix, keysSignedBy: trusted } = this.#parts.store
    const signed = parseSignedKeys(text)
    if (signed === undefined)
      return { kind: 'refused', reason: 'is no signed list of keys', isOfUnknown: false }
    const verified = verifySigned(signed, { prefix, trusted })
    return verified.kind === 'refused' ? verified : { ...verified, head: signed.head }
  }

  /** Resolves when it is kept, too. */
  async #accept(list: HeldList, file: KeyFile, source: 'publish' | 'store'): Promise<void> {
    const { events } = this.#parts
    const { generation, signedBy, signedAtMs } = list.head
    this.#held = list
    this.#newest = generation
    this.#isHalted = false
    this.#timers.cancel('missing')
    this.#rejected = undefined
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
    if (source === 'store') void this.#keys.settled().then(() => this.#look())
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
    if (this.#isStopped || this.#held === undefined) return
    if (!this.#isFileRemoved() && !this.#kept.isCopyRemoved()) return
    this.#held = undefined
    this.#isHalted = true
    this.#keepHalt()
    this.#keys.replace(noKeys)
    this.#reportMissing()
  }

  /** So that a restart does not bring the list back. */
  #keepHalt(): void {
    const { events } = this.#parts
    void this.#kept
      .halt(this.#newest)
      .catch((cause: unknown) => events.emit({ kind: 'keys_not_kept', cause }))
  }

  #reportMissing(): void {
    const { path, store, events } = this.#parts
    const file = store.signsKeys && fileVersion(path) === undefined ? path : (this.#kept.path ?? path)
    events.emit({ kind: 'keys_missing', file, is_shared: true })
    this.#timers.set('missing', () => this.#reportMissing(), missingMs)
  }
}

function refusal(reason: string, newest?: number): PublishedKeys {
  return { kind: 'refused', reason, newest }
}

function faultText(error: unknown): string {
  return error instanceof StoreFault ? error.message : String(error)
}

function none(): void {}
