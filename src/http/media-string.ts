import type { Span } from '../domain.ts'

/** Members that hold base64 in OpenAI's formats: `input_audio.data`, `file.file_data`, images. */
const payloadKeys: readonly string[] = ['b64_json', 'data', 'file_data', 'image']

/** Shorter strings are never media. */
export const MIN_MEDIA_BYTES = 16
/** Shorter strings cost so few tokens that it does not matter what they are. */
const MIN_PAYLOAD_BYTES = 256
/** How much of a string is looked at. */
const SAMPLE_BYTES = 128

// The backslash is there because some encoders write every slash as `\/` and line breaks as `\n`.
const dataUrl = /^data:[\w.+-]+\\?\/[\w.+-]+[;,]/
const base64 = /^[\w+/=\\-]*$/

/**
 * Whether the string with this content is media and not text: a `data:` URL, or a long base64 payload under a key
 * that carries one. Judged by its first bytes, so a guess, and only for counting.
 */
export function isMedia(body: Buffer, key: Span, content: Span): boolean {
  const length = content.end - content.start
  if (length < MIN_MEDIA_BYTES) return false
  if (body[content.start] === 0x64 /* d */ && body[content.start + 4] === 0x3a /* : */) {
    if (dataUrl.test(sample(body, content))) return true
  }
  return length >= MIN_PAYLOAD_BYTES && isPayloadKey(body, key) && base64.test(sample(body, content))
}

function isPayloadKey(body: Buffer, { start, end }: Span): boolean {
  // The longest of the names has nine bytes; most keys of long strings are `content` or `text`.
  return end > start && end - start <= 9 && payloadKeys.includes(body.toString('latin1', start, end))
}

function sample(body: Buffer, { start, end }: Span): string {
  return body.toString('latin1', start, Math.min(end, start + SAMPLE_BYTES))
}
