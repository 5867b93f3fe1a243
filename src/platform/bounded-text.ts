// Text that is shown elsewhere, where its length is limited.
import { printable } from './printable.ts'

/**
 * Printable text of at most `max` UTF-16 units. What is too long ends in an ellipsis, and is cut between characters as people
 * count them (Unicode Standard Annex 29).
 */
export function bounded(text: string, max: number): string {
  const shown = printable(text.slice(0, 4 * max))
  if (shown.length <= max) return shown
  let length = 0
  for (const { segment } of new Intl.Segmenter().segment(shown.slice(0, max + 1))) {
    if (length + segment.length > max - 1) break
    length += segment.length
  }
  return `${shown.slice(0, length)}…`
}
