// Finds the known name nearest to a mistyped one, for "did you mean" hints.

/**
 * The nearest candidate within as many edits as a third of the name's length (at least 1, at most 3), the earlier one on a
 * tie; undefined when there is none. Differences of case do not count.
 */
export function closestName(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase()
  if (wanted.length > maxNameLength) return undefined
  let nearest: string | undefined
  let limit = Math.min(3, Math.max(1, Math.floor(wanted.length / 3)))
  let compared = 0
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - wanted.length) > limit) continue
    if (++compared > maxComparisons) break
    const distance = editDistance(wanted, candidate.toLowerCase(), limit)
    if (distance > limit) continue
    nearest = candidate
    limit = distance - 1
    if (limit < 0) break
  }
  return nearest
}

/** Both bound the work, because clients choose the name and a provider may list thousands of candidates. */
const maxNameLength = 100
const maxComparisons = 2_000

/**
 * Edits between two texts; a swap of neighbours counts once (optimal string alignment distance). Only cells within `limit`
 * of the diagonal are computed. @returns `limit + 1` for any larger distance.
 */
function editDistance(a: string, b: string, limit: number): number {
  let [beforeLast, last, row] = Array.from({ length: 3 }, () =>
    Array.from({ length: b.length + 2 }, (_, j) => j),
  )
  let leastOfLast = 0
  for (let i = 1; i <= a.length; i++) {
    const start = Math.max(1, i - limit)
    const end = Math.min(b.length, i + limit)
    row![start - 1] = start === 1 ? i : Infinity
    row![end + 1] = Infinity
    let least = Infinity
    for (let j = start; j <= end; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1
      let cost = Math.min(last![j]! + 1, row![j - 1]! + 1, last![j - 1]! + change)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwap) cost = Math.min(cost, beforeLast![j - 2]! + 1)
      row![j] = cost
      least = Math.min(least, cost)
    }
    // A swap looks two rows back, and adds one.
    if (least > limit && leastOfLast >= limit) return limit + 1
    leastOfLast = least
    ;[beforeLast, last, row] = [last, row, beforeLast]
  }
  return last![b.length]!
}
