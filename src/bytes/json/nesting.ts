// How deep JSON of others is nested. JSON.parse reads any depth; what writes a value again calls itself for each level.

/** Levels of arrays and objects. No API has a tenth of them, and the stack has room for several times as many. */
export const maxNesting = 1_000

const QUOTE = 0x22
const BACKSLASH = 0x5c
const LEFT_BRACKET = 0x5b
const RIGHT_BRACKET = 0x5d
const LEFT_BRACE = 0x7b
const RIGHT_BRACE = 0x7d

/** Whether JSON is nested deeper than `maxNesting`; of what is not JSON the result is harmless. */
export function isTooDeep(json: Buffer): boolean {
  if (json.length <= maxNesting) return false
  let depth = 0
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at]
    if (byte === QUOTE) at = endOfString(json, at + 1)
    else if (byte === LEFT_BRACKET || byte === LEFT_BRACE) {
      depth += 1
      if (depth > maxNesting) return true
    } else if (byte === RIGHT_BRACKET || byte === RIGHT_BRACE) depth -= 1
  }
  return false
}

/** The offset of the closing quote, or one behind the end. */
function endOfString(json: Buffer, start: number): number {
  let at = start
  while (at < json.length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1
  return at
}
