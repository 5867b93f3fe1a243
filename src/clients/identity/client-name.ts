// How an identity becomes the id of a client, and which ones a source lets in.

/** Longer ids are refused, in bytes. */
const maxIdBytes = 200

/** The id of a client, or why a name cannot have one, as a predicate. */
export type ReadName = { readonly id: string } | { readonly fault: string }

/**
 * The id of a client: visible ASCII, everything else percent-encoded, so that no two names have the same id. Addresses are
 * in lower case, as far as they are ASCII.
 * @param prefix `mail`, `service`, `ts`, `head` or `jwt`.
 */
export function nameClient(prefix: string, name: string): ReadName {
  if (name === '') return { fault: 'is empty' }
  // Of `attacker@evil.example@company.example`, some read the first domain and some the last.
  if (name.indexOf('@') !== name.lastIndexOf('@')) return { fault: 'has more than one @' }
  const isAddress = name.includes('@')
  if (prefix === 'mail' && (!isAddress || name.startsWith('@') || name.endsWith('@'))) {
    return { fault: 'is not an e-mail address' }
  }
  if (name.length > maxIdBytes || !name.isWellFormed()) return tooLong
  const lower = prefix === 'mail' ? name.replaceAll(/[A-Z]+/g, (part) => part.toLowerCase()) : name
  const id = `${prefix}:${lower.replaceAll(/[^!-$&-~]+/gu, percentEncoded)}`
  return id.length > maxIdBytes ? tooLong : { id }
}

const tooLong = { fault: `is longer than ${maxIdBytes} bytes, or is not valid Unicode` } as const

function percentEncoded(text: string): string {
  return Array.from(Buffer.from(text), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(
    '',
  )
}

const idForm = /^(?:head|jwt|mail|service|ts):/

/** Whether a source lets a client in. */
export type IsAllowed = (id: string) => boolean

/**
 * Each entry is a whole name, with or without the prefix of its id, or `*@DOMAIN`, whose domain follows the only `@`.
 * Services are only named by their whole ids.
 * @param allow undefined: everybody is let in.
 */
export function allowList(allow: readonly string[] | undefined): IsAllowed {
  if (allow === undefined) return () => true
  const ids = new Set(allow.filter((entry) => idForm.test(entry)))
  const names = new Set(allow.filter((entry) => !idForm.test(entry)))
  const addresses = new Set(Array.from(names, (entry) => entry.toLowerCase()))
  return (id) => {
    if (ids.has(id)) return true
    const colon = id.indexOf(':')
    const prefix = id.slice(0, colon)
    const name = id.slice(colon + 1)
    if (prefix === 'service') return false
    if (names.has(name) || (prefix === 'mail' && addresses.has(name))) return true
    const at = name.indexOf('@')
    return at > 0 && addresses.has(`*${name.slice(at).toLowerCase()}`)
  }
}
