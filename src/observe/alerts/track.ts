// How much counters have risen within a sliding window. A counter begins at 0 with the process, so that its first rise counts
// even if nobody has looked before.

interface Point {
  readonly atMs: number
  value: number
}

/** Rises that are closer together than the window through this number are one. */
const resolution = 60

export class Track {
  readonly #windowMs: number
  /** Of each subject: the last value before the window, then each change. */
  readonly #points = new Map<string, Point[]>()
  readonly #lastRises = new Map<string, number>()

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  /** @param sums by subject: none ever falls. @param nowMs of a monotonic clock. */
  record(sums: ReadonlyMap<string, number>, nowMs: number): void {
    for (const [subject, value] of sums) {
      const points = this.#points.get(subject) ?? [{ atMs: -Infinity, value: 0 }]
      this.#points.set(subject, points)
      const last = points.at(-1)!
      if (value === last.value) continue
      this.#lastRises.set(subject, nowMs)
      if (points.length > 1 && nowMs - last.atMs < this.#windowMs / resolution) last.value = value
      else points.push({ atMs: nowMs, value })
    }
    const from = nowMs - this.#windowMs
    for (const points of this.#points.values()) {
      while (points.length > 1 && points[1]!.atMs <= from) points.shift()
    }
  }

  subjects(): Iterable<string> {
    return this.#points.keys()
  }

  /** Within the window, as of the last `record`. */
  increase(subject: string): number {
    const points = this.#points.get(subject)
    return points === undefined ? 0 : points.at(-1)!.value - points[0]!.value
  }

  /** Since the process began. */
  total(subject: string): number {
    return this.#points.get(subject)?.at(-1)!.value ?? 0
  }

  /** When the value was seen to rise last; -Infinity: never. */
  lastRiseMs(subject: string): number {
    return this.#lastRises.get(subject) ?? -Infinity
  }
}
