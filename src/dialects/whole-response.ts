// Whether a complete body with a 2xx status is a valid response. Proxies send HTML pages, relays hide an error behind a
// 200, and a server that crashes can end its body as if it were complete; none of these may pass.
import { mediaTypeOf } from '../http/headers.ts'
import { membersOf, parseJson } from '../bytes/json/parse.ts'
import { readString, scanJson } from '../bytes/json/scan.ts'
import { MemberNames } from '../bytes/json/member-names.ts'
import type { ResponseHead } from '../domain.ts'

export type WholeJudgement =
  /** `value`: the parsed JSON, where it was parsed on the way. */
  | { readonly kind: 'response'; readonly value?: unknown }
  /** An error with a 2xx status, with the head that it should have had. */
  | { readonly kind: 'error'; readonly head: ResponseHead }
  /** Neither; `reason` is a readable clause about the provider. */
  | { readonly kind: 'fault'; readonly reason: string }

/** The rules of a format for its whole bodies. */
export interface WholeFormat {
  /** Whether an empty text is a valid response: a transcript of silence. */
  readonly mayBeEmpty: boolean
  /** The head of the error response that the JSON could have been the body of; undefined when it reports no error. */
  readonly errorHeadOf: (body: Buffer) => ResponseHead | undefined
  /** The member that holds a response's output, a list. Absent: nothing can be said of the output. */
  readonly outputMember: string | undefined
}

const response: WholeJudgement = { kind: 'response' }

/** Why a head with a status from 200 to 299 can't begin a response: a clause about the provider. */
export function faultOfHead(head: ResponseHead): string | undefined {
  const { status } = head
  if (status === 204 || status === 205) return `returned ${status}, which has no body`
  if (mediaTypeOf(head) !== 'text/html') return undefined
  return `returned ${status} with an HTML page: check its base_url, which often ends in /v1`
}

/** @param body read to its end, at most as large as a response that is held. */
export function judgeWholeResponse(head: ResponseHead, body: Buffer, format: WholeFormat): WholeJudgement {
  const mediaType = mediaTypeOf(head)
  if (body.length === 0) {
    return format.mayBeEmpty && mediaType.startsWith('text/') ? response : fault(head, 'an empty body')
  }
  return mediaType === 'application/json' ? judgeJson(head, body, format) : response
}

/** Members that may report an error, in any format. Valid responses have them too, so the value decides. */
const errorMembers = new MemberNames(['error', 'object', 'type'])

/** Parsing small JSON is faster than scanning it; of large JSON only a few members matter. */
const maxParsedBytes = 16_384

function judgeJson(
  head: ResponseHead,
  received: Buffer,
  { errorHeadOf, outputMember }: WholeFormat,
): WholeJudgement {
  const body = withoutByteOrderMark(received)
  const value = body.length <= maxParsedBytes ? parseJson(body) : undefined
  if (value !== undefined && !mayReportError(value)) {
    return hasNoOutput(value, outputMember)
      ? fault(head, `no output: "${outputMember}" is not a list`)
      : { kind: 'response', value }
  }
  const outcome = scanJson(body, errorMembers)
  if (outcome.ok) {
    const { members } = outcome.scan
    const isNamedError = ['object', 'type'].some((name) => {
      const member = members.get(name)
      return member !== undefined && readString(body, member) === 'error'
    })
    if (!isNamedError && (members.get('error')?.kind ?? 'null') === 'null') return response
  } else if (parseJson(body) === undefined) {
    const isCut = outcome.offset >= body.length || !isBracketed(body)
    // Python writes NaN and Infinity, and its clients read them.
    return isCut ? fault(head, 'truncated JSON') : response
  }
  const errorHead = errorHeadOf(body)
  return errorHead === undefined ? response : { kind: 'error', head: errorHead }
}

function fault({ status }: ResponseHead, what: string): WholeJudgement {
  return { kind: 'fault', reason: `returned ${status} with ${what}` }
}

function mayReportError(value: unknown): boolean {
  const { error, object, type } = membersOf(value)
  return (error !== undefined && error !== null) || object === 'error' || type === 'error'
}

/** Whether `null` or a text stands where the output should. An absent member may be a server's own form. */
function hasNoOutput(value: unknown, outputMember: string | undefined): boolean {
  if (outputMember === undefined) return false
  const { [outputMember]: output } = membersOf(value)
  return output !== undefined && !Array.isArray(output)
}

/** Whether it begins and ends as an object or an array does. */
function isBracketed(body: Buffer): boolean {
  const text = body.toString('latin1').trim()
  return (text.startsWith('{') && text.endsWith('}')) || (text.startsWith('[') && text.endsWith(']'))
}

/** Readers of HTTP bodies drop it (https://encoding.spec.whatwg.org/#utf-8-decode), parsers of JSON refuse it. */
function withoutByteOrderMark(body: Buffer): Buffer {
  return body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? body.subarray(3) : body
}

/**
 * Whether JSON that was too large to be buffered may be complete, judged by its first and last bytes. JSON that is
 * truncated right after an inner brace passes.
 */
export function mayBeWhole(start: Buffer, tail: Buffer): boolean {
  const first = withoutByteOrderMark(start).toString('latin1').trimStart()[0]
  const last = tail.toString('latin1').trimEnd().at(-1)
  return first === '{' ? last === '}' : first === '[' ? last === ']' : true
}
