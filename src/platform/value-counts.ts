// How often each of many whole numbers occurs: what percentiles are read from without keeping or sorting the numbers.

/** Smaller values are counted in an array by themselves, which grows with the largest of them. */
const denseValues = 65_536

export class ValueCounts {
  #dense = new Uint32Array(64)
  readonly #sparse = new Map<number, number>()
  #total = 0

  get total(): number {
    return this.#total
  }

  /** @param value a whole number, at least 0. */
  add(value: number, count = 1): void {
    this.#total += count
    if (value >= denseValues) {
      this.#sparse.set(value, (this.#sparse.get(value) ?? 0) + count)
      return
    }
    if (value >= this.#dense.length) this.#grow(value)
    this.#dense[value]! += count
  }

  /**
   * The nearest rank: a value that occurs. @param share from 0 to 1, without 0: 0.5 for the median.
   * @returns undefined without values.
   */
  percentile(share: number): number | undefined {
    const rank = Math.ceil(this.#total * share)
    let passed = 0
    for (const [value, count] of this.#dense.entries()) {
      passed += count
      if (passed >= rank && passed > 0) return value
    }
    for (const [value, count] of [...this.#sparse].toSorted(([one], [other]) => one - other)) {
      passed += count
      if (passed >= rank) return value
    }
    return undefined
  }

  #grow(value: number): void {
    const dense = new Uint32Array(Math.min(denseValues, 2 ** Math.ceil(Math.log2(value + 1))))
    dense.set(this.#dense)
    this.#dense = dense
  }
}
