// The text of a key: PREFIX, the secret's public id, `_`, the secret part, and a checksum over all before it. The prefix and
// the checksum let scanners of repositories recognise a leaked key without asking anybody.
import { hash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** What the text of a key is made of. */
export interface KeyText {
  readonly prefix: string
  /** The secret's public id. */
  readonly id: string
}

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

export const idLength = 12

/** Characters of the secret part: 43 hold 256 bits. */
export const secretLength = { least: 32, usual: 43, most: 128 } as const

/** 62^6 is more than 2^32. */
const checksumLength = 6

/** No key is longer, whether generated or chosen by hand. */
export const maxKeyLength = 200

export const prefixPattern = /^[a-z][a-z0-9]{1,7}_$/

const keyPattern = new RegExp(
  `^([a-z][a-z0-9]{1,7}_)([0-9A-Za-z]{${idLength}})_[0-9A-Za-z]{${secretLength.least},${secretLength.most}}[0-9A-Za-z]{${checksumLength}}$`,
)

/**
 * A new key.
 * @param length of its secret part, within `secretLength`.
 */
export function createKey(prefix: string, length: number): { readonly text: string; readonly id: string } {
  const id = randomBase62(idLength)
  const body = `${prefix}${id}_${randomBase62(length)}`
  return { text: body + checksumOf(body), id }
}

/** Undefined for a text of another form or with a wrong checksum. */
export function parseKey(text: string): KeyText | undefined {
  if (text.length > maxKeyLength) return undefined
  const match = keyPattern.exec(text)
  if (match === null) return undefined
  const body = text.slice(0, -checksumLength)
  if (checksumOf(body) !== text.slice(-checksumLength)) return undefined
  return { prefix: match[1]!, id: match[2]! }
}

const keyAnywhere = new RegExp(keyPattern.source.slice(1, -1), 'g')

/** Whether a key that was generated, of this gateway or another one, stands somewhere in a text. */
export function holdsKey(text: string): boolean {
  return text.length > idLength + secretLength.least && text.match(keyAnywhere)?.some(isKey) === true
}

function isKey(text: string): boolean {
  return parseKey(text) !== undefined
}

/** What the key file keeps of a key, and a lookup compares. */
export function digestOf(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}

/** Each character is equally likely. */
export function randomBase62(length: number): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length - text.length + 8)) {
      // 248 is the largest multiple of 62 that a byte can hold: a larger byte would favour the first digits.
      if (byte < 248 && text.length < length) text += digits[byte % 62]
    }
  }
  return text
}

function checksumOf(body: string): string {
  let rest = crc32(body)
  let text = ''
  for (let place = 0; place < checksumLength; place++) {
    text = digits[rest % 62]! + text
    rest = Math.floor(rest / 62)
  }
  return text
}
