// What would change in a small text file, line by line.

/** 4 million take 50 MB for a moment. A text of another machine may have a line for each of its bytes. */
const maxPairs = 4_000_000
/** In lines. */
const maxShown = 2_000

/**
 * Lines with `-`, `+` or a space in front; unchanged ones only within three lines of a change.
 * @param shown what stands for each line of the two texts: those with what must not be seen masked.
 */
export function diffLines(
  before: string,
  after: string,
  shown: { readonly before?: readonly string[]; readonly after?: readonly string[] } = {},
): string[] {
  const [old, now] = [before.split('\n'), after.split('\n')]
  const { before: shownOld = old, after: shownNow = now } = shown
  const first = firstDifference(old, now)
  const same = firstDifference(old.slice(first).toReversed(), now.slice(first).toReversed())
  const [oldEnd, nowEnd] = [old.length - same, now.length - same]
  const common = commonLengths(old.slice(first, oldEnd), now.slice(first, nowEnd))
  const all = shownOld.slice(0, first).map((line) => ` ${line}`)
  let [i, j] = [first, first]
  while (i < oldEnd || j < nowEnd) {
    const isKept = common !== undefined && i < oldEnd && j < nowEnd && old[i] === now[j]
    if (isKept) {
      all.push(` ${shownOld[i]}`)
      i += 1
      j += 1
    } else if (j >= nowEnd) {
      all.push(`-${shownOld[i++]}`)
    } else if (
      i < oldEnd &&
      (common === undefined || common[i + 1 - first]![j - first]! >= common[i - first]![j + 1 - first]!)
    ) {
      all.push(`-${shownOld[i++]}`)
    } else {
      all.push(`+${shownNow[j++]}`)
    }
  }
  for (const line of shownOld.slice(oldEnd)) all.push(` ${line}`)
  const isNearChange = (index: number) =>
    all.slice(Math.max(0, index - 3), index + 4).some((line) => !line.startsWith(' '))
  const near = all.filter((_, index) => isNearChange(index))
  if (near.length <= maxShown) return near
  return [...near.slice(0, maxShown), ` … and ${near.length - maxShown} more lines`]
}

function firstDifference(one: readonly string[], other: readonly string[]): number {
  const end = Math.min(one.length, other.length)
  let at = 0
  while (at < end && one[at] === other[at]) at += 1
  return at
}

/**
 * Lengths of the longest common subsequences of what is left from each pair of lines on. Undefined: there are too many pairs, so that
 * all lines count as different.
 */
function commonLengths(old: readonly string[], now: readonly string[]): number[][] | undefined {
  if ((old.length + 1) * (now.length + 1) > maxPairs) return undefined
  const lengths = Array.from({ length: old.length + 1 }, () => Array<number>(now.length + 1).fill(0))
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      lengths[i]![j] =
        old[i] === now[j] ? lengths[i + 1]![j + 1]! + 1 : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!)
    }
  }
  return lengths
}
