/** The content-disposition of a form part (RFC 7578 §4.2). */
interface Disposition {
  /** As written: nothing is decoded, a character stands for a byte. */
  readonly name: string
  /** A file name is given, even an empty one. */
  readonly isFile: boolean
}

export type DispositionOutcome =
  | { readonly ok: true; readonly disposition: Disposition }
  | { readonly ok: false; readonly problem: string }

/**
 * Parses `form-data; name="…"`. Refuses a header that is malformed, has no name, or in which two common parsers would find
 * different names, or only one of them a file. Linear time.
 */
export function parseDisposition(header: string): DispositionOutcome {
  const type = /^form-data(?=[ \t;])/i.exec(header)
  const parameters = type === null ? undefined : parseParameters(header, type[0].length)
  const name = parameters?.get('name')
  if (parameters === undefined || name === undefined || name === '') return malformed
  const isFile = [...parameters.keys()].some(isFileKey)
  const disposition = { name, isFile }
  return isPlain(name) && hasOneReading(header, disposition) ? { ok: true, disposition } : ambiguous
}

const malformed: DispositionOutcome = {
  ok: false,
  problem: 'a part lacks a well-formed content-disposition with a name',
}
const ambiguous: DispositionOutcome = {
  ok: false,
  problem: 'the content-disposition of a part is ambiguous; put a plain name="…" first',
}

/**
 * Whether the name has no backslashes, encoded words (RFC 2047), surrounding single quotes or white space, which some
 * parsers decode or strip.
 */
function isPlain(name: string): boolean {
  return !name.includes('\\') && !name.includes('=?') && !/^['\s]|['\s]$/.test(name)
}

function hasOneReading(header: string, { name, isFile }: Disposition): boolean {
  for (const escapes of quoteRules) {
    const { names, hasFile, hasGap } = readSegments(splitOutsideQuotes(header, escapes))
    if (hasGap || names.length !== 1 || names[0] !== name || hasFile !== isFile) return false
  }
  // cpp-httplib splits at every semicolon and uses the first name; simple scripts use the last.
  const { names, hasFile } = readSegments(header.split(';'))
  if (names[0] !== name || hasFile !== isFile || names.slice(1).some(isUsable)) return false
  return searches.every((pattern) => {
    const found = pattern.exec(header)
    return (found?.[1] ?? found?.[2]) === name
  })
}

/** How formidable and multiparty find a name; the latter keeps space behind one without quotes. */
const searches = [/\bname=(?:"([^"]*)"|([^()<>@,;:\\"/[\]?={}\s]+))/i, /;[ \t]*name=(?:"([^"]*)"|([^;]+))/i]

/** Which quotation marks are part of a quoted string, by the backslashes before them. */
const quoteRules: readonly ((backslashes: number) => boolean)[] = [
  (backslashes) => backslashes % 2 === 1, // quoted-pair (RFC 9110 §5.6.4)
  () => false, // a backslash is an ordinary character (WHATWG, which writes %22)
  (backslashes) => backslashes > 0, // Python's cgi and python-multipart, which look at one backslash only
]

function splitOutsideQuotes(header: string, isEscaped: (backslashes: number) => boolean): string[] {
  const segments: string[] = []
  let start = 0
  let isQuoted = false
  let backslashes = 0
  for (let at = 0; at < header.length; at += 1) {
    const character = header[at]
    if (character === '"' && !(isQuoted && isEscaped(backslashes))) isQuoted = !isQuoted
    else if (character === ';' && !isQuoted) {
      segments.push(header.slice(start, at))
      start = at + 1
    }
    backslashes = character === '\\' ? backslashes + 1 : 0
  }
  segments.push(header.slice(start))
  return segments
}

interface Segments {
  readonly names: readonly string[]
  readonly hasFile: boolean
  /** Two semicolons in a row, or one at the end of the header: some parsers stop there. */
  readonly hasGap: boolean
}

function readSegments(segments: readonly string[]): Segments {
  const names: string[] = []
  let hasFile = false
  let hasGap = false
  for (const segment of segments.slice(1)) {
    const equals = segment.indexOf('=')
    const key = segment.slice(0, Math.max(equals, 0)).trim().toLowerCase()
    if (key === 'name' || key.startsWith('name*')) names.push(unquoted(segment.slice(equals + 1).trim()))
    hasFile ||= isFileKey(key)
    hasGap ||= segment.trim() === ''
  }
  return { names, hasFile, hasGap }
}

function isFileKey(key: string): boolean {
  return key === 'filename' || key.startsWith('filename*')
}

function unquoted(value: string): string {
  return value.replace(/^"|"$/g, '')
}

/** Not the rest of a file name with escaped quotes in it. */
function isUsable(name: string): boolean {
  return !/[\\"]/.test(name)
}

const visible = /^[\t -~\x80-\xff]*$/
const blank = /^[ \t]*$/
const parameter = /[ \t]*;[ \t]*(?:([\w!#$%&'*+\-.^`|~]+)=(?:([\w!#$%&'*+\-.^`|~]+)|"((?:[^"\\]|\\.)*)"))?/y

/**
 * The parameters that follow a header's value (RFC 9110 §5.6.6): those in `text` from `at` on, names in lower case, quoted values without their quotes. Backslashes in them
 * stay, because parsers differ there: a caller to whom the value matters refuses them. Linear. Undefined when anything
 * else stands there, or a name twice.
 */
function parseParameters(text: string, at: number): Map<string, string> | undefined {
  if (!visible.test(text)) return undefined
  const found = new Map<string, string>()
  let next = at
  while (next < text.length) {
    parameter.lastIndex = next
    const match = parameter.exec(text)
    if (match === null) return blank.test(text.slice(next)) ? found : undefined
    const name = match[1]?.toLowerCase()
    if (name !== undefined) {
      if (found.has(name)) return undefined
      found.set(name, match[2] ?? match[3]!)
    }
    next = parameter.lastIndex
  }
  return found
}
