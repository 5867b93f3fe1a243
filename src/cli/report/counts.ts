// Counts by name, bounded: names of clients come from outside, and there is no end of them.

/** Names that are counted apart; the calls of all others are counted as `others`. */
const maxNames = 10_000

export class NamedCounts {
  readonly #counts = new Map<string, number>()

  add(name: string, count = 1): void {
    const counted = this.#counts.has(name) || this.#counts.size < maxNames ? name : 'others'
    this.#counts.set(counted, (this.#counts.get(counted) ?? 0) + count)
  }

  get total(): number {
    let total = 0
    for (const count of this.#counts.values()) total += count
    return total
  }

  get size(): number {
    return this.#counts.size
  }

  of(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  /** The most first, then by name. */
  sorted(): (readonly [name: string, count: number])[] {
    return [...this.#counts].toSorted(
      ([one, ones], [other, others]) => others - ones || (one < other ? -1 : 1),
    )
  }
}

const minuteMs = 60_000

/** Counts of each minute, by subject: what thresholds over minutes are compared with. */
export class MinuteCounts {
  readonly #counts = new Map<string, Map<number, number>>()

  add(subject: string, atMs: number, count = 1): void {
    let minutes = this.#counts.get(subject)
    if (minutes === undefined) {
      if (this.#counts.size >= maxNames) return
      minutes = new Map()
      this.#counts.set(subject, minutes)
    }
    const minute = Math.floor(atMs / minuteMs)
    minutes.set(minute, (minutes.get(minute) ?? 0) + count)
  }

  subjects(): string[] {
    return [...this.#counts.keys()].toSorted()
  }

  /** The sum of every window of so many minutes that ends with a counted one, which begins then; in order of time. */
  *windows(subject: string, minutes: number): Generator<{ readonly atMs: number; readonly count: number }> {
    const counts = [...(this.#counts.get(subject) ?? [])].toSorted(([one], [other]) => one - other)
    let [first, sum] = [0, 0]
    for (const [minute, count] of counts) {
      sum += count
      while (counts[first]![0] <= minute - minutes) {
        sum -= counts[first]![1]
        first += 1
      }
      yield { atMs: minute * minuteMs, count: sum }
    }
  }

  /** The sum of the window of so many minutes that ends with the minute of an instant. */
  within(subject: string, atMs: number, minutes: number): number {
    const counts = this.#counts.get(subject)
    if (counts === undefined) return 0
    const last = Math.floor(atMs / minuteMs)
    let sum = 0
    for (let minute = last - minutes + 1; minute <= last; minute += 1) sum += counts.get(minute) ?? 0
    return sum
  }
}
