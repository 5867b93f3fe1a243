// A question about usage to all machines, and their answers, as they travel through the store: a question as JSON, an answer as
// lines of JSON, compressed, in pieces. Whoever has the URL of the store can write there, so that everything is checked and bounded.
import { gunzip, gzip } from 'node:zlib'
import { promisify } from 'node:util'
import { isObject, membersOf, parseJson } from '../../bytes/json/parse.ts'
import {
  countNames,
  type Dimension,
  isDimension,
  maxRows,
  type UsageCounts,
  type UsageQuestion,
  type UsageReport,
  type UsageRow,
} from '../../ledger/report.ts'
import { isTimeZone } from '../../platform/time-zone.ts'
import { bounded } from '../../platform/bounded-text.ts'

/** Of questions and answers; a gateway that does not know it says so. */
const format = 1

/** What a machine says of a question. */
export type MachineAnswer =
  | { readonly kind: 'report'; readonly report: MachineReport }
  /** For people. */
  | { readonly kind: 'fault'; readonly reason: string }

type MachineReport = Pick<UsageReport, 'ledgerId' | 'rows' | 'total' | 'isCut'>

export function questionText(question: UsageQuestion): string {
  const { by, sinceMs, untilMs, zone, client, key } = question
  return JSON.stringify({ format, by, since_ms: sinceMs, until_ms: untilMs, zone, client, key })
}

/** @returns the reason as a text where this version cannot answer it. */
export function readQuestionText(text: string): UsageQuestion | string {
  const value = parseJson(text)
  if (!isObject(value) || value['format'] !== format) return 'it does not know this kind of question'
  return readQuestionOf(value)
}

/** The same of its members, whoever has sent them. */
export function readQuestionOf(value: unknown): UsageQuestion | string {
  const { by, since_ms: sinceMs, until_ms: untilMs, zone, client, key } = membersOf(value)
  const names: unknown[] = Array.isArray(by) ? by : []
  const isKnown = names.every((name) => typeof name === 'string' && isDimension(name))
  if (!isKnown) return `it cannot tell calls apart by ${bounded(names.join(','), 100)}`
  const isTimed = Number.isSafeInteger(sinceMs) && Number.isSafeInteger(untilMs)
  const isText = (name: unknown): name is string | undefined => name === undefined || typeof name === 'string'
  if (!isTimed || typeof zone !== 'string' || !isTimeZone(zone) || !isText(client) || !isText(key))
    return 'it does not understand the question'
  return {
    by: [...new Set(names)] as Dimension[],
    sinceMs: sinceMs as number,
    untilMs: untilMs as number,
    zone,
    client,
    key,
  }
}

/** Of the text of an answer: 50,000 rows with long names. */
const maxAnswerBytes = 64 * 1024 * 1024
/** Small, because decisions about calls go over the same connection. */
const pieceLength = 64 * 1024
/** Of one answer: 8 MiB, compressed. */
const maxPieces = 128
const compress = promisify(gzip)
const decompress = promisify(gunzip)

/** @param member the id of the gateway. @returns in Base64, each with the member and its place before it. */
export async function answerPieces(member: string, answer: MachineAnswer): Promise<string[]> {
  const text =
    answer.kind === 'report' ? reportText(answer.report) : JSON.stringify({ format, fault: answer.reason })
  const encoded = (await compress(text)).toString('base64')
  const count = Math.ceil(encoded.length / pieceLength)
  if (count > maxPieces) {
    return answerPieces(member, { kind: 'fault', reason: 'its report is too long; ask for less' })
  }
  return Array.from({ length: count }, (_, index) => {
    const part = encoded.slice(index * pieceLength, (index + 1) * pieceLength)
    return `${member} ${index} ${count} ${part}`
  })
}

function reportText({ ledgerId, rows, total, isCut }: MachineReport): string {
  const by = rows[0] === undefined ? [] : Object.keys(rows[0]).filter((name) => isDimension(name))
  const head = {
    format,
    ledger: ledgerId,
    by,
    counts: countNames,
    total: countNames.map((name) => Math.min(total[name], Number.MAX_SAFE_INTEGER)),
  }
  const lines = rows.map((row) =>
    JSON.stringify([...by.map((name) => row[name] ?? null), ...countNames.map((name) => row[name])]),
  )
  return [JSON.stringify({ ...head, is_cut: isCut }), ...lines].join('\n')
}

/** Undefined: it is none. */
export function readPiece(
  text: string,
):
  | { readonly member: string; readonly index: number; readonly count: number; readonly part: string }
  | undefined {
  const [, member, index, count, part] =
    /^([\w.-]{1,129}) (\d{1,3}) (\d{1,3}) ([A-Za-z0-9+/=]+)$/.exec(text) ?? []
  if (member === undefined || part!.length > pieceLength) return undefined
  const [at, of] = [Number(index), Number(count)]
  return at < of && of <= maxPieces ? { member, index: at, count: of, part: part! } : undefined
}

/** @param parts of all pieces, in order. Never rejects. */
export async function readAnswer(parts: readonly string[]): Promise<MachineAnswer> {
  const garbled = { kind: 'fault', reason: 'its answer cannot be read' } as const
  try {
    const bytes = await decompress(Buffer.from(parts.join(''), 'base64'), { maxOutputLength: maxAnswerBytes })
    return parseAnswer(bytes.toString().split('\n')) ?? garbled
  } catch {
    return garbled
  }
}

function parseAnswer([first = '', ...lines]: readonly string[]): MachineAnswer | undefined {
  const head = parseJson(first)
  if (!isObject(head) || head['format'] !== format || lines.length > maxRows) return undefined
  const { fault, ledger, by, counts, total, is_cut: isCut } = head
  if (typeof fault === 'string') return { kind: 'fault', reason: bounded(fault, 300) }
  if (typeof ledger !== 'string' || !Array.isArray(by) || !Array.isArray(counts)) return undefined
  // A later version may count more; what it does not count is 0.
  const places = countNames.map((name) => counts.indexOf(name))
  const read = (values: unknown, offset: number): UsageCounts | undefined => {
    if (!Array.isArray(values)) return undefined
    const numbers: unknown[] = places.map((place) => (place < 0 ? 0 : values[offset + place]))
    if (!numbers.every((each) => Number.isSafeInteger(each) && (each as number) >= 0)) return undefined
    return Object.fromEntries(countNames.map((name, at) => [name, numbers[at]])) as unknown as UsageCounts
  }
  const rows: UsageRow[] = []
  for (const line of lines) {
    const values = parseJson(line)
    const found = read(values, by.length)
    if (found === undefined) return undefined
    const names = (values as unknown[]).slice(0, by.length)
    if (!names.every(isName)) return undefined
    rows.push({ ...Object.fromEntries(by.map((name, at) => [String(name), names[at]])), ...found })
  }
  const sum = read(total, 0)
  if (sum === undefined) return undefined
  return { kind: 'report', report: { ledgerId: ledger, rows, total: sum, isCut: isCut === true } }
}

function isName(value: unknown): boolean {
  return value === null || typeof value === 'number' || (typeof value === 'string' && value.length <= 4_096)
}
