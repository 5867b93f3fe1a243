// The headers of W3C Trace Context (https://www.w3.org/TR/trace-context-2/): which span a request belongs to. Whatever breaks
// their grammar counts as absent, so that the gateway begins a trace of its own.

/** A span of another program, or of this one, under which others are begun. */
export interface SpanContext {
  /** 32 hexadecimal digits in lower case, not all of them 0. */
  readonly traceId: string
  /** 16 of them. */
  readonly spanId: string
  /** Whether its spans are recorded. */
  readonly isSampled: boolean
}

const length = '00-00000000000000000000000000000000-0000000000000000-00'.length
const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/
const noTrace = '0'.repeat(32)
const noSpan = '0'.repeat(16)

/**
 * Reads a `traceparent` (§3.2). Version 00 has four fields; of later versions the first four are read, as the specification
 * asks. Undefined: it is invalid.
 */
export function parseTraceparent(text: string): SpanContext | undefined {
  const match = text.length > maxLength ? null : form.exec(text)
  if (match === null) return undefined
  const [, version, traceId, spanId, flags] = match as unknown as [string, string, string, string, string]
  if (version === 'ff' || (version === '00' && text.length !== length)) return undefined
  if (traceId === noTrace || spanId === noSpan) return undefined
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

/** Of a version that does not exist yet: nobody knows what follows the four fields. */
const maxLength = 512

/** Writes a `traceparent` of version 00. Flags but `sampled` are 0. */
export function formatTraceparent({ traceId, spanId, isSampled }: SpanContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`
}

/** Longer ones may be dropped as a whole (§3.3.1.5). */
const maxStateLength = 512
const maxStateMembers = 32

/** Level 2 of the specification lets a key begin with a digit (§3.3.2.1.3.1). */
const stateMember = /^[ \t]*([a-z0-9][a-z0-9_\-*/@]{0,255})=[ -+\--<>-~]{0,255}[!-+\--<>-~][ \t]*$/
const emptyMember = /^[ \t]*$/

/**
 * A `tracestate` as it may go on: the header's lines joined (§3.3.1). Undefined: there is none, it breaks the grammar, or it
 * has more than 512 characters.
 */
export function joinTracestate(lines: readonly string[]): string | undefined {
  const text = lines.join(',')
  if (text.length > maxStateLength) return undefined
  const keys = new Set<string>()
  for (const member of text.split(',')) {
    if (emptyMember.test(member)) continue
    const key = stateMember.exec(member)?.[1]
    if (key === undefined || keys.has(key) || key.split('@').length > 2) return undefined
    keys.add(key)
  }
  return keys.size === 0 || keys.size > maxStateMembers ? undefined : text
}

/** What a request's headers report of its trace. */
export interface IncomingTrace {
  readonly parent: SpanContext
  readonly state: string | undefined
}

/**
 * Finds both headers. A `traceparent` that is there twice is invalid (§3.2.3), and a `tracestate` does not count without one.
 * @param rawHeaders names and values in turn, as they came.
 */
export function readTraceHeaders(rawHeaders: readonly string[]): IncomingTrace | undefined {
  let found: string | undefined
  let states: string[] | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    // Most names are ruled out by their lengths.
    if (name.length === parentName.length && name.toLowerCase() === parentName) {
      if (found !== undefined) return undefined
      found = rawHeaders[index + 1]!
    } else if (name.length === stateName.length && name.toLowerCase() === stateName) {
      states ??= []
      states.push(rawHeaders[index + 1]!)
    }
  }
  const parent = found === undefined ? undefined : parseTraceparent(found)
  if (parent === undefined) return undefined
  return { parent, state: states === undefined ? undefined : joinTracestate(states) }
}

export const parentName = 'traceparent'
export const stateName = 'tracestate'

/**
 * Whether a trace that begins here is recorded. Programs that sample by the rightmost 56 bits of the id (W3C Trace Context 2
 * §5.1.3 has them random) agree on the traces that they keep; 52 of them are a whole number of JavaScript's.
 * @param ratio from 0 to 1.
 */
export function isSampledById(traceId: string, ratio: number): boolean {
  return Number.parseInt(traceId.slice(-14, -1), 16) >= (1 - ratio) * 2 ** 52
}
