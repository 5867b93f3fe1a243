// The public keys with which an issuer signs its tokens (RFC 7517).
import { isObject, parseJson } from '../../bytes/json/parse.ts'

/** A key as it stands in a set; which members it has depends on its kind. */
export interface PublicKey {
  readonly kty: string
  readonly kid?: string
  readonly [member: string]: unknown
}

export interface KeySet {
  readonly keys: readonly PublicKey[]
  /** When the issuer sent it, in milliseconds since 1970. */
  readonly fetchedAtMs: number
}

/** What is known of an issuer. */
export interface FoundKeys {
  /** Undefined: there is none, or none that is recent enough. */
  readonly set: KeySet | undefined
  /** Whether the issuer has answered when it was asked last. */
  readonly isReachable: boolean
}

/** The keys of all issuers that the configuration names. */
export interface KeySets {
  /**
   * Never rejects. A set that is new is a new object.
   * @param kid the key that a token names, which has the issuer asked again if its set has no such key.
   */
  find(url: string, kid: string | undefined): FoundKeys | Promise<FoundKeys>
}

const maxKeys = 64

/** Members of private and symmetric keys (RFC 7518 §6). */
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const

/** Members that say what a key is for, and those of RSA and elliptic curves (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2). */
const neededMembers: ReadonlySet<string> = new Set([
  'kty',
  'kid',
  'use',
  'key_ops',
  'alg',
  'crv',
  'x',
  'y',
  'n',
  'e',
])

/**
 * Reads a set as an issuer sends it. Keys for other purposes than signatures are left out, and of each key what checking does
 * not need: certificates take much memory, and what nests deep could not be copied to another thread.
 * @returns why the set is refused as a whole, in words that follow "the key set": whoever publishes private keys has no
 * secret left to sign with.
 */
export function readKeySet(
  text: string,
): { readonly keys: readonly PublicKey[] } | { readonly fault: string } {
  const value = parseJson(text)
  const listed: unknown = isObject(value) ? value['keys'] : undefined
  if (!Array.isArray(listed)) return { fault: 'is not a JSON object with a list "keys"' }
  if (listed.length > maxKeys) return { fault: `has more than ${maxKeys} keys` }
  const keys = listed.filter(isObject)
  if (keys.some((key) => key['kty'] === 'oct' || privateMembers.some((member) => member in key))) {
    return { fault: 'has a private or symmetric key' }
  }
  const usable = keys.filter(isForSignatures).map(withoutOthers)
  return usable.length === 0 ? { fault: 'has no key for signatures' } : { keys: usable }
}

export function hasKey({ keys }: KeySet, kid: string): boolean {
  return keys.some((key) => key.kid === kid)
}

const kinds: ReadonlySet<unknown> = new Set(['RSA', 'EC', 'OKP'])

function isForSignatures(key: Readonly<Record<string, unknown>>): key is PublicKey {
  const { kty, use, key_ops: operations } = key
  if (!kinds.has(kty)) return false
  for (const member of neededMembers) {
    if (member !== 'key_ops' && key[member] !== undefined && typeof key[member] !== 'string') return false
  }
  return (
    (use === undefined || use === 'sig') &&
    (operations === undefined || (isListOfTexts(operations) && operations.includes('verify')))
  )
}

function isListOfTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function withoutOthers(key: PublicKey): PublicKey {
  return Object.fromEntries(Object.entries(key).filter(([name]) => neededMembers.has(name))) as typeof key
}
