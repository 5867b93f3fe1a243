// Which entry of `clients:` applies to a client without a key.
import type { Client, ClientTerms } from '../domain.ts'
import type { ClientsConfig } from '../config/types.ts'
import { cidrMatcher, plainAddress } from './ip-address.ts'

interface Pattern {
  readonly matches: (id: string) => boolean
  readonly terms: ClientTerms
}

/** Clients whose entries are remembered; then all are looked up again. */
const maxRemembered = 10_000

/** The exact id wins, then the longest pattern, then the default. A client with a key keeps the terms of its key. */
export class ClientRecords {
  readonly #exact: ReadonlyMap<string, ClientTerms>
  /** The longest first; of CIDR blocks the smallest. */
  readonly #patterns: readonly Pattern[]
  readonly #default: ClientTerms | undefined
  readonly #remembered = new Map<string, Client>()
  readonly #countedAs: ((id: string) => string) | undefined

  /** @param countedAs the name of a client in what is kept on disk; absent: its id. */
  constructor({ byPattern, default: otherwise }: ClientsConfig, countedAs?: (id: string) => string) {
    this.#countedAs = countedAs
    this.#exact = new Map(Array.from(byPattern, ([pattern, terms]) => [idOf(pattern), terms]))
    this.#default = otherwise
    this.#patterns = [...byPattern]
      .filter(([pattern]) => isPattern(pattern))
      .toSorted(([one], [other]) => lengthOf(other) - lengthOf(one))
      .map(([pattern, terms]) => ({ matches: matcherOf(pattern), terms }))
  }

  /** The client with the terms of its entry; itself where no entry applies. */
  withTerms(client: Client): Client {
    const { id, keyId } = client
    if (keyId !== undefined || (this.#exact.size === 0 && this.#default === undefined)) return client
    const entry = client.via === undefined ? id : `${id} ${client.via}`
    const known = this.#remembered.get(entry)
    if (known !== undefined) return known
    const terms = this.#termsOf(id)
    if (terms === undefined) return client
    if (this.#remembered.size >= maxRemembered) this.#remembered.clear()
    const countedAs = this.#countedAs?.(id)
    const found = { ...client, terms, ...(countedAs !== undefined && { countedAs }) }
    this.#remembered.set(entry, found)
    return found
  }

  #termsOf(id: string): ClientTerms | undefined {
    const exact = this.#exact.get(id)
    if (exact !== undefined) return exact
    return this.#patterns.find(({ matches }) => matches(id))?.terms ?? this.#default
  }
}

const addressPrefix = 'ip:'

/** Addresses may be written in any way. */
function idOf(pattern: string): string {
  if (!pattern.startsWith(addressPrefix)) return pattern
  const address = plainAddress(pattern.slice(addressPrefix.length))
  return address === undefined ? pattern : addressPrefix + address
}

function isPattern(text: string): boolean {
  return text.includes('*') || (text.startsWith(addressPrefix) && text.includes('/'))
}

/** What a block leaves open counts as nothing: of two, the one with more fixed bits is longer. */
function lengthOf(pattern: string): number {
  if (pattern.includes('*')) return pattern.length
  return addressPrefix.length + Number(pattern.slice(pattern.indexOf('/') + 1))
}

function matcherOf(pattern: string): Pattern['matches'] {
  const star = pattern.indexOf('*')
  if (star < 0) {
    const isInBlock = cidrMatcher([pattern.slice(addressPrefix.length)])
    return (id) => id.startsWith(addressPrefix) && isInBlock(id.slice(addressPrefix.length))
  }
  const before = pattern.slice(0, star)
  const after = pattern.slice(star + 1)
  const least = before.length + after.length
  return (id) => id.length >= least && id.startsWith(before) && id.endsWith(after)
}
