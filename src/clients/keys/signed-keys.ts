// A key file that one machine has signed for others, by Ed25519 (RFC 8032): a line about the signature, and then the bytes of the
// file as they are. Whoever keeps or carries such a list can neither change it nor put it among gateways of another prefix, and
// each gateway takes newer generations only, so that no earlier list comes back.
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { isObject, parseJson } from '../../bytes/json/parse.ts'
import { parseKeyFile } from './key-file.ts'
import type { KeyFile } from './key-record.ts'

/** What stands before the file. */
export interface KeySignature {
  readonly generation: number
  /** Milliseconds since 1970. For people: which list is newer is decided by the generation. */
  readonly signedAtMs: number
  /** The public key: SPKI, DER in base64. */
  readonly signedBy: string
  /** 64 bytes in base64. */
  readonly signature: string
}

export interface SignedKeys {
  readonly head: KeySignature
  /** The bytes of the key file, in UTF-8. */
  readonly file: string
}

/** In the state directory of each gateway that follows a list: the one that it has taken last. */
export const keptKeysFile = 'keys.shared'

/** Of the head and a file of at most 16 MiB. */
export const maxSignedBytes = 16 * 1024 * 1024 + 1024

/** @param prefix of the gateways that it is for. @param key a private Ed25519 key. */
export function signKeys(
  file: string,
  { generation, prefix, atMs, key }: { generation: number; prefix: string; atMs: number; key: KeyObject },
): SignedKeys {
  const signedBy = publicPart(key)
  const stated = { generation, signedAtMs: atMs, signedBy }
  const signature = sign(null, signedBytes(prefix, stated, file), key).toString('base64')
  return { head: { ...stated, signature }, file }
}

/** The public key of a private one, as in `keys_signed_by`. */
export function publicPart(key: KeyObject): string {
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).toString('base64')
}

/** @param text PKCS #8 as PEM, or as base64 alone. @throws when it is none. */
export function privateKeyOf(text: string): KeyObject {
  const inside = text.replaceAll(/-----[A-Z ]+-----|\s+/g, '')
  return createPrivateKey({ key: Buffer.from(inside, 'base64'), format: 'der', type: 'pkcs8' })
}

/** A name of a public key for people: `kZ3q0W8x`. */
export function shortNameOf(signedBy: string): string {
  return createHash('sha256').update(Buffer.from(signedBy, 'base64')).digest('base64url').slice(0, 8)
}

/** One line and the file. */
export function formatSignedKeys({ head, file }: SignedKeys): string {
  return `${formatHead(head)}\n${file}`
}

/** The head alone, as an object of JSON. */
export function describeHead({ generation, signedAtMs, signedBy, signature }: KeySignature): object {
  return {
    version: 1,
    generation,
    signed_at: new Date(signedAtMs).toISOString(),
    signed_by: signedBy,
    signature,
  }
}

function formatHead(head: KeySignature): string {
  return JSON.stringify(describeHead(head))
}

/** Which of two lists it is: 128 bits in hex, of all its bytes. */
export function digestOfSigned(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}

/** Undefined: that is no list. It is not verified yet. */
export function parseSignedKeys(text: string): SignedKeys | undefined {
  const end = text.indexOf('\n')
  if (end === -1 || end > maxHeadLength) return undefined
  const head = readHead(parseJson(text.slice(0, end)))
  return head && { head, file: text.slice(end + 1) }
}

const maxHeadLength = 1000

/** What `describeHead` makes. Undefined for anything else. */
export function readHead(value: unknown): KeySignature | undefined {
  if (!isObject(value) || value['version'] !== 1) return undefined
  const { generation, signed_at: signedAt, signed_by: signedBy, signature } = value
  const signedAtMs = typeof signedAt === 'string' ? Date.parse(signedAt) : NaN
  if (!Number.isSafeInteger(generation) || Number(generation) < 1 || Number.isNaN(signedAtMs))
    return undefined
  if (typeof signedBy !== 'string' || typeof signature !== 'string') return undefined
  return { generation: Number(generation), signedAtMs, signedBy, signature }
}

export type VerifiedKeys =
  | { readonly kind: 'valid'; readonly file: KeyFile }
  | {
      readonly kind: 'refused'
      /** A predicate of "the list". */
      readonly reason: string
      /** Nobody may have forged it: this gateway does not know whose signature it is, and others may. */
      readonly isOfUnknown: boolean
    }

/** @param trusted `keys_signed_by`. */
export function verifySigned(
  { head, file }: SignedKeys,
  { prefix, trusted }: { readonly prefix: string; readonly trusted: readonly string[] },
): VerifiedKeys {
  const { signedBy, signature, generation } = head
  if (!trusted.includes(signedBy))
    return refused(`is signed with a key that keys_signed_by does not have (${shortNameOf(signedBy)})`, true)
  const key = createPublicKey({ key: Buffer.from(signedBy, 'base64'), format: 'der', type: 'spki' })
  const bytes = signedBytes(prefix, head, file)
  if (!verify(null, bytes, key, Buffer.from(signature, 'base64')))
    return refused('has a signature that does not match: it was changed, or signed for another prefix')
  const parsed = parseKeyFile(file)
  if (parsed.kind === 'refused') {
    const { place, message } = parsed.faults[0]!
    return refused(place === '' ? message : `has a fault: ${place} ${message}`)
  }
  if (parsed.file.generation !== generation)
    return refused(`is of generation ${parsed.file.generation}, and signed as ${generation}`)
  return { kind: 'valid', file: parsed.file }
}

function refused(reason: string, isOfUnknown = false): VerifiedKeys {
  return { kind: 'refused', reason, isOfUnknown }
}

/** No field has a line break, so that the fields of two different lists never make the same bytes. */
function signedBytes(
  prefix: string,
  { generation, signedAtMs, signedBy }: Omit<KeySignature, 'signature'>,
  file: string,
): Buffer {
  const fields = ['llm-gateway: keys of clients, version 1', prefix, generation, signedAtMs, signedBy]
  return Buffer.from(`${fields.map((field) => JSON.stringify(field)).join('\n')}\n${file}`)
}
