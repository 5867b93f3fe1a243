// "Did you mean": the known name that is nearest to a mistyped one.

/**
 * The candidate within a third of the name's length in edits (at least 1, at most 3), the nearest first and the
 * earlier one on a tie; undefined when none is near. Case does not count as an edit.
 */
export function closestName(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase()
  if (wanted.length > maxNameLength) return undefined
  let nearest: string | undefined
  let limit = Math.min(3, Math.max(1, Math.floor(wanted.length / 3)))
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - wanted.length) > limit) continue
    const distance = editDistance(wanted, candidate.toLowerCase())
    if (distance > limit) continue
    nearest = candidate
    limit = distance - 1
    if (limit < 0) break
  }
  return nearest
}

/** Bounds the work: a client chooses the name, and the distance costs the product of both lengths. */
const maxNameLength = 100

/** Edits between two texts, a swap of neighbours counting once (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + change)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwap) cost = Math.min(cost, beforeLast[j - 2]! + 1)
      row.push(cost)
    }
    beforeLast = last
    last = row
  }
  return last[b.length]!
}
