// What would change in a small text file, line by line.

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
  const common = commonLengths(old, now)
  const all: string[] = []
  let [i, j] = [0, 0]
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      all.push(` ${shownOld[i]}`)
      i += 1
      j += 1
    } else if (j >= now.length || (i < old.length && common[i + 1]![j]! >= common[i]![j + 1]!)) {
      all.push(`-${shownOld[i++]}`)
    } else {
      all.push(`+${shownNow[j++]}`)
    }
  }
  const isNearChange = (index: number) =>
    all.slice(Math.max(0, index - 3), index + 4).some((line) => !line.startsWith(' '))
  return all.filter((_, index) => isNearChange(index))
}

/** Lengths of the longest common subsequences of what is left from each pair of lines on. */
function commonLengths(old: readonly string[], now: readonly string[]): number[][] {
  const lengths = Array.from({ length: old.length + 1 }, () => Array<number>(now.length + 1).fill(0))
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      lengths[i]![j] =
        old[i] === now[j] ? lengths[i + 1]![j + 1]! + 1 : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!)
    }
  }
  return lengths
}
