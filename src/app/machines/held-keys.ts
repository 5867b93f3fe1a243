// Which signed list of keys is in force on this machine, and what is to become of another one: of the copy that was kept, of what
// the store has, of what a command publishes. It judges; what is done about it is in shared-keys.ts.
//
// In force is the newest list that has ever verified here, whatever happens to the store: one that is older, forged, of other
// gateways or gone changes nothing. After a halt none is, until a newer one comes: that is the emergency stop.
import type { ListInStore } from '../../admission/stores/valkey/key-list.ts'
import type { KeyFile } from '../../clients/keys/key-record.ts'
import {
  digestOfSigned,
  type KeySignature,
  parseSignedKeys,
  shortNameOf,
  verifySigned,
} from '../../clients/keys/signed-keys.ts'
import type { SharedStore } from '../../config/store-types.ts'
import type { SharedKeysState } from '../key-source.ts'
import type { FoundKeys } from './kept-keys.ts'

export interface HeldList {
  readonly head: KeySignature
  readonly text: string
  readonly digest: string
}

interface ValidList {
  readonly kind: 'valid'
  readonly list: HeldList
  readonly file: KeyFile
}

/** The reason is a predicate of "the list". */
export type VerifiedList =
  | ValidList
  | {
      readonly kind: 'refused'
      readonly reason: string
      /** Nobody may have forged it: others may know whose signature it is. */
      readonly isOfUnknown: boolean
    }

/** What a start goes on from. */
export type RestoredKeys =
  | { readonly kind: 'in_force'; readonly file: KeyFile }
  /** The copy is older than the newest list. */
  | { readonly kind: 'outdated'; readonly generation: number }
  /** The copy is no list for this gateway. The reason is a predicate. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The key file of the machine that signs was removed while no gateway ran: the copy has to go, too. */
  | { readonly kind: 'halted' }
  | { readonly kind: 'no_copy' }

/** The reason is a predicate of "the list in the store". */
export type JudgedList =
  | ValidList
  | {
      readonly kind: 'rejected'
      readonly reason: string
      /** Its generation counts as the newest now, which was lost: that has to be kept. */
      readonly isNewest?: boolean
    }

type Stored = Pick<ListInStore, 'digest' | 'generation'>

export class HeldKeys {
  readonly #trust: Pick<SharedStore, 'keysSignedBy' | 'prefix'>
  #list: HeldList | undefined
  #newest = 0
  /** After a halt it is not known which generation that was. */
  #isNewestLost = false
  #isHalted = false
  /** What the store has, and may not be in force; `mayStay`: others may have a reason to accept it. */
  #rejected: { readonly digest: string; readonly reason: string; readonly mayStay: boolean } | undefined

  constructor(trust: Pick<SharedStore, 'keysSignedBy' | 'prefix'>) {
    this.#trust = trust
  }

  /** In force. Undefined: no list is. */
  get list(): HeldList | undefined {
    return this.#list
  }

  /** The latest generation that was in force here. 0: none was. */
  get newest(): number {
    return this.#newest
  }

  /** A file was removed. */
  get isHalted(): boolean {
    return this.#isHalted
  }

  /** @param isFileRemoved the key file of the machine that signs. */
  restore({ text, newest, isNewestLost }: FoundKeys, isFileRemoved: boolean): RestoredKeys {
    this.#newest = newest
    if (text === undefined) {
      // A copy that cannot be read counts as removed: whoever means to end the keys may have put anything in its place. In neither
      // case is the list of that generation taken from the store again.
      this.#isHalted = newest > 0 || isNewestLost
      this.#isNewestLost = isNewestLost
      return { kind: 'no_copy' }
    }
    const verified = this.verify(text)
    if (verified.kind === 'refused') return { kind: 'refused', reason: verified.reason }
    const { list, file } = verified
    const { generation } = list.head
    if (generation < newest) return { kind: 'outdated', generation }
    this.#newest = generation
    if (isFileRemoved) {
      this.#isHalted = true
      return { kind: 'halted' }
    }
    this.#list = list
    return { kind: 'in_force', file }
  }

