// Text of others as the status page shows it.
import { bounded } from '../platform/bounded-text.ts'

/** Of a reason, in UTF-16 units. */
const maxShownLength = 300

/** One line of at most 300 characters, with everything escaped that moves a cursor or turns the direction of text. */
export function shownText(text: string): string {
  return bounded(text, maxShownLength)
}

export function shownOrNull(text: string | null | undefined): string | null {
  return text === undefined || text === null ? null : shownText(text)
}
