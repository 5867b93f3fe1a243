// Whether values go up over time: the slope of Theil and Sen, which a few outliers do not move, with the range that holds the
// true one 19 times of 20 (Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63, 1968). Neighbouring
// values that depend on each other make the true range wider than that.

export interface Point {
  readonly atMs: number
  readonly value: number
}

/** How much a value changes from the first point to the last, by the slope, as a share of the median. */
export interface Trend {
  readonly median: number
  readonly change: number
  readonly low: number
  readonly high: number
}

/** Fewer show no trend. */
const leastPoints = 8
/** Of the normal distribution, for 95 % on both sides. */
const z = 1.96

/** @returns undefined for fewer than eight points, for points at one time, and for a median of 0. */
export function trendOf(points: readonly Point[]): Trend | undefined {
  const count = points.length
  if (count < leastPoints) return undefined
  const spanMs = points.at(-1)!.atMs - points[0]!.atMs
  const median = middleOf(points.map(({ value }) => value).toSorted(ascending))
  const slopes = points
    .flatMap((one, index) =>
      points
        .slice(index + 1)
        .filter(({ atMs }) => atMs !== one.atMs)
        .map((other) => (other.value - one.value) / (other.atMs - one.atMs)),
    )
    .sort(ascending)
  if (slopes.length === 0 || median === 0) return undefined
  const spread = z * Math.sqrt((count * (count - 1) * (2 * count + 5)) / 18)
  const place = (rank: number) => slopes[Math.min(slopes.length - 1, Math.max(0, Math.round(rank)))]!
  const share = (slope: number) => (slope * spanMs) / median
  return {
    median,
    change: share(middleOf(slopes)),
    low: share(place((slopes.length - spread) / 2 - 1)),
    high: share(place((slopes.length + spread) / 2)),
  }
}

/** `unclear`: it may rise by more than is allowed, and may as well be flat; a longer run tells. */
export type Verdict = 'flat' | 'rises' | 'unclear'

/**
 * @param tolerance the share of the median that a flat value may gain from the first point to the last
 * @returns `unclear` for no trend
 */
export function verdictOf(trend: Trend | undefined, tolerance: number): Verdict {
  if (trend === undefined) return 'unclear'
  if (trend.high <= tolerance) return 'flat'
  return trend.change > tolerance && trend.low > 0 ? 'rises' : 'unclear'
}

function middleOf(sorted: readonly number[]): number {
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

function ascending(one: number, other: number): number {
  return one - other
}
