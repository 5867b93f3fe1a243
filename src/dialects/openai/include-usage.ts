// Asking a provider for usage at the end of a stream, where the client did not.
// https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream_options
import { type JsonScan, scanJson } from '../../http/json-scan.ts'
import { MemberNames } from '../../http/member-names.ts'
import type { Splice } from '../../http/splice.ts'

const includeUsage = new MemberNames(['include_usage'])

/** There are two options or three. What is much longer would have to be scanned a second time, in one go. */
const maxOptionsBytes = 16_384

/**
 * The edit that sets `stream_options.include_usage`, every other option kept byte for byte. Undefined when the client
 * asks for usage by itself, and when its `stream_options` are so odd that the provider shall judge them.
 */
export function usageSplice(body: Buffer, scan: JsonScan): Splice | undefined {
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
  const wish = members.get('include_usage')
  if (wish?.kind === 'true') return undefined
  if (wish !== undefined) {
    return { at: { start: at.start + wish.value.start, end: at.start + wish.value.end }, bytes: 'true' }
  }
  const place = at.start + insertAt
  return { at: { start: place, end: place }, bytes: `"include_usage":true${isEmpty ? '' : ','}` }
}
