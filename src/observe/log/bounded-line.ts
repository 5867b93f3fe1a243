// Keeps every line below 8 KiB. journald cuts lines of 48 KiB in pieces that are no JSON, and programs that ship the log have
// bounds of their own; what makes a line long is text of others: reasons, names, problems of a file.
import { printableJson } from '../../platform/printable.ts'

export const maxLineBytes = 8 * 1024 - 1

/** A character has at most three bytes for each of its UTF-16 units. */
const surelyShort = Math.floor(maxLineBytes / 3)

/** For texts and lists, one after the other until the line fits. */
const bounds = [
  { characters: 2_000, items: 20 },
  { characters: 300, items: 10 },
  { characters: 100, items: 5 },
  { characters: 30, items: 3 },
] as const
type Bounds = (typeof bounds)[number]

/** Without these a line cannot be found; the gateway makes them itself. */
const kept: ReadonlySet<string> = new Set(['level', 'time', 'event', 'request_id'])

/**
 * @param line JSON, with its line feed. @returns it as it is, or with `is_cut: true` and shorter texts and lists; each member
 *   keeps its type.
 */
export function boundedLine(line: string): string {
  if (line.length <= surelyShort || Buffer.byteLength(line) <= maxLineBytes) return line
  const facts = JSON.parse(line) as Readonly<Record<string, unknown>>
  let shorter = line
  for (const each of bounds) {
    const cut = Object.entries(facts).map(([name, value]) => [
      name,
      kept.has(name) ? value : shortened(value, each),
    ])
    shorter = `${printableJson(JSON.stringify({ ...Object.fromEntries(cut), is_cut: true }))}\n`
    if (Buffer.byteLength(shorter) <= maxLineBytes) return shorter
  }
  return shorter
}

function shortened(value: unknown, within: Bounds): unknown {
  if (typeof value === 'string') return cutText(value, within.characters)
  if (Array.isArray(value)) return value.slice(0, within.items).map((item) => shortened(item, within))
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).slice(0, within.items)
  return Object.fromEntries(
    members.map(([name, member]) => [cutText(name, within.characters), shortened(member, within)]),
  )
}

/** Never between the two halves of a character. */
function cutText(text: string, characters: number): string {
  return text.length <= characters
    ? text
    : `${text.slice(0, characters - 1).replace(/[\ud800-\udbff]$/, '')}…`
}
