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
const hourMinutes = 60

/** Counts of each minute, by subject: what thresholds over minutes are compared with. */
export class MinuteCounts {
  /** By hour, the counts of its minutes. */
  readonly #counts = new Map<string, Map<number, Uint32Array>>()

  add(subject: string, atMs: number, count = 1): void {
    this.addMinutes(subject, atMs, [0, count])
  }

  /** @param pairs of minutes after that of `startMs`, each before its count. */
  addMinutes(subject: string, startMs: number, pairs: readonly number[]): void {
    let hours = this.#counts.get(subject)
    if (hours === undefined) {
      if (this.#counts.size >= maxNames) return
      hours = new Map()
      this.#counts.set(subject, hours)
    }
    const start = Math.floor(startMs / minuteMs)
    let [hour, minutes]: [number, Uint32Array | undefined] = [NaN, undefined]
    for (let at = 0; at < pairs.length; at += 2) {
      const minute = start + pairs[at]!
      const hourOf = Math.floor(minute / hourMinutes)
      if (minutes === undefined || hourOf !== hour) {
        hour = hourOf
        minutes = hours.get(hour) ?? new Uint32Array(hourMinutes)
        hours.set(hour, minutes)
      }
      minutes[minute % hourMinutes]! += pairs[at + 1]!
    }
  }

  subjects(): string[] {
    return [...this.#counts.keys()].toSorted()
  }

  /** The sum of every window of so many minutes that ends with a counted one, which begins then; in order of time. */
  *windows(subject: string, minutes: number): Generator<{ readonly atMs: number; readonly count: number }> {
    const counts = this.#countsOf(subject)
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
    const hours = this.#counts.get(subject)
    if (hours === undefined) return 0
    const last = Math.floor(atMs / minuteMs)
    let sum = 0
    for (let minute = last - minutes + 1; minute <= last; minute += 1)
      sum += hours.get(Math.floor(minute / hourMinutes))?.[minute % hourMinutes] ?? 0
    return sum
  }

  /** Minutes with calls, in order. */
  #countsOf(subject: string): (readonly [minute: number, count: number])[] {
    const hours = [...(this.#counts.get(subject) ?? [])].toSorted(([one], [other]) => one - other)
    return hours.flatMap(([hour, minutes]) =>
      Array.from(minutes, (count, minute) => [hour * hourMinutes + minute, count] as const).filter(
        ([, count]) => count > 0,
      ),
    )
  }
}
