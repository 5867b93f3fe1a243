// Usage at the end of a stream whose client did not request it: the gateway sets `include_usage`, and removes what that adds
// to the stream.
// https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream_options
import type { ResponseHead } from '../../domain.ts'
import type { GatewayError } from '../../errors.ts'
import { isObject, type JsonObject, membersOf } from '../../bytes/json/parse.ts'
import { scanJson } from '../../bytes/json/scan.ts'
import type { JsonScan } from '../../bytes/json/types.ts'
import { MemberNames } from '../../bytes/json/member-names.ts'
import type { Splice } from '../../bytes/splice.ts'
import type { EventUsage } from '../usage.ts'
import { cutMember, topLevelMember } from '../event-bytes.ts'
import { invalidRequest, maxOptionsBytes } from '../request.ts'

const includeUsage = new MemberNames(['include_usage'])

/**
 * The edit that sets `stream_options.include_usage` and keeps every other option byte for byte. Undefined if the client
 * sets it, or if its `stream_options` are no object, so that the provider judges them. An error if the provider could read
 * another wish than the gateway: a stream without usage is charged by what is seen of it, which hidden reasoning is not.
 */
export function includeUsageSplice(body: Buffer, scan: JsonScan): Splice | GatewayError | undefined {
  const member = scan.members.get('stream_options')
  if (member === undefined) {
    const at = { start: scan.insertAt, end: scan.insertAt }
    return { at, bytes: `"stream_options":{"include_usage":true}${scan.isEmpty ? '' : ','}` }
  }
  if (member.kind === 'null') return { at: member.value, bytes: '{"include_usage":true}' }
  if (member.kind !== 'object') return undefined
  return spliceIntoOptions(body, member.value)
}

function spliceIntoOptions(
  body: Buffer,
  at: { start: number; end: number },
): Splice | GatewayError | undefined {
  if (at.end - at.start > maxOptionsBytes) {
    return invalidOptions(`they have more than ${maxOptionsBytes} bytes`)
  }
  const outcome = scanJson(body.subarray(at.start, at.end), includeUsage)
  if (!outcome.ok) return invalidOptions(outcome.problem)
  const { members, insertAt, isEmpty } = outcome.scan
  const option = members.get('include_usage')
  if (option?.kind === 'true') return undefined
  if (option !== undefined) {
    return { at: { start: at.start + option.value.start, end: at.start + option.value.end }, bytes: 'true' }
  }
  const start = at.start + insertAt
  return { at: { start, end: start }, bytes: `"include_usage":true${isEmpty ? '' : ','}` }
}

function invalidOptions(problem: string): GatewayError {
  return invalidRequest(`Invalid "stream_options": ${problem}.`, 'stream_options')
}

/**
 * What all chunks of a stream have, and llama.cpp's `timings`, which it moves to the chunk of the usage where there is one. A chunk with
 * usage that has more was not added for the usage alone.
 */
const envelope: ReadonlySet<string> = new Set([
  'choices',
  'created',
  'error',
  'id',
  'model',
  'object',
  'obfuscation',
  'provider',
  'service_tier',
  'system_fingerprint',
  'timings',
  'usage',
])

/**
 * What of an event with usage is there because of `include_usage`: an extra chunk without choices, on which clients that do
 * not expect it fail, also where its usage alone is cut. LiteLLM writes it with an empty choice. Ollama adds zeros to each
 * chunk of a text completion.
 */
export function requestedIn(data: unknown): EventUsage['requested'] {
  const members = membersOf(data)
  const { choices, usage, error } = members
  if ((error !== undefined && error !== null) || !Array.isArray(choices)) return undefined
  if (!isObject(usage)) return usage === null ? 'member' : undefined
  if (!choices.every(isEmptyChoice)) return isZero(usage) ? 'member' : undefined
  const hasMore = Object.entries(members).some(([name, value]) => value !== null && !envelope.has(name))
  return hasMore ? 'member' : 'event'
}

function isEmptyChoice(choice: unknown): boolean {
  return Object.entries(membersOf(choice)).every(([name, value]) => {
    if (name === 'index' || isNothing(value)) return true
    return name === 'delta' && isObject(value) && Object.values(value).every(isNothing)
  })
}

function isNothing(value: unknown): boolean {
  return value === null || value === undefined
}

function isZero(usage: JsonObject): boolean {
  return Object.values(usage).every((count) => count === 0)
}

const usageKey = Buffer.from('"usage"')

/** As `UsageReader` says. OpenAI adds `"usage":null` to every other chunk, which Mistral's SDK refuses. */
export function withoutRequested(event: Buffer, read: EventUsage | undefined): Buffer | undefined {
  if (read?.requested === 'event') return undefined
  if (read?.requested === undefined) return event
  const member = topLevelMember(event, usageKey)
  return member === undefined ? event : cutMember(event, member)
}

/** Whether a provider's error may be about `stream_options`. The match may also be a quote of the client's text. */
export function mayRefuseUsage({ status }: ResponseHead, body: Buffer): boolean {
  return (status === 400 || status === 422) && body.includes('stream_options')
}
