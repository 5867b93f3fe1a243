// Text of others as the status page shows it.
import { printable } from '../platform/printable.ts'

/** Of a reason, in characters. */
const maxShownLength = 300

/** One line of at most 300 characters, with everything escaped that moves a cursor or turns the direction of text. */
export function shownText(text: string): string {
  const characters = Array.from(text.slice(0, 2 * maxShownLength))
  const line = printable(characters.join(''))
  if (characters.length <= maxShownLength && line.length <= maxShownLength) return line
  return `${Array.from(line)
    .slice(0, maxShownLength - 1)
    .join('')}…`
}

export function shownOrNull(text: string | null | undefined): string | null {
  return text === undefined || text === null ? null : shownText(text)
}
