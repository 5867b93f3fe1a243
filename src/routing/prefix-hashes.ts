// Hashes of a prompt's prefixes, by which two prompts are found to begin alike without keeping either: one for each of its
// messages and for every so many bytes. They are keyed anew in every process and never leave it.

/** A prompt in the bytes of its request. */
export interface HashedPrompt {
  readonly bytes: Buffer
  /** Where its parts start and end, in turn, in the order in which a server reads them. */
  readonly spans: readonly number[]
  /** The first end of a message from `from` on and before `end`, both offsets in `bytes`; `end` if there is none. */
  borderAfter(from: number, end: number): number
}

/** Two words of 32 bits, at random. */
export type PrefixKey = readonly [number, number]

export function newPrefixKey(): PrefixKey {
  const [one, other] = crypto.getRandomValues(new Int32Array(2)) as unknown as [number, number]
  return [one, other]
}

/**
 * The prefixes of one prompt, from the shortest to the whole, three words for each: its hash in two, and its length in
 * bytes.
 */
export type PrefixHashes = Uint32Array<ArrayBuffer>

export const wordsPerPrefix = 3

/** Longer prompts are not followed any further; no server keeps more. */
const maxPromptBytes = 32_000_000

/**
 * How far the next prefix is from one of this length, at most: a prompt of 1 MB has some two hundred, besides those of its
 * messages.
 */
function stepAt(length: number): number {
  if (length < 65_536) return 1024
  return length < 262_144 ? 4096 : 16_384
}

/** Closer to the last prefix, the end of a message makes none of its own. */
function minStepAt(length: number): number {
  return stepAt(length) / 16
}

/**
 * Reads a prompt once, in as many pieces as the caller wants. A hash depends on the key, the owner and the bytes before it
 * and on nothing else. Two lanes of multiplications and rotations over words of four bytes, in the manner of MurmurHash3
 * (https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp).
 */
export class PrefixHasher {
  readonly #prompt: HashedPrompt
  readonly #view: DataView
  readonly #found: number[] = []
  #one: number
  #other: number
  /** Bytes of the prompt that are hashed. */
  #length = 0
  /** Of the last prefix. */
  #lastLength = 0
  /** The bytes after the last whole word, and how many. */
  #rest = 0
  #restBytes = 0
  /** The span that is being read, and the position in it; −1: none has begun. */
  #span = 0
  #at = -1

  /** @param owner whose prompts these are; those of others have other hashes. Empty: all share theirs. */
  constructor(prompt: HashedPrompt, [one, other]: PrefixKey, owner: string) {
    const { buffer, byteOffset, byteLength } = prompt.bytes
    this.#prompt = prompt
    this.#view = new DataView(buffer, byteOffset, byteLength)
    for (let index = 0; index < owner.length; index++) {
      one = mixOne(one, owner.charCodeAt(index))
      other = mixOther(other, one)
    }
    this.#one = one
    this.#other = other
  }

  /** Hashes about `maxBytes` more. @returns false while bytes are left. */
  advance(maxBytes: number): boolean {
    const { spans } = this.#prompt
    const until = this.#length + maxBytes
    while (this.#span < spans.length && this.#length < maxPromptBytes) {
      if (this.#length >= until) return false
      this.#step(spans[this.#span]!, spans[this.#span + 1]!)
    }
    if (this.#length > this.#lastLength) this.#keep()
    return true
  }

  /** All of the prompt's prefixes, once `advance` has returned true. */
  get hashes(): PrefixHashes {
    return Uint32Array.from(this.#found)
  }

  /** Up to the next prefix or the end of the span. */
  #step(start: number, end: number): void {
    const from = this.#at < 0 ? start : this.#at
    const sinceLast = this.#length - this.#lastLength
    const step = stepAt(this.#lastLength) - sinceLast
    const limit = Math.min(end, from + step)
    const border = this.#prompt.borderAfter(
      from + Math.max(1, minStepAt(this.#lastLength) - sinceLast),
      limit,
    )
    const to = Math.min(border, limit)
    this.#hash(from, to)
    this.#length += to - from
    this.#at = to
    if (to >= end) {
      this.#span += 2
      this.#at = -1
    }
    const isBorder = border < limit || to >= end
    const passed = this.#length - this.#lastLength
    if (passed >= stepAt(this.#lastLength) || (isBorder && passed >= minStepAt(this.#lastLength)))
      this.#keep()
  }

  #hash(from: number, to: number): void {
    const view = this.#view
    let one = this.#one
    let other = this.#other
    let rest = this.#rest
    let restBytes = this.#restBytes
    let at = from
    while (restBytes > 0 && at < to) {
      rest |= view.getUint8(at++) << (8 * restBytes)
      restBytes = (restBytes + 1) & 3
      if (restBytes > 0) continue
      one = mixOne(one, rest)
      other = mixOther(other, rest)
      rest = 0
    }
    const last = to - 3
    for (; at < last; at += 4) {
      const word = view.getInt32(at, true)
      one = mixOne(one, word)
      other = mixOther(other, word)
    }
    while (at < to) rest |= view.getUint8(at++) << (8 * restBytes++)
    this.#one = one
    this.#other = other
    this.#rest = rest
    this.#restBytes = restBytes
  }

  #keep(): void {
    const length = this.#length
    const one = finished(mixOne(this.#one, this.#rest) ^ length)
    const other = finished(mixOther(this.#other, this.#rest) ^ one)
    this.#found.push(one, other, length)
    this.#lastLength = length
  }
}

function mixOne(hash: number, word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51)
  const next = hash ^ Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
  return (Math.imul((next << 13) | (next >>> 19), 5) + 0xe6546b64) | 0
}

function mixOther(hash: number, word: number): number {
  const next = Math.imul(hash ^ word, 0x9e3779b1)
  return next ^ (next >>> 15)
}

function finished(hash: number): number {
  const first = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35)
  return (second ^ (second >>> 16)) >>> 0
}
