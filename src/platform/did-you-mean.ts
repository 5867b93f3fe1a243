// Finds the known name nearest to a mistyped one, for "did you mean" hints.

/**
 * The nearest candidate within as many edits as a third of the name's length (at least 1, at most 3), the earlier one on a
 * tie; undefined when there is none. Differences of case do not count. After so much work that it might be noticed, those
 * candidates count that were compared by then.
 */
export function closestName(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase()
  if (wanted.length > maxNameLength) return undefined
  const rows = newRows()
  let nearest: string | undefined
  let limit = Math.min(3, Math.max(1, Math.floor(wanted.length / 3)))
  let work = 0
  for (const candidate of candidates) {
    work += 1
    if (isAsLong(candidate, wanted, limit)) {
      work += candidate.length / lettersPerCell
      const { distance, cells } = compare(wanted, candidate.toLowerCase(), limit, rows)
      work += cells
      if (distance <= limit) {
        nearest = candidate
        limit = distance - 1
        if (limit < 0) break
      }
    }
    if (work > maxWork) break
  }
  return nearest
}

/** The first candidate that continues a name of at least three letters: `llama3.1` → `llama3.1:8b`. */
export function nameThatBegins(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length < 3 || name.length > maxNameLength) return undefined
  const wanted = name.toLowerCase()
  const other = name[0] === wanted[0] ? name[0]!.toUpperCase() : wanted[0]
  const isFirst = (candidate: string) => candidate[0] === name[0] || candidate[0] === other
  for (const candidate of candidates) {
    if (isFirst(candidate) && candidate.slice(0, name.length).toLowerCase() === wanted) return candidate
  }
  return undefined
}

/** The nearest candidate, else the first one that continues the name. */
export function likelyName(name: string, candidates: () => Iterable<string>): string | undefined {
  return closestName(name, candidates()) ?? nameThatBegins(name, candidates())
}

const maxNameLength = 100

/**
 * Cells of `editDistance`, about 10 ns each: clients choose the name, a provider may list thousands of candidates, and a
 * search holds all other calls up.
 */
const maxWork = 30_000

/** Letters that are compared in the time of a cell. */
const lettersPerCell = 4

function isAsLong(a: string, b: string, limit: number): boolean {
  return Math.abs(a.length - b.length) <= limit
}

function compare(a: string, b: string, limit: number, rows: Rows): Comparison {
  // Lower case can be longer.
  if (!isAsLong(a, b, limit)) return { distance: limit + 1, cells: 0 }
  const [one, other] = withoutCommonEnds(a, b)
  return editDistance(one, other, limit, rows)
}

/** They do not change the distance, and names of one vendor share most of theirs. */
function withoutCommonEnds(a: string, b: string): [string, string] {
  const shorter = Math.min(a.length, b.length)
  let start = 0
  while (start < shorter && a.charCodeAt(start) === b.charCodeAt(start)) start += 1
  let end = 0
  while (end < shorter - start && a.charCodeAt(a.length - 1 - end) === b.charCodeAt(b.length - 1 - end))
    end += 1
  return [a.slice(start, a.length - end), b.slice(start, b.length - end)]
}

interface Comparison {
  readonly distance: number
  /** How many were computed. */
  readonly cells: number
}

type Row = Uint8Array
type Rows = readonly [Row, Row, Row]

/** Of `editDistance`, made once for all candidates. */
function newRows(): Rows {
  const newRow = () => new Uint8Array(maxNameLength + 5)
  return [newRow(), newRow(), newRow()]
}

/** Stands for every distance beyond the limit, with room for one more edit. */
const far = 200

/**
 * Edits between two texts; a swap of neighbours counts once (optimal string alignment distance). Only cells within `limit`
 * of the diagonal are computed. @returns `limit + 1` for any larger distance.
 */
function editDistance(a: string, b: string, limit: number, rows: Rows): Comparison {
  let [beforeLast, last, row] = rows
  for (let j = 0; j <= b.length + 1; j++) last[j] = j
  let leastOfLast = 0
  let cells = 0
  for (let i = 1; i <= a.length; i++) {
    const start = Math.max(1, i - limit)
    const end = Math.min(b.length, i + limit)
    row[start - 1] = start === 1 ? i : far
    row[end + 1] = far
    let least = start === 1 ? i : far
    for (let j = start; j <= end; j++) {
      const change = a.charCodeAt(i - 1) === b.charCodeAt(j - 1) ? 0 : 1
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + change)
      const isSwap =
        i > 1 &&
        j > 1 &&
        a.charCodeAt(i - 1) === b.charCodeAt(j - 2) &&
        a.charCodeAt(i - 2) === b.charCodeAt(j - 1)
      if (isSwap) cost = Math.min(cost, beforeLast[j - 2]! + 1)
      row[j] = Math.min(cost, far)
      least = Math.min(least, cost)
    }
    cells += end - start + 1
    // A swap looks two rows back, and adds one.
    if (least > limit && leastOfLast >= limit) return { distance: limit + 1, cells }
    leastOfLast = least
    ;[beforeLast, last, row] = [last, row, beforeLast]
  }
  return { distance: Math.min(last[b.length]!, limit + 1), cells }
}
