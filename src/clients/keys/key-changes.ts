// What the commands change in a list of keys. Pure: records are replaced, never changed in place.
import { createKey, digestOf, idLength, parseKey, randomBase62 } from './key-format.ts'
import { maxSecrets } from './key-file.ts'
import type { KeyRecord, KeySecret } from './key-record.ts'
import { chosenMark } from './key-table.ts'

/** A key's text, which is shown once, and what the key file keeps of it. */
export interface NewSecret {
  readonly text: string
  readonly secret: KeySecret
}

/** @param length of the secret part, within `secretLength`. */
export function newSecret(prefix: string, length: number, nowMs: number): NewSecret {
  const { text, id } = createKey(prefix, length)
  return { text, secret: { id, sha256: digestOf(text), createdMs: nowMs } }
}

/** The secret of a key that somebody has chosen: its text holds no id unless it was generated elsewhere. */
export function chosenSecret(text: string, nowMs: number): KeySecret {
  const id = parseKey(text)?.id ?? `${chosenMark}${randomBase62(8)}`
  return { id, sha256: digestOf(text), createdMs: nowMs }
}

export function newKeyId(): string {
  return `k_${randomBase62(idLength)}`
}

/** The list with this record in place of the one with its id, or at its end. */
export function withKey(keys: readonly KeyRecord[], record: KeyRecord): KeyRecord[] {
  const at = keys.findIndex(({ id }) => id === record.id)
  return at < 0 ? [...keys, record] : keys.with(at, record)
}

/**
 * The record with a further secret. The one before is valid for `graceMs` more; 0: it ends now. Undefined if the record would
 * have three valid secrets: a third is one that nobody remembers.
 */
export function rotated(
  key: KeyRecord,
  secret: KeySecret,
  { graceMs, nowMs }: { readonly graceMs: number; readonly nowMs: number },
): KeyRecord | undefined {
  const kept = graceMs === 0 ? [] : key.secrets.filter(({ untilMs }) => (untilMs ?? Infinity) > nowMs)
  if (kept.length >= maxSecrets) return undefined
  const ending = kept.map((each) => ({
    ...each,
    untilMs: Math.min(each.untilMs ?? Infinity, nowMs + graceMs),
  }))
  return { ...key, secrets: [...ending, secret] }
}
