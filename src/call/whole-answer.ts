// A whole answer with a good status: whether it is one. Proxies send pages, relays hide an error behind a 200, and a
// server that dies can end its body as if nothing had happened; none of these may pass as an answer.
import { errorHeadOf } from '../dialects/openai/errors.ts'
import { mediaTypeOf } from '../http/headers.ts'
import { readString, scanJson } from '../http/json-scan.ts'
import { MemberNames } from '../http/member-names.ts'
import type { ResponseHead } from '../domain.ts'

export type WholeVerdict =
  /** `value`: what the JSON says, where that was found on the way. */
  | { readonly kind: 'answer'; readonly value?: unknown }
  /** An error in the clothes of an answer, with the head that it should have had. */
  | { readonly kind: 'error'; readonly head: ResponseHead }
  /** Neither; `what` is a clause about the provider, for people. */
  | { readonly kind: 'none'; readonly what: string }

const answer: WholeVerdict = { kind: 'answer' }

/** What a head with a status from 200 to 299 says against an answer: a clause about the provider. */
export function faultOfHead(head: ResponseHead): string | undefined {
  const { status } = head
  if (status === 204 || status === 205) return `answered ${status}, which has no body`
  if (mediaTypeOf(head) !== 'text/html') return undefined
  return `answered ${status} with a web page: its base_url may be wrong, or lack a /v1 at its end`
}

/**
 * @param body read to its end, at most as large as answers are held.
 * @param mayBeEmpty whether a text of no bytes is an answer: a transcript of silence.
 */
export function judgeWholeAnswer(head: ResponseHead, body: Buffer, mayBeEmpty: boolean): WholeVerdict {
  const mediaType = mediaTypeOf(head)
  if (body.length === 0) {
    return mayBeEmpty && mediaType.startsWith('text/') ? answer : none(head, 'an empty body')
  }
  const encoding = head.headers['content-encoding'] ?? 'identity'
  return mediaType === 'application/json' && encoding === 'identity' ? judgeJson(head, body) : answer
}

/** Where an error can show. Answers have these members too, so the value decides. */
const tellingMembers = new MemberNames(['error', 'object', 'type'])

/** The JSON of a usual answer is parsed sooner than it is scanned; of a large one only a little is of interest. */
const maxParsedBytes = 16_384

function judgeJson(head: ResponseHead, received: Buffer): WholeVerdict {
  const body = withoutByteOrderMark(received)
  const value = body.length <= maxParsedBytes ? parsed(body) : undefined
  if (value !== undefined && !mayTellError(value)) return { kind: 'answer', value }
  const outcome = scanJson(body, tellingMembers)
  if (outcome.ok) {
    const { members } = outcome.scan
    const isNamedError = ['object', 'type'].some((name) => {
      const member = members.get(name)
      return member !== undefined && readString(body, member) === 'error'
    })
    if (!isNamedError && (members.get('error')?.kind ?? 'null') === 'null') return answer
  } else if (parsed(body) === undefined) {
    const isCut = outcome.offset >= body.length || !isBracketed(body)
    // Python writes NaN and Infinity, and its clients read them.
    return isCut ? none(head, 'JSON that is not whole') : answer
  }
  const errorHead = errorHeadOf(body)
  return errorHead === undefined ? answer : { kind: 'error', head: errorHead }
}

function none({ status }: ResponseHead, what: string): WholeVerdict {
  return { kind: 'none', what: `answered ${status} with ${what}` }
}

/** Undefined for what is no JSON. */
function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString()) as unknown
  } catch {
    return undefined
  }
}

function mayTellError(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { error, object, type } = value as Readonly<Record<string, unknown>>
  return (error !== undefined && error !== null) || object === 'error' || type === 'error'
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
 * Whether JSON that was too large to be held can be whole, by its first and its last bytes: all that can be said of it.
 * One that is cut right after an inner brace passes.
 */
export function mayBeWhole(start: Buffer, tail: Buffer): boolean {
  const first = withoutByteOrderMark(start).toString('latin1').trimStart()[0]
  const last = tail.toString('latin1').trimEnd().at(-1)
  return first === '{' ? last === '}' : first === '[' ? last === ']' : true
}
