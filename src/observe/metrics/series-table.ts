// Which series exist, and where their numbers are.
import { type FamilyName, families, widthOf, withOther } from './families.ts'

export interface Series {
  readonly name: FamilyName
  /** Of the labels, in the order of the family. */
  readonly values: readonly string[]
  /** Its first cell. */
  readonly first: number
}

interface Obtained {
  readonly series: Series
  readonly isNew: boolean
  /** There was no room for the names. */
  readonly isReplaced: boolean
}

export class SeriesTable {
  readonly #maxSeries: number
  readonly #byFamily = new Map<FamilyName, Map<string, Series>>()
  /** How many there are; a histogram counts as the lines that it takes. */
  lines = 0
  /** How many cells are taken. */
  width = 0

  /** @param maxSeries beyond so many lines, new names are called `other`. */
  constructor(maxSeries: number) {
    this.#maxSeries = maxSeries
    for (const name of Object.keys(families) as FamilyName[]) this.#byFamily.set(name, new Map())
  }

  get hasRoom(): boolean {
    return this.lines < this.#maxSeries
  }

  find(name: FamilyName, values: readonly string[]): Series | undefined {
    return this.#byFamily.get(name)!.get(keyOf(values))
  }

  /** Of one family, in the order in which they came into being. */
  of(name: FamilyName): Iterable<Series> {
    return this.#byFamily.get(name)!.values()
  }

  /** Finds it, or makes it; with no room, the one whose names are `other`. */
  obtain(name: FamilyName, values: readonly string[]): Obtained {
    const known = this.find(name, values)
    if (known !== undefined) return { series: known, isNew: false, isReplaced: false }
    const named = this.hasRoom ? values.map(printable) : withOther(name, values)
    // A family without open labels has few series.
    const existing = this.find(name, named)
    const isReplaced = !this.hasRoom
    if (existing !== undefined) return { series: existing, isNew: false, isReplaced }
    const series = { name, values: named, first: this.width }
    this.#byFamily.get(name)!.set(keyOf(named), series)
    const width = widthOf(name)
    this.width += width
    // A histogram has one line more than cells: its count.
    this.lines += width === 1 ? 1 : width + 1
    return { series, isNew: true, isReplaced }
  }
}

/** Names are bounded and have no line feeds but by a mistake, which the format escapes. */
function keyOf(values: readonly string[]): string {
  return values.length === 1 ? values[0]! : JSON.stringify(values)
}

const maxLength = 300

/** The format is UTF-8, which has no lone surrogates. */
function printable(value: string): string {
  return (value.length > maxLength ? value.slice(0, maxLength) : value).toWellFormed()
}
