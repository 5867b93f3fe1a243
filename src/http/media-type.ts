import { parseParameters } from './header-parameters.ts'

export interface MediaType {
  /** Type and subtype in lower case: `application/json`. */
  readonly essence: string
  /** In lower case. */
  readonly charset?: string
  readonly boundary?: string
}

const essenceGrammar = /^[ \t]*([\w!#$%&'*+\-.^`|~]+\/[\w!#$%&'*+\-.^`|~]+)(?=[ \t;]|$)/

/**
 * Parses a content-type (RFC 9110 §8.3.1). Undefined when there is none, it is malformed, or a parameter stands twice.
 * Takes any input, in linear time.
 */
export function parseMediaType(header: string | undefined): MediaType | undefined {
  const match = essenceGrammar.exec(header ?? '')
  if (header === undefined || match === null) return undefined
  const parameters = parseParameters(header, match[0].length)
  if (parameters === undefined) return undefined
  const charset = parameters.get('charset')?.toLowerCase()
  const boundary = parameters.get('boundary')
  // No charset and no boundary needs a backslash, and not all parsers take it for an escape.
  if (charset?.includes('\\') || boundary?.includes('\\')) return undefined
  return {
    essence: match[1]!.toLowerCase(),
    ...(charset !== undefined && { charset }),
    ...(boundary !== undefined && { boundary }),
  }
}

/** Type and subtype of a content-type header, in lower case (RFC 9110 §8.3.1); empty when there is none. */
export function essenceOf(header: string | readonly string[] | undefined): string {
  if (header === 'application/json') return header
  return typeof header === 'string' ? header.split(';', 1)[0]!.trim().toLowerCase() : ''
}
