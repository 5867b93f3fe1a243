import { MIMEType } from 'node:util'

/** Reads a content-type as browsers do (https://mimesniff.spec.whatwg.org/#parsing-a-mime-type). Undefined when there is none. */
export function parseMediaType(header = ''): MIMEType | undefined {
  try {
    return new MIMEType(header)
  } catch {
    return undefined
  }
}

/** A header in which two parsers may differ on where a value ends. */
const isOdd = /[^\t -~]|\\/
/** Undelimited characters that are part of RFC 2046's boundaries and of RFC 9110's tokens, or boundary characters in quotes. */
const value = String.raw`(?:([\w'+.-]+)|"([\w'()+,./:=? -]*[\w'()+,./:=?-])")`

const soleValues = {
  boundary: solePattern('boundary'),
  charset: solePattern('charset'),
}

/**
 * The value of a parameter on which all parsers agree, because it occurs once and plainly. Linear time. Undefined if it is
 * absent or ambiguous: with spaces around it, repeated, with escapes, inside another value.
 */
export function soleParameter(header: string, name: keyof typeof soleValues): string | undefined {
  if (isOdd.test(header)) return undefined
  const { mention, plain } = soleValues[name]
  if (header.match(mention)?.length !== 1) return undefined
  const match = plain.exec(header)
  const found = match?.[1] ?? match?.[2]
  return found !== undefined && parseMediaType(header)?.params.get(name) === found ? found : undefined
}

function solePattern(name: string): { readonly mention: RegExp; readonly plain: RegExp } {
  return {
    mention: new RegExp(`${name}[ \\t]*[*=]`, 'gi'),
    plain: new RegExp(`;[ \\t]*${name}=${value}[ \\t]*(?:;|$)`, 'i'),
  }
}

const json = 'application/json'

/** Type and subtype of a content-type header, in lower case (RFC 9110 §8.3.1); empty when there is none. */
export function essenceOf(header: string | readonly string[] | undefined): string {
  // The constant, which compares faster than a string that was just received.
  if (header === json) return json
  return typeof header === 'string' ? header.split(';', 1)[0]!.trim().toLowerCase() : ''
}
