// Percentiles of a few values.

/**
 * The nearest rank: a value that occurs. @param sorted ascending. @param share from 0 to 1, without 0: 0.5 for the median.
 * @returns undefined without values.
 */
export function percentile(sorted: ArrayLike<number>, share: number): number | undefined {
  return sorted[Math.ceil(sorted.length * share) - 1]
}
