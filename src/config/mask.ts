// Lines of a configuration for showing to people, with everything that may be a secret blanked out.
import type { Range } from './document.ts'

/** The lines of `text`; `unknown` when YAML could not tell where secrets are. A masked character becomes `*`, so that columns stay. */
export function maskedLines(text: string, secrets: readonly Range[] | 'unknown'): string[] {
  if (secrets === 'unknown') return linesOf(text).map((line) => maskLikely(line.replace(tellingKey, blank)))
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

/** A second net: passwords in URLs and what looks like a key, wherever they stand. */
function maskLikely(line: string): string {
  return line.replace(userInfo, blank).replace(keyShape, blank)
}

/** Nobody reads the end of a line that is longer. */
const maxLineLength = 1000

function linesOf(text: string): string[] {
  return text.split(/\r?\n/).map((line) => line.slice(0, maxLineLength))
}

const userInfo = /(?<=:\/\/)[^\s/@]{1,500}(?=@)/g
/** For texts that YAML could not read. */
const tellingKey =
  /(?<=(?:api[-_]?key|authorization|bearer|password|secret|token)["']?\s{0,9}[:=]?\s{0,9}["']?)[^\s"'{},]{6,}.*/gi
const keyShape =
  /(?<![A-Za-z0-9])(?:(?:sk|pk|gsk|hf|xai|r8|pplx|key)[-_][\w-]{4,}|(?=[\w+/=-]*\d)[\w+/=-]{32,})/g

function blank(text: string): string {
  return text.replace(/[^\s]/g, '*')
}
