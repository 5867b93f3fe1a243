// Text outside of ASCII in a header's value, as Tailscale Serve writes it: whole values of encoded words in UTF-8, in the
// "Q" encoding (RFC 2047 §2 and §4.2, https://tailscale.com/kb/1312/serve).
import { isUtf8 } from 'node:buffer'

const wordsForm = /^=\?utf-8\?q\?[!->@-~]*\?=(?: =\?utf-8\?q\?[!->@-~]*\?=)*$/i
const seam = /^=\?utf-8\?q\?|\?= =\?utf-8\?q\?|\?=$/gi

/**
 * What a value of encoded words stands for, and any other value as it is. Serve encodes only what has characters outside of
 * ASCII, so that words without them are a name of their own and not another writing of somebody else's.
 */
export function decodeWords(value: string): string {
  if (!wordsForm.test(value)) return value
  const text = value.replaceAll(seam, '').replaceAll('_', ' ')
  const bytes = Buffer.from(
    text.replaceAll(/=([0-9A-F]{2})/gi, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    ),
    'latin1',
  )
  const isPlain = bytes.every((byte) => byte < 0x80)
  return isPlain || !isUtf8(bytes) ? value : bytes.toString()
}
