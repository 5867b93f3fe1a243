// One pass over a multipart/form-data body (RFC 7578, RFC 2046 §5.1) in one buffer. Strict where parsers differ: a body
// that one of them could read differently is refused, because the provider reads the same bytes.
import { isUtf8 } from 'node:buffer'
import type { Span } from '../domain.ts'
import { parseDisposition } from '../http/content-disposition.ts'
import { foldName } from './json/fold-name.ts'
import { parseMediaType, soleParameter } from '../http/media-type.ts'

export interface FormField {
  /** The bytes of the part's content. */
  readonly value: Span
}

export interface MultipartScan {
  /** The text parts whose name is wanted. */
  readonly fields: ReadonlyMap<string, FormField>
  /** The parts that are no files, in order; a name may stand there several times. */
  readonly texts: readonly (FormField & { readonly name: string })[]
  /** Bytes of the contents of all file parts. */
  readonly fileBytes: number
}

export type MultipartOutcome =
  | { readonly ok: true; readonly scan: MultipartScan }
  | { readonly ok: false; readonly problem: string; readonly offset: number; readonly param?: string }

const MAX_PARTS = 100
const MAX_HEADER_BYTES = 8192

const CRLF = '\r\n'
// RFC 2046 §5.1.1 bchars, of which a space may not be the last.
const boundaryGrammar = /^[\w'()+,\-./:=? ]{0,69}[\w'()+,\-./:=?]$/

/**
 * Finds the `wanted` fields (names in lower case) among the parts, in any order. A wanted name may occur once, in its exact
 * spelling, and not on a file. The boundary may occur only between parts.
 */
export function scanMultipart(body: Buffer, boundary: string, wanted: ReadonlySet<string>): MultipartOutcome {
  if (!boundaryGrammar.test(boundary)) return { ok: false, problem: 'the boundary is malformed', offset: 0 }
  const scanner = new Scanner(body, wanted)
  const refusal = scanner.run(Buffer.from(`--${boundary}`))
  return (
    refusal ?? {
      ok: true,
      scan: { fields: scanner.fields, texts: scanner.texts, fileBytes: scanner.fileBytes },
    }
  )
}

/** The text of a field. Undefined if it is not valid UTF-8. */
export function readField(body: Buffer, { value }: FormField): string | undefined {
  const bytes = body.subarray(value.start, value.end)
  return isUtf8(bytes) ? bytes.toString() : undefined
}

type Refusal = Extract<MultipartOutcome, { ok: false }>

class Scanner {
  readonly fields = new Map<string, FormField>()
  readonly texts: (FormField & { readonly name: string })[] = []
  fileBytes = 0
  private readonly body: Buffer
  private readonly wanted: ReadonlySet<string>

  constructor(body: Buffer, wanted: ReadonlySet<string>) {
    this.body = body
    this.wanted = wanted
  }

  run(delimiter: Buffer): Refusal | undefined {
    const { body } = this
    if (!body.subarray(0, delimiter.length).equals(delimiter)) {
      return refuse(0, 'the body does not start with the boundary of its content-type')
    }
    let at = delimiter.length
    for (let parts = 0; !this.standsAt(at, '--'); parts++) {
      if (!this.standsAt(at, CRLF)) return refuse(at, 'a boundary is not followed by a line break')
      if (parts === MAX_PARTS) return refuse(at, `the form has more than ${MAX_PARTS} parts`)
      const start = at + CRLF.length
      const next = body.indexOf(delimiter, start)
      if (next < 0) return refuse(body.length, 'the closing boundary is missing')
      if (!this.standsAt(next - CRLF.length, CRLF)) return refuse(next, 'the boundary occurs inside a part')
      const refusal = this.readPart({ start, end: next - CRLF.length })
      if (refusal !== undefined) return refusal
      at = next + delimiter.length
    }
    at += 2
    if (this.standsAt(at, CRLF)) at += CRLF.length
    return at < body.length ? refuse(at, 'data follows the closing boundary') : undefined
  }

  private readPart(part: Span): Refusal | undefined {
    const { body } = this
    const { start } = part
    const blankLine = body.subarray(start, Math.min(part.end, start + MAX_HEADER_BYTES)).indexOf('\r\n\r\n')
    if (blankLine < 0)
      return refuse(start, `a part has no blank line after at most ${MAX_HEADER_BYTES} bytes of headers`)
    const headers = readHeaders(body.toString('latin1', start, start + blankLine))
    if (headers === undefined) return refuse(start, 'a header of a part is malformed')
    const outcome = parseDisposition(headers.get('content-disposition') ?? '')
    if (!outcome.ok) return refuse(start, outcome.problem)
    const { disposition } = outcome
    const content = { start: start + blankLine + 4, end: part.end }
    if (disposition.isFile) this.fileBytes += content.end - content.start
    const name = Buffer.from(disposition.name, 'latin1').toString()
    const folded = foldName(name)
    if (!disposition.isFile) this.texts.push({ name, value: content })
    if (folded === '_charset_') return refuse(start, 'field "_charset_" is not supported; UTF-8 is expected')
    if (!this.wanted.has(folded)) return undefined
    const problem =
      this.problemOf(name, folded, headers) ?? (disposition.isFile ? `field "${name}" is a file` : undefined)
    if (problem !== undefined) return refuse(start, problem, folded)
    this.fields.set(name, { value: content })
    return undefined
  }

  private problemOf(name: string, folded: string, headers: ReadonlyMap<string, string>): string | undefined {
    if (name !== folded) return `field ${JSON.stringify(name)} differs from "${folded}" only in case`
    if (this.fields.has(name)) return `duplicate field "${name}"`
    // Go's mime/multipart decodes quoted-printable; others take the bytes as they are.
    if (headers.has('content-transfer-encoding')) return `field "${name}" has a content-transfer-encoding`
    const type = headers.get('content-type')
    if (type !== undefined && !isUtf8Text(type)) return `field "${name}" is not plain text in UTF-8`
    return undefined
  }

  private standsAt(at: number, text: string): boolean {
    return this.body[at] === text.charCodeAt(0) && this.body[at + 1] === text.charCodeAt(1)
  }
}

/** Header lines by lower-case name; undefined when one is folded, malformed or there twice. */
function readHeaders(block: string): Map<string, string> | undefined {
  const headers = new Map<string, string>()
  for (const line of block.split(CRLF)) {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase()
    const value = line.slice(colon + 1)
    if (!/^[\w!#$%&'*+\-.^`|~]+$/.test(name) || headers.has(name) || /[\0\r\n]/.test(value)) return undefined
    // Only what RFC 9110 §5.6.3 calls white space: trim() would take a no-break space too, which others keep.
    headers.set(name, value.replace(/^[ \t]+|[ \t]+$/g, ''))
  }
  return headers
}

/** Some parsers decode a field by its charset, or treat it as a file because of its type. */
function isUtf8Text(contentType: string): boolean {
  if (!textTypes.has(parseMediaType(contentType)?.essence ?? '')) return false
  if (!/charset/i.test(contentType)) return true
  const charset = soleParameter(contentType, 'charset')?.toLowerCase()
  return charset === 'utf-8' || charset === 'us-ascii'
}

const textTypes: ReadonlySet<string> = new Set(['application/json', 'text/plain'])

function refuse(offset: number, problem: string, param?: string): Refusal {
  return { ok: false, problem, offset, ...(param !== undefined && { param }) }
}
