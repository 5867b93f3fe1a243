// Which prompts each target has read lately, and so has in its cache: a tree of prefixes by their hashes, without any text.
// It forgets what has not been used for the longest time, a prompt's end before its beginning, as servers do. What is
// forgotten at once is not found any more, but its entries are freed later, a few with each change.
import { type PrefixHashes, wordsPerPrefix } from './prefix-hashes.ts'

/** What a target has of a prompt. */
export interface KnownPrefix {
  /** Of the longest prefix. */
  readonly bytes: number
  /** How many prefixes that are. */
  readonly count: number
  /** When it was used last, in milliseconds of the monotonic clock, to a sixteenth of a second. */
  readonly usedAtMs: number
}

export const nothingKnown: KnownPrefix = { bytes: 0, count: 0, usedAtMs: -1 }

/** Times are kept in this many milliseconds, so that a word holds years. */
const tickMs = 64

/** An entry is one prefix at one target: words in one array. The links are numbers of entries. */
const words = 11
const [one, other, target, step, parent, children, usedAt, round, newer, older, next] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
]
const none = -1

/** 11.5 MB, and 1 MB of buckets. */
const defaultMaxEntries = 262_144
const firstEntries = 1024
/** By one change, besides as many as it adds: some 0.1 ms. */
const defaultMaxFreed = 1024
/** Of names that clients choose, where a wildcard has several targets. The one used longest ago is forgotten. */
const maxTargets = 4096

/** The entries of one target, from the latest to the oldest. */
interface TargetEntries {
  readonly id: number
  newest: number
  oldest: number
  count: number
  /** Of the prompts, each shared prefix counted once. */
  bytes: number
  /** More is forgotten. */
  maxBytes: number
  /** Counts the contradictions; an entry has the number at its last use. */
  round: number
  /** Entries of a lower round whose last use was in this tick or before are forgotten. They are the oldest. */
  forgottenTick: number
}

export class PrefixIndex {
  readonly #maxEntries: number
  readonly #maxFreed: number
  /** In the order of their last use. */
  readonly #targets = new Map<string, TargetEntries>()
  readonly #byId: (TargetEntries | undefined)[] = []
  /** Targets with entries, by the number of binary digits of their count: to find one with many without a search. */
  readonly #bySize: readonly Set<TargetEntries>[] = Array.from({ length: 33 }, () => new Set())
  /** Of targets that have lost their caches: to be freed, and found under no key. */
  readonly #forgotten: TargetEntries[] = []
  #entries = new Int32Array(0)
  #buckets = new Int32Array(0)
  #free = none

  /**
   * @param maxEntries of all targets; a power of two.
   * @param maxFreed how many forgotten entries a change frees, besides as many as it adds.
   */
  constructor(maxEntries = defaultMaxEntries, maxFreed = defaultMaxFreed) {
    this.#maxEntries = maxEntries
    this.#maxFreed = maxFreed
  }

  /** Bytes of memory. */
  get memory(): number {
    return this.#entries.byteLength + this.#buckets.byteLength
  }

  /** What a target is believed to have cached, in bytes of prompts; with what is forgotten and not yet freed. */
  bytesOf(key: string): number {
    return this.#targets.get(key)?.bytes ?? 0
  }

