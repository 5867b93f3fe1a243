// Text for roff, the language of manual pages: man(7), groff_char(7).

/** Escapes a line or several of plain text. The result is ASCII. */
export function roff(text: string): string {
  return asText(characters(text))
}

/** A line that begins with a dot would be a command; apostrophes are escaped anyway. */
function asText(escaped: string): string {
  return escaped.replaceAll(/^\./gm, String.raw`\&.`)
}

function characters(text: string): string {
  return text
    .replaceAll('\\', String.raw`\e`)
    .replaceAll('-', String.raw`\-`)
    .replaceAll("'", String.raw`\(aq`)
    .replaceAll('`', String.raw`\(ga`)
    .replaceAll('~', String.raw`\(ti`)
    .replaceAll('^', String.raw`\(ha`)
    .replaceAll('"', String.raw`\(dq`)
    .replaceAll(/[^\n -~]/gu, (character) => {
      const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')
      return `\\[u${code}]`
    })
}

/** The same for a paragraph of Markdown: code in bold, strong text too, links as their text and the address of a web page. */
export function roffInline(markdown: string): string {
  const parts = markdown
    .split(/(`[^`]+`|\[[^\]]+\]\([^)\s]+\)|\*\*[^*]+\*\*)/)
    .map((part) => inlinePart(part))
  return asText(parts.join(''))
}

function inlinePart(part: string): string {
  if (/^`[^`]+`$/.test(part)) return bold(part.slice(1, -1))
  if (/^\*\*[^*]+\*\*$/.test(part)) return bold(part.slice(2, -2))
  const [, text, target] = /^\[([^\]]+)\]\(([^)\s]+)\)$/.exec(part) ?? []
  if (text === undefined || target === undefined) return characters(part.replaceAll(/\\([|\\`*_])/g, '$1'))
  return /^https?:/.test(target) ? `${roffInline(text)} (${roff(target)})` : roffInline(text)
}

/** Lines within it would end at a line that begins with a dot. */
function bold(text: string): string {
  return `\\fB${characters(text.replaceAll(/\\\|/g, '|')).replaceAll('\n', ' ')}\\fR`
}
