import type { JsonPosition } from '../../bytes/json/types.ts'

/** Members that hold base64 in OpenAI's formats: `input_audio.data`, `file.file_data`, images; and Ollama's `images`. */
const payloadKeys: readonly string[] = ['b64_json', 'data', 'file_data', 'image', 'images']

/** Shorter strings are never media. */
const MIN_MEDIA_BYTES = 16
/** Shorter strings cost so few tokens that it does not matter what they are. */
const MIN_PAYLOAD_BYTES = 256
/** How many bytes of a string are examined. */
const SAMPLE_BYTES = 128

// The backslash is there because some encoders write every slash as `\/` and line breaks as `\n`.
const dataUrl = /^data:[\w.+-]+\\?\/[\w.+-]+[;,]/
const base64 = /^[\w+/=\\-]*$/

/**
 * Whether the string from `start` to `end`, without its quotes, is media and not text: a `data:` URL, or a long base64
 * payload under a key that carries one. Judged by its first bytes, so a guess, and only for counting.
 */
export function isMedia(at: JsonPosition, start: number, end: number): boolean {
  const length = end - start
  if (length < MIN_MEDIA_BYTES) return false
  const { bytes } = at
  if (bytes[start] === 0x64 /* d */ && bytes[start + 4] === 0x3a /* : */) {
    if (dataUrl.test(sample(bytes, start, end))) return true
  }
  return length >= MIN_PAYLOAD_BYTES && isPayloadKey(at) && base64.test(sample(bytes, start, end))
}

function isPayloadKey({ bytes, keyStart, keyEnd }: JsonPosition): boolean {
  // The longest of the names has nine bytes; most keys of long strings are `content` or `text`.
  if (keyEnd <= keyStart || keyEnd - keyStart > 9) return false
  return payloadKeys.includes(bytes.toString('latin1', keyStart, keyEnd))
}

function sample(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('latin1', start, Math.min(end, start + SAMPLE_BYTES))
}
