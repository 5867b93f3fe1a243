// The keys in force, made anew from each version of the key file and never changed. There is no cache of verdicts: each call
// looks into the table that is in force, so that a revoked or expired key is refused from the next call on.
import { timingSafeEqual } from 'node:crypto'
import { digestOf, maxKeyLength, parseKey } from './key-format.ts'
import type { KeyFile, KeyRecord, KeySecret } from './key-record.ts'

/** The record of a valid key, and which of its secrets was presented. */
export interface ValidKey {
  readonly key: KeyRecord
  readonly secret: KeySecret
}

/** `invalid_api_key` alone does not reveal that there is such a key: the others are for clients that have shown to hold it. */
export type KeyRefusal = 'invalid_api_key' | 'key_expired' | 'key_disabled' | 'clock_not_set'

/** With the moments that a check compares in one place: this is done for every request. */
interface Entry extends ValidKey {
  readonly fromMs: number
  readonly untilMs: number
}

export class KeyTable {
  readonly generation: number
  readonly #prefixes: ReadonlySet<string>
  readonly #earliestMs: number
  readonly #byId: ReadonlyMap<string, Entry>
  /** Of keys that were chosen by hand, whose texts hold no id. At most two. */
  readonly #chosen: readonly Entry[]

  /**
   * @param prefixes with which keys begin.
   * @param earliestMs a clock that shows an earlier time is wrong, and keys that expire are refused by it.
   */
  constructor({ generation, keys }: KeyFile, prefixes: readonly string[], earliestMs = -Infinity) {
    const entries = keys.flatMap((key) => key.secrets.map((secret) => entryOf(key, secret)))
    this.generation = generation
    this.#prefixes = new Set(prefixes)
    this.#earliestMs = earliestMs
    this.#byId = new Map(entries.map((entry) => [entry.secret.id, entry]))
    this.#chosen = entries.filter(({ secret }) => isChosen(secret))
  }

  /**
   * Whether the text is a key that is valid now. It takes the same time for a wrong secret as for an id that is unknown.
   * @param nowMs milliseconds since 1970.
   */
  check(text: string, nowMs: number): ValidKey | { readonly refused: KeyRefusal } {
    const entry = this.find(text)
    if (entry === undefined) return invalid
    const refused = refusalOf(entry, nowMs, this.#earliestMs)
    return refused === undefined ? entry : { refused }
  }

  /** The record of a key, whether or not it is valid now. */
  find(text: string): Entry | undefined {
    const parsed = parseKey(text)
    if (parsed === undefined) return this.#findChosen(text)
    if (!this.#prefixes.has(parsed.prefix)) return undefined
    const entry = this.#byId.get(parsed.id)
    const isSame = timingSafeEqual(digestOf(text), entry?.secret.sha256 ?? ofNoKey)
    return isSame ? entry : undefined
  }

  #findChosen(text: string): Entry | undefined {
    if (this.#chosen.length === 0 || text.length > maxKeyLength) return undefined
    if (!this.#prefixes.has(text.slice(0, text.indexOf('_') + 1))) return undefined
    const digest = digestOf(text)
    return this.#chosen.find(({ secret }) => timingSafeEqual(digest, secret.sha256))
  }
}

function entryOf(key: KeyRecord, secret: KeySecret): Entry {
  const untilMs = Math.min(key.expiresMs ?? Infinity, secret.untilMs ?? Infinity)
  return { key, secret, fromMs: key.notBeforeMs ?? -Infinity, untilMs }
}

/** Undefined: the key is valid now. */
function refusalOf(
  { key, fromMs, untilMs }: Entry,
  nowMs: number,
  earliestMs: number,
): KeyRefusal | undefined {
  if (untilMs !== Infinity && nowMs < earliestMs) return 'clock_not_set'
  if (nowMs < fromMs) return 'key_disabled'
  if (nowMs >= untilMs) return 'key_expired'
  return key.isDisabled ? 'key_disabled' : undefined
}

/** Ids of secrets that were chosen by hand begin so. */
export const chosenMark = 'set-'

function isChosen({ id }: KeySecret): boolean {
  return id.startsWith(chosenMark)
}

const invalid = { refused: 'invalid_api_key' } as const

/** No text has this digest. */
const ofNoKey = Buffer.alloc(32)
