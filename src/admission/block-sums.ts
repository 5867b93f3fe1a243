// One dimension of a sliding window: an amount per slot, with the sums of 64 and of 4,096 slots kept beside them,
// so that "where does the sum from the oldest on reach X" costs a few hundred steps at most, however full the ring.

const blockBits = 6
const superblockBits = 12
const superblockSize = 1 << superblockBits

/** Of a ring that is smaller than one block: its slots are added up one by one. */
const noBlocks = new Float64Array()

/** Amounts in a ring of slots. Whole numbers, at least 0; sums are exact up to 2^53. */
export class BlockSums {
  static readonly blockSize = 1 << blockBits

  readonly #mask: number
  #total = 0
  readonly #slots: Float64Array
  readonly #blocks: Float64Array
  readonly #superblocks: Float64Array

  /** @param capacity a power of two. */
  constructor(capacity: number) {
    const hasBlocks = capacity >= BlockSums.blockSize
    this.#mask = capacity - 1
    this.#slots = new Float64Array(capacity)
    this.#blocks = hasBlocks ? new Float64Array(capacity >> blockBits) : noBlocks
    this.#superblocks = hasBlocks ? new Float64Array(Math.max(1, capacity >> superblockBits)) : noBlocks
  }

  get total(): number {
    return this.#total
  }

  at(slot: number): number {
    return this.#slots[slot]!
  }

  /** Into a free slot, whatever an earlier round left there. */
  put(slot: number, amount: number): void {
    this.#slots[slot] = amount
    this.#count(slot, amount)
  }

  add(slot: number, delta: number): void {
    this.#slots[slot]! += delta
    this.#count(slot, delta)
  }

  drop(slot: number): void {
    this.#count(slot, -this.#slots[slot]!)
  }

  /** The block that begins at this slot. */
  dropBlock(slot: number): void {
    this.#count(slot, -this.#blocks[slot >> blockBits]!)
  }

  /**
   * The entry at which the sum from `head` on (sequence numbers; `tail` is the next free one) reaches `amount`,
   * which is above 0 and at most the total.
   */
  findPrefix(head: number, tail: number, amount: number): number {
    let seq = head
    let missing = amount
    while (seq < tail) {
      const slot = seq & this.#mask
      const superblock = this.#superblocks[slot >> superblockBits] ?? 0
      const block = this.#blocks[slot >> blockBits] ?? 0
      if ((slot & (superblockSize - 1)) === 0 && seq + superblockSize <= tail && superblock < missing) {
        missing -= superblock
        seq += superblockSize
      } else if (
        (slot & (BlockSums.blockSize - 1)) === 0 &&
        seq + BlockSums.blockSize <= tail &&
        block < missing
      ) {
        missing -= block
        seq += BlockSums.blockSize
      } else {
        missing -= this.#slots[slot]!
        if (missing <= 0) return seq
        seq++
      }
    }
    throw new RangeError(`the window holds less than ${amount}`)
  }

  #count(slot: number, delta: number): void {
    this.#total += delta
    if (this.#blocks === noBlocks) return
    this.#blocks[slot >> blockBits]! += delta
    this.#superblocks[slot >> superblockBits]! += delta
  }
}
