// The literal credentials of a source, and where they occur in texts. A file of 1 MiB may have thousands of them and as many texts, so
// that a text is not searched for each of them.
import { isTelling } from './credentials.ts'

/** Telling ones are at least as long. */
const prefixLength = 8

interface Group {
  readonly texts: Set<string>
  /** Of the texts, in characters. */
  readonly lengths: Set<number>
}

export class Withheld {
  /** By their first characters. */
  readonly #groups = new Map<string, Group>()

  /** Short texts and plain words, which occur in ordinary text, are never found. */
  add(text: string): void {
    if (text.length < prefixLength || !isTelling(text)) return
    const prefix = text.slice(0, prefixLength)
    let group = this.#groups.get(prefix)
    if (group === undefined) this.#groups.set(prefix, (group = { texts: new Set(), lengths: new Set() }))
    group.texts.add(text)
    group.lengths.add(text.length)
  }

  isIn(text: string): boolean {
    return this.#find(text, 0) !== undefined
  }

  /** The text with `…` in place of each. */
  maskedIn(text: string): string {
    const parts: string[] = []
    let end = 0
    for (let found = this.#find(text, 0); found !== undefined; found = this.#find(text, end)) {
      parts.push(text.slice(end, found.start), '…')
      end = found.start + found.length
    }
    return end === 0 ? text : parts.join('') + text.slice(end)
  }

  /** The first one from a position on: of those that begin there, the longest. */
  #find(text: string, from: number): { readonly start: number; readonly length: number } | undefined {
    if (this.#groups.size === 0) return undefined
    for (let start = from; start + prefixLength <= text.length; start += 1) {
      const group = this.#groups.get(text.slice(start, start + prefixLength))
      if (group === undefined) continue
      let longest = 0
      for (const length of group.lengths) {
        if (length > longest && group.texts.has(text.slice(start, start + length))) longest = length
      }
      if (longest > 0) return { start, length: longest }
    }
    return undefined
  }
}
