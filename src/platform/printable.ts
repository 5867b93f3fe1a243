// The one place that makes text of others fit to be printed: characters that move a terminal's cursor, forge a line or turn
// the direction of text become `\u` escapes (Trojan Source, CVE-2021-42574).

/** Tabs are harmless. */
const inText = /[[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]--\t]/gv

/** Line breaks separate values; within a string, JSON escapes them. (A lookahead in place of the difference takes four times as long.) */
const inJson = /[[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]--\n]/gv

/** For one line of text. */
export function printable(text: string): string {
  return text.replace(inText, escapeOf)
}

/** The same without `g`: a test for one is several times as fast as a replacement that finds none, as in nearly all JSON. */
const anyInJson = new RegExp(inJson.source, 'v')

/** For JSON, which keeps its meaning. */
export function printableJson(json: string): string {
  return anyInJson.test(json) ? json.replace(inJson, escapeOf) : json
}

function escapeOf(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
