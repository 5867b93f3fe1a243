// Usage at the end of a stream whose client did not request it: the gateway sets `include_usage`, and removes the event that
// reports the usage.
// https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream_options
import type { ResponseHead } from '../../domain.ts'
import { scanJson } from '../../bytes/json/scan.ts'
import type { JsonScan } from '../../bytes/json/types.ts'
import { MemberNames } from '../../bytes/json/member-names.ts'
import type { Splice } from '../../bytes/splice.ts'

const includeUsage = new MemberNames(['include_usage'])

/** The format has two or three options. Longer values would need a second scan within one turn of the event loop. */
const maxOptionsBytes = 16_384

/**
 * The edit that sets `stream_options.include_usage` and keeps every other option byte for byte. Undefined if the client
 * sets it, or if its `stream_options` are invalid, so that the provider judges them.
 */
export function includeUsageSplice(body: Buffer, scan: JsonScan): Splice | undefined {
  const member = scan.members.get('stream_options')
  if (member === undefined) {
    const at = { start: scan.insertAt, end: scan.insertAt }
    return { at, bytes: `"stream_options":{"include_usage":true}${scan.isEmpty ? '' : ','}` }
  }
  if (member.kind === 'null') return { at: member.value, bytes: '{"include_usage":true}' }
  if (member.kind !== 'object') return undefined
  return spliceIntoOptions(body, member.value)
}

function spliceIntoOptions(body: Buffer, at: { start: number; end: number }): Splice | undefined {
  if (at.end - at.start > maxOptionsBytes) return undefined
  const outcome = scanJson(body.subarray(at.start, at.end), includeUsage)
  if (!outcome.ok) return undefined
  const { members, insertAt, isEmpty } = outcome.scan
  const option = members.get('include_usage')
  if (option?.kind === 'true') return undefined
  if (option !== undefined) {
    return { at: { start: at.start + option.value.start, end: at.start + option.value.end }, bytes: 'true' }
  }
  const start = at.start + insertAt
  return { at: { start, end: start }, bytes: `"include_usage":true${isEmpty ? '' : ','}` }
}

/** The extra event that `include_usage` adds. It has no choices, and clients that do not expect it fail on it. */
export function isUsageOnly(data: unknown): boolean {
  const { choices, usage, error } = (data ?? {}) as { choices?: unknown; usage?: unknown; error?: unknown }
  const isUsage = typeof usage === 'object' && usage !== null
  return Array.isArray(choices) && choices.length === 0 && isUsage && (error === undefined || error === null)
}

/** Whether a provider's error may be about `stream_options`. The match may also be a quote of the client's text. */
export function mayRefuseUsage({ status }: ResponseHead, body: Buffer): boolean {
  return (status === 400 || status === 422) && body.includes('stream_options')
}
