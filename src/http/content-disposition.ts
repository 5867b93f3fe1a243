import { parseParameters } from './header-parameters.ts'

/** What a form part's content-disposition says (RFC 7578 §4.2). */
export interface Disposition {
  /** As written: nothing is decoded, a character stands for a byte. */
  readonly name: string
  /** A file name is given, even an empty one. */
  readonly isFile: boolean
}

/**
 * Parses `form-data; name="…"`. Undefined when it is malformed, has no name, or writes the name in a way that parsers
 * read differently: with a backslash or as `name*`.
 */
export function parseDisposition(header: string): Disposition | undefined {
  const type = /^form-data(?=[ \t;])/i.exec(header)
  if (type === null) return undefined
  const parameters = parseParameters(header, type[0].length)
  const name = parameters?.get('name')
  if (parameters === undefined || name === undefined || name === '') return undefined
  const names = [...parameters.keys()]
  if (name.includes('\\') || names.some((key) => key.startsWith('name*'))) return undefined
  return { name, isFile: names.some((key) => key === 'filename' || key.startsWith('filename*')) }
}