  /** @param sinceMs what was used last before is not found: it has run out. */
  find(key: string, hashes: PrefixHashes, sinceMs = 0): KnownPrefix {
    const entries = this.#targets.get(key)
    if (entries === undefined || entries.count === 0) return nothingKnown
    for (let at = hashes.length - wordsPerPrefix; at >= 0; at -= wordsPerPrefix) {
      const entry = this.#lookUp(entries.id, hashes, at)
      if (entry === none || this.#isForgotten(entries, entry)) continue
      const usedAtMs = this.#word(entry, usedAt) * tickMs
      if (usedAtMs >= sinceMs) return { bytes: hashes[at + 2]!, count: at / wordsPerPrefix + 1, usedAtMs }
    }
    return nothingKnown
  }

  /** How many known prompts go on from the prompt's first `count` prefixes in different ways; 1 if none does. */
  branchesAt(key: string, hashes: PrefixHashes, count: number): number {
    const entries = this.#targets.get(key)
    if (entries === undefined || count === 0) return 0
    const entry = this.#lookUp(entries.id, hashes, (count - 1) * wordsPerPrefix)
    if (entry === none || this.#isForgotten(entries, entry)) return 0
    return Math.max(1, this.#word(entry, children))
  }

  /** The target has read this prompt. */
  add(key: string, hashes: PrefixHashes, nowMs: number): void {
    if (hashes.length === 0) return
    const entries = this.#entriesOf(key)
    this.#freeForgotten(this.#maxFreed)
    const chain: number[] = []
    let above = none
    for (let at = 0; at < hashes.length; at += wordsPerPrefix) {
      let entry = this.#lookUp(entries.id, hashes, at)
      if (entry === none) {
        const made = this.#make(entries, hashes, at, above)
        if (made === none) break
        entry = made
      } else this.#unlink(entries, entry)
      // In no list until all are there, so that none of them makes room for another.
      chain.push(entry)
      this.#entries[entry * words + usedAt] = Math.floor(nowMs / tickMs)
      this.#entries[entry * words + round] = entries.round
      above = entry
    }
    for (let index = chain.length - 1; index >= 0; index -= 1) this.#linkNewest(entries, chain[index]!)
    this.#cut(entries, hashes.length / wordsPerPrefix + this.#maxFreed)
  }

  /** The target did not have what it had used at this time: it has forgotten that and all that was used before. */
  contradict(key: string, usedAtMs: number): void {
    const entries = this.#targets.get(key)
    if (entries === undefined) return
    const tick = Math.floor(usedAtMs / tickMs)
    // What was used since an earlier contradiction was not used before what that has forgotten.
    if (tick < entries.forgottenTick) return
    entries.round += 1
    entries.forgottenTick = tick
    this.#cut(entries, this.#maxFreed)
  }

  /** @param maxBytes of prompts that the target can hold. */
  limit(key: string, maxBytes: number): void {
    const entries = this.#entriesOf(key)
    entries.maxBytes = maxBytes
    this.#cut(entries, this.#maxFreed)
  }

  /** The target has lost its cache. */
  #forget(key: string): void {
    const entries = this.#targets.get(key)
    if (entries === undefined) return
    this.#targets.delete(key)
    this.#forgotten.push(entries)
  }

  /** Of all targets whose key begins so. */
  forgetAll(start: string): void {
    for (const key of this.#targets.keys()) if (key.startsWith(start)) this.#forget(key)
    this.#freeForgotten(this.#maxFreed)
  }

  #isForgotten(owner: TargetEntries, entry: number): boolean {
    return this.#word(entry, usedAt) <= owner.forgottenTick && this.#word(entry, round) < owner.round
  }

  /** Frees up to `most` entries that are forgotten, or beyond what the target can hold. */
  #cut(owner: TargetEntries, most: number): void {
    for (let freed = 0; freed < most && owner.oldest !== none; freed += 1) {
      if (owner.bytes <= owner.maxBytes && !this.#isForgotten(owner, owner.oldest)) return
      this.#evict(owner, owner.oldest)
    }
  }

  /** Frees up to `most` entries of targets that have lost their caches. @returns whether there were any. */
  #freeForgotten(most: number): boolean {
    let freed = 0
    for (let owner = this.#forgotten.at(-1); owner !== undefined; owner = this.#forgotten.at(-1)) {
      for (; freed < most && owner.oldest !== none; freed += 1) this.#evict(owner, owner.oldest)
      if (owner.oldest !== none) break
      this.#forgotten.pop()
      this.#byId[owner.id] = undefined
    }
    return freed > 0
  }

  #entriesOf(key: string): TargetEntries {
    const known = this.#targets.get(key)
    if (known !== undefined) {
      this.#targets.delete(key)
      this.#targets.set(key, known)
      return known
    }
    if (this.#targets.size >= maxTargets) this.#forget(this.#targets.keys().next().value!)
    const unused = this.#byId.indexOf(undefined)
    const id = unused < 0 ? this.#byId.length : unused
    const entries: TargetEntries = {
      id,
      newest: none,
      oldest: none,
      count: 0,
      bytes: 0,
      maxBytes: Infinity,
      round: 0,
      forgottenTick: -1,
    }
    this.#byId[id] = entries
    this.#targets.set(key, entries)
    return entries
  }

  #word(entry: number, word: number): number {
    return this.#entries[entry * words + word]!
  }

  #lookUp(id: number, hashes: PrefixHashes, at: number): number {
    if (this.#buckets.length === 0) return none
    const entries = this.#entries
    const [first, second] = [hashes[at]! | 0, hashes[at + 1]! | 0]
    let entry = this.#buckets[this.#bucketOf(first, id)]!
    while (entry !== none) {
      const start = entry * words
      if (entries[start] === first && entries[start + other] === second && entries[start + target] === id)
        break
      entry = entries[start + next]!
    }
    return entry
  }

  #bucketOf(hash: number, id: number): number {
    return (hash ^ Math.imul(id, 0x9e3779b1)) & (this.#buckets.length - 1)
  }

