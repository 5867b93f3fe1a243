// Hashes of a prompt's prefixes, by which two prompts are found to begin alike without keeping either: one for each of its
// messages and for every so many bytes. They are keyed anew in every process and never leave it.
import { randomFillSync } from 'node:crypto'

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
  const [one, other] = randomFillSync(new Int32Array(2)) as unknown as [number, number]
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
 * and on nothing else. Two lanes of multiplications and rotations over words of four bytes, mixed with each other, in the manner of MurmurHash3
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
  /** The bytes after the last eight in a row, in two words, and how many. */
  #rest = 0
  #otherRest = 0
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
    let at = from
    while (this.#restBytes > 0 && at < to) this.#add(view.getUint8(at++))
    let one = this.#one
    let other = this.#other
    const last = to - 7
    for (; at < last; at += 8) {
      one = (mixOne(one, view.getInt32(at, true)) + other) | 0
      other = mixOther(other, view.getInt32(at + 4, true)) ^ one
    }
    this.#one = one
    this.#other = other
    while (at < to) this.#add(view.getUint8(at++))
  }

  /** A byte that is not part of eight in a row. */
  #add(byte: number): void {
    if (this.#restBytes < 4) this.#rest |= byte << (8 * this.#restBytes)
    else this.#otherRest |= byte << (8 * (this.#restBytes - 4))
    this.#restBytes += 1
    if (this.#restBytes < 8) return
    this.#one = (mixOne(this.#one, this.#rest) + this.#other) | 0
    this.#other = mixOther(this.#other, this.#otherRest) ^ this.#one
    this.#rest = 0
    this.#otherRest = 0
    this.#restBytes = 0
  }

  #keep(): void {
    const length = this.#length
    const one = finished((mixOne(this.#one, this.#rest) + this.#other) ^ length)
    const other = finished(mixOther(this.#other, this.#otherRest) ^ one)
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
