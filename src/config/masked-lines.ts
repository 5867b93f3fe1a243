// Lines of a configuration to show to people, with everything masked that may be a secret.
import type { Range } from './document.ts'

/**
 * The lines of `text`, each masked character replaced with `*`, so that columns stay.
 *
 * @param secrets offsets in `text`; `unknown` if it could not be parsed.
 */
export function maskedLines(text: string, secrets: readonly Range[] | 'unknown'): string[] {
  if (secrets === 'unknown')
    // Each on the line as it is: a mask of one could hide from the other where its secret ends.
    return linesOf(text).map((line) => maskedInEither(maskLikely(line), line.replace(secretKeyword, blank)))
  let masked = ''
  let end = 0
  for (const [from, to] of [...secrets].sort((a, b) => a[0] - b[0])) {
    if (to <= end) continue
    const start = Math.max(from, end)
    masked += text.slice(end, start) + text.slice(start, to).replace(/[^\s]/g, '*')
    end = to
  }
  return linesOf(masked + text.slice(end)).map(maskLikely)
}

/** @param one of the same length as `other`: a masked character keeps its place. */
function maskedInEither(one: string, other: string): string {
  return Array.from({ length: one.length }, (_, at) => (other[at] === '*' ? '*' : one[at])).join('')
}

/** A second line of defence: passwords in URLs, and whatever looks like a key, anywhere. */
function maskLikely(line: string): string {
  return line.replace(userInfo, blank).replace(keyShape, blank)
}

/** Longer lines are cut. */
const maxLineLength = 1000

function linesOf(text: string): string[] {
  return text.split(/\r?\n/).map((line) => line.slice(0, maxLineLength))
}

const userInfo = /(?<=:\/\/)[^\s/@]{1,500}(?=@)/g
/** For texts that could not be parsed. */
const secretKeyword =
  /(?<=(?:api[-_]?key|authorization|bearer|password|secret|token)["']?\s{0,9}[:=]?\s{0,9}["']?)[^\s"'{},]{6,}.*/gi
const keyShape =
  /(?<![A-Za-z0-9])(?:(?:sk|pk|gsk|hf|xai|r8|pplx|key)[-_][\w-]{4,}|(?=[\w+/=-]*\d)[\w+/=-]{32,})/g

function blank(text: string): string {
  return text.replace(/[^\s]/g, '*')
}