  /**
   * What to do about what the store has: look into it, because it may be newer; put the list in force in its place, because the
   * store has lost that, or has something else that is no list; or nothing.
   *
   * @param isFileRemoved the key file of the machine that signs, which ends all keys.
   */
  judgeStored({ generation, digest }: Stored, isFileRemoved: boolean): 'leave' | 'pull' | 'put_back' {
    const list = this.#list
    if (digest === list?.digest) return 'leave'
    const rejected = this.#rejected?.digest === digest ? this.#rejected : undefined
    const mayBeNew = generation > this.#newest || (list !== undefined && generation === this.#newest)
    if (generation > 0 && mayBeNew && rejected === undefined && !isFileRemoved) return 'pull'
    if (list === undefined) return 'leave'
    return generation < list.head.generation || rejected?.mayStay === false ? 'put_back' : 'leave'
  }

  /** Remembers what is not valid. @param text of what the store has. */
  judgeText({ generation, digest }: Stored, text: string): JudgedList {
    if (digestOfSigned(text) !== digest) return this.reject(digest, 'is not what its digest says')
    const verified = this.verify(text)
    if (verified.kind === 'refused') return this.reject(digest, verified.reason, verified.isOfUnknown)
    const actual = verified.list.head.generation
    if (actual !== generation)
      return this.reject(digest, `is of generation ${actual}, which is not what the store says`)
    if (this.#isNewestLost) {
      // What was in force before the halt is at most what the store has, unless somebody has put an older list there. Either way it
      // takes a publication from now on to end the halt.
      this.#isNewestLost = false
      this.#newest = generation
      const reason =
        'may be the one that was in force when the keys were ended here: keys.newest is damaged, so publish another one'
      return { ...this.reject(digest, reason, true), isNewest: true }
    }
    if (generation === this.#newest)
      return this.reject(digest, 'is another one than the list of the same generation in force here', true)
    return verified
  }

  /** Remembers that what the store has may not be in force. @param mayStay others may have a reason to accept it. */
  reject(digest: string, reason: string, mayStay = false): Exclude<JudgedList, ValidList> {
    this.#rejected = { digest, reason, mayStay }
    return { kind: 'rejected', reason }
  }

  /** Whether it is for this gateway, whatever its generation. */
  verify(text: string): VerifiedList {
    const signed = parseSignedKeys(text)
    if (signed === undefined)
      return { kind: 'refused', reason: 'is no signed list of keys', isOfUnknown: false }
    const { prefix, keysSignedBy: trusted } = this.#trust
    const verified = verifySigned(signed, { prefix, trusted })
    if (verified.kind === 'refused') return verified
    const list = { head: signed.head, text, digest: digestOfSigned(text) }
    return { kind: 'valid', list, file: verified.file }
  }

  /** It is in force from now on. @param list valid, and of a later generation than the newest. */
  accept(list: HeldList): void {
    this.#list = list
    this.#newest = list.head.generation
    this.#isNewestLost = false
    this.#isHalted = false
    this.#rejected = undefined
  }

  /** No list is in force from now on, until one of a later generation is. */
  halt(): void {
    this.#list = undefined
    this.#isHalted = true
  }

  /** Digest of what the list in force may take the place of in the store, whatever its generation. Undefined: of nothing. */
  replaceable(isCommanded: boolean): string | undefined {
    const rejected = this.#rejected
    return isCommanded || rejected?.mayStay === false ? rejected?.digest : undefined
  }

  /** @param isFileRemoved the key file of the machine that signs. */
  describe(isFileRemoved: boolean): SharedKeysState {
    const head = this.#list?.head
    return {
      generation: head?.generation ?? 0,
      newest: this.#newest,
      publisher: head && shortNameOf(head.signedBy),
      signedAtMs: head?.signedAtMs,
      isHalted: this.#isHalted || isFileRemoved,
      fault: this.#rejected?.reason,
    }
  }
}
