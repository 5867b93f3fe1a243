// A client's key as the key file records it: what it may use, and digests of its secrets instead of the secrets.
import type { ClientTerms } from '../../domain.ts'

/** One version of the key file. */
export interface KeyFile {
  /** Grows by one with each change. 0: there is no file yet. */
  readonly generation: number
  readonly keys: readonly KeyRecord[]
}

export interface KeyRecord {
  /** `k_` and 12 letters and digits. Limits and budgets are counted under it, so that they outlive a rotation. */
  readonly id: string
  /** Unique, and the same as `terms.name`. */
  readonly name: string
  readonly role: KeyRole
  /** Two while the key is rotated, none after it was revoked. The newest comes last. */
  readonly secrets: readonly KeySecret[]
  readonly terms: ClientTerms
  /** Refused before this moment, in milliseconds since 1970. */
  readonly notBeforeMs?: number
  /** Refused from this moment on, in milliseconds since 1970. */
  readonly expiresMs?: number
  readonly isDisabled: boolean
  /** For people. */
  readonly note: string
}

/** `master`: may see what all clients use. At most one record has it. */
export type KeyRole = 'client' | 'master'

export interface KeySecret {
  /** Stands in the text of the key; may be logged. */
  readonly id: string
  /** SHA-256 of the whole text of the key. */
  readonly sha256: Buffer
  /** Milliseconds since 1970. */
  readonly createdMs: number
  /** Refused from this moment on, in milliseconds since 1970: the end of a rotation. */
  readonly untilMs?: number
}