  /** @returns none if there is room for no other. */
  #make(owner: TargetEntries, hashes: PrefixHashes, at: number, above: number): number {
    if (this.#free === none && !this.#freeForgotten(1) && !this.#grow() && !this.#evictOne()) return none
    const entry = this.#free
    const entries = this.#entries
    const start = entry * words
    this.#free = entries[start + next]!
    const bucket = this.#bucketOf(hashes[at]! | 0, owner.id)
    entries[start + one] = hashes[at]!
    entries[start + other] = hashes[at + 1]!
    entries[start + target] = owner.id
    entries[start + step] = hashes[at + 2]! - (at === 0 ? 0 : hashes[at + 2 - wordsPerPrefix]!)
    entries[start + parent] = above
    entries[start + children] = 0
    entries[start + next] = this.#buckets[bucket]!
    this.#buckets[bucket] = entry
    if (above !== none) entries[above * words + children]! += 1
    this.#count(owner, 1)
    owner.bytes += entries[start + step]!
    return entry
  }

  #count(owner: TargetEntries, change: 1 | -1): void {
    const before = digitsOf(owner.count)
    owner.count += change
    const after = digitsOf(owner.count)
    if (before === after) return
    this.#bySize[before]!.delete(owner)
    if (after > 0) this.#bySize[after]!.add(owner)
  }

  /** Makes room: one of the targets with the most entries, to a factor of two, gives up its oldest. */
  #evictOne(): boolean {
    for (let digits = this.#bySize.length - 1; digits > 0; digits -= 1) {
      for (const owner of this.#bySize[digits]!) {
        // One at most: all that it has is of the prompt that needs the room.
        if (owner.oldest === none) continue
        this.#evict(owner, owner.oldest)
        return true
      }
    }
    return false
  }

  #evict(owner: TargetEntries, entry: number): void {
    this.#unlink(owner, entry)
    const entries = this.#entries
    const start = entry * words
    const bucket = this.#bucketOf(entries[start]!, owner.id)
    let link = this.#buckets[bucket]!
    if (link === entry) this.#buckets[bucket] = entries[start + next]!
    else {
      while (entries[link * words + next] !== entry) link = entries[link * words + next]!
      entries[link * words + next] = entries[start + next]!
    }
    const above = entries[start + parent]!
    if (above !== none) entries[above * words + children]! -= 1
    this.#count(owner, -1)
    owner.bytes -= entries[start + step]!
    entries[start + next] = this.#free
    this.#free = entry
  }

  #unlink(owner: TargetEntries, entry: number): void {
    const entries = this.#entries
    const start = entry * words
    const [after, before] = [entries[start + newer]!, entries[start + older]!]
    if (after === none) owner.newest = before
    else entries[after * words + older] = before
    if (before === none) owner.oldest = after
    else entries[before * words + newer] = after
  }

  #linkNewest(owner: TargetEntries, entry: number): void {
    const entries = this.#entries
    entries[entry * words + newer] = none
    entries[entry * words + older] = owner.newest
    if (owner.newest === none) owner.oldest = entry
    else entries[owner.newest * words + newer] = entry
    owner.newest = entry
  }

  /** @returns false at the largest size. */
  #grow(): boolean {
    const before = this.#entries.length / words
    if (before >= this.#maxEntries) return false
    const after = Math.min(this.#maxEntries, Math.max(firstEntries, before * 2))
    const entries = new Int32Array(after * words)
    entries.set(this.#entries)
    this.#entries = entries
    this.#buckets = new Int32Array(after).fill(none)
    for (let entry = 0; entry < before; entry += 1) {
      const bucket = this.#bucketOf(entries[entry * words]!, entries[entry * words + target]!)
      entries[entry * words + next] = this.#buckets[bucket]!
      this.#buckets[bucket] = entry
    }
    for (let entry = after - 1; entry >= before; entry -= 1) {
      entries[entry * words + next] = this.#free
      this.#free = entry
    }
    return true
  }
}

/** Of a count in binary; 0 has none. */
function digitsOf(count: number): number {
  return 32 - Math.clz32(count)
}

/** In bytes: how far two prompts begin alike. */
export function commonBytes(first: PrefixHashes, second: PrefixHashes): number {
  let low = 0
  let high = Math.min(first.length, second.length) / wordsPerPrefix
  // Prefixes that differ stay different, because each hash covers all before it.
  while (low < high) {
    const middle = (low + high + 1) >> 1
    const at = (middle - 1) * wordsPerPrefix
    if (first[at] === second[at] && first[at + 1] === second[at + 1]) low = middle
    else high = middle - 1
  }
  return low === 0 ? 0 : first[(low - 1) * wordsPerPrefix + 2]!
}
