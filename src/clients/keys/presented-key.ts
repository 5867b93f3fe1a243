// Where a request presents a key: `Authorization: Bearer`, `x-api-key` or `api-key`. Nowhere else: a query ends in the logs
// of proxies, and cookies are sent by pages of others.

/**
 * The key that a request presents. Tokens without one of the prefixes are another server's and do not count.
 * @param rawHeaders names and values in turn, as Node's `rawHeaders`: `headers` drops repeated lines.
 * @returns `ambiguous` for two different keys, or a header with a key that stands there twice.
 */
export function presentedKey(rawHeaders: readonly string[], prefixes: readonly string[]): string | undefined {
  let found: string | undefined
  /** Names of headers that were seen, and of those the ones that hold a key. */
  let seen = 0
  let repeated = 0
  let holding = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const header = headerOf(rawHeaders[at]!)
    if (header === undefined) continue
    if ((seen & header.bit) !== 0) repeated |= header.bit
    seen |= header.bit
    const token = header.readToken(rawHeaders[at + 1]!)
    if (token === undefined || !prefixes.some((prefix) => token.startsWith(prefix))) continue
    holding |= header.bit
    if (found !== undefined && found !== token) return 'ambiguous'
    found = token
  }
  // Programs on the way disagree on which line of a repeated header counts.
  return (repeated & holding) === 0 ? found : 'ambiguous'
}

interface KeyHeader {
  readonly name: string
  readonly bit: number
  readonly readToken: (value: string) => string | undefined
}

const authorization: KeyHeader = { name: 'authorization', bit: 1, readToken: bearerToken }
const xApiKey: KeyHeader = { name: 'x-api-key', bit: 2, readToken: (value) => value.trim() }
const apiKey: KeyHeader = { name: 'api-key', bit: 4, readToken: (value) => value.trim() }

/** In any case; most headers are ruled out by their length. */
function headerOf(name: string): KeyHeader | undefined {
  const { length } = name
  if (length !== 13 && length !== 9 && length !== 7) return undefined
  const header = length === 13 ? authorization : length === 9 ? xApiKey : apiKey
  return header.name === name.toLowerCase() ? header : undefined
}

/** RFC 6750 §2.1; the scheme in any case (RFC 9110 §11.1). */
function bearerToken(value: string): string | undefined {
  return /^bearer[ \t]+(.*)$/is.exec(value)?.[1]?.trim()
}
