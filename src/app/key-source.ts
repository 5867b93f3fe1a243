// What a gateway follows for the keys of its clients: the key file beside its configuration, or a list that gateways share.
import type { KeySignature } from '../clients/keys/signed-keys.ts'
import type { KeyFile } from '../clients/keys/key-record.ts'
import type { LoadedKeys } from './key-application.ts'

/** Where the keys of clients come from. */
export interface KeySource {
  /** The keys that are in force at the start, before the first request. */
  load(): KeyFile
  /** Follows them from here on, and acknowledges what was loaded. @param threads how many check requests against it. */
  start(threads: number): void
  /**
   * Looks for other keys now, without waiting for a notification. Resolves when all threads check requests against them, with
   * how many calls this generation has ended.
   */
  reload(): Promise<LoadedKeys>
  /** Of keys that gateways share; absent: they are this gateway's own. */
  readonly shared?: SharedKeyCommands
  /** Nothing that happens to them has an effect any more. */
  stop(): Promise<void>
}

export interface SharedKeyCommands {
  /**
   * Puts the key file of this machine in force on all: the signature of it is what the file itself does not say. Resolves when
   * all threads have it, and the store; or why that has to wait.
   */
  publish(signature: KeySignature): Promise<PublishedKeys>
  describe(): SharedKeysState
}

export type PublishedKeys =
  | (LoadedKeys & {
      readonly kind: 'published'
      /** Undefined: the store has it. */
      readonly waitsFor: string | undefined
      /** Machines that have it in force. */
      readonly inForce: number
      /** Machines whose gateways are there. */
      readonly machines: number
    })
  | {
      readonly kind: 'refused'
      readonly reason: string
      /** A generation that must be exceeded. Undefined: it is not that. */
      readonly newest: number | undefined
    }

export interface SharedKeysState {
  /** In force; 0: no list is. */
  readonly generation: number
  /** Of the newest list that was ever in force here. */
  readonly newest: number
  /** Short name of the key that has signed the list in force. */
  readonly publisher: string | undefined
  /** Milliseconds since 1970. */
  readonly signedAtMs: number | undefined
  /** A file was removed: no key is valid until another list is published. */
  readonly isHalted: boolean
  /** Why what the store has is not in force. */
  readonly fault: string | undefined
}
