// The chain of the audit log: each line carries the code of the line before it and its own, an HMAC-SHA256 over its bytes, so
// that a change, a removal or an insertion shows. Without a key the code is a SHA-256, which shows accidents only: whoever
// can write the file can compute it anew. A cut tail shows by what stands elsewhere (`AuditHead`).
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { isObject, parseJson } from '../../bytes/json/parse.ts'

/** As in the data model of OpenTelemetry's logs. */
const severities = { info: 9, warn: 13, error: 17 } as const

/** Texts are the gateway's own words, or names of its configuration; a person is a number of `AuditNames`. */
export type AuditAttributes = Readonly<Record<string, string | number | boolean | readonly string[]>>

/** What happened; the chain adds the rest. */
export interface AuditEvent {
  /** `llm_gateway.key.revoked`: one of few. */
  readonly name: string
  readonly severity: keyof typeof severities
  readonly outcome: 'success' | 'failure'
  readonly attributes: AuditAttributes
}

/** A line, as it is read back. */
export interface AuditRecord {
  readonly seq: number
  readonly time: string
  readonly time_unix_nano: string
  readonly event_name: string
  readonly severity_number: number
  readonly outcome: string
  readonly attributes: AuditAttributes
  /** The code of the line before. */
  readonly prev: string
  readonly mac: string
}

/** The last line of a chain. */
export interface AuditHead {
  readonly seq: number
  readonly mac: string
}

/** Before the first line of a new chain. */
export const noHead: AuditHead = { seq: 0, mac: '' }

const macMark = ',"mac":"'

/** @param wallMs Unix time in milliseconds. @returns the line, without its end, and the chain's new head. */
export function appendLine(
  { name, severity, outcome, attributes }: AuditEvent,
  {
    head,
    wallMs,
    key,
  }: { readonly head: AuditHead; readonly wallMs: number; readonly key: Buffer | undefined },
): { readonly line: string; readonly head: AuditHead } {
  const seq = head.seq + 1
  const text = JSON.stringify({
    seq,
    time: new Date(wallMs).toISOString(),
    time_unix_nano: `${Math.floor(wallMs)}000000`,
    event_name: name,
    severity_number: severities[severity],
    outcome,
    attributes,
    prev: head.mac,
  }).slice(0, -1)
  const mac = codeOf(text, key)
  return { line: `${text}${macMark}${mac}"}`, head: { seq, mac } }
}

/** Undefined for a text that is not a line of an audit log. Its code is not checked. */
export function readLine(line: string): AuditRecord | undefined {
  const value = parseJson(line)
  if (!isObject(value)) return undefined
  const { seq, time, time_unix_nano: nanos, event_name: name, outcome, prev, mac, attributes } = value
  const isRecord =
    Number.isSafeInteger(seq) &&
    Number.isSafeInteger(value['severity_number']) &&
    [time, nanos, name, outcome, prev, mac].every((each) => typeof each === 'string') &&
    isObject(attributes)
  return isRecord ? (value as unknown as AuditRecord) : undefined
}

/** The first fault of a chain. */
export interface ChainFault {
  /** Of the line with the fault, or of the one that is missing. */
  readonly seq: number
  /** In the order of the lines, from 1 on. */
  readonly line: number
  readonly reason: string
}

/** With this event a key is used for the first time: lines before it have none, all later ones do. */
export const keyedEvent = 'llm_gateway.audit.keyed'

/** Checks lines in their order. */
export class ChainCheck {
  readonly #key: Buffer | undefined
  #head: AuditHead | undefined
  #lines = 0
  fault: ChainFault | undefined
  /** The first line whose code has the key. Undefined: none so far. */
  keyedFrom: number | undefined

  /** @param key undefined: lines with one cannot be checked. */
  constructor(key: Buffer | undefined) {
    this.#key = key
  }

  /** The last line that is intact; undefined before the first one. */
  get head(): AuditHead | undefined {
    return this.#head
  }

  /** @returns the record, where it continues the chain. After a fault nothing does. */
  take(line: string): AuditRecord | undefined {
    this.#lines += 1
    if (this.fault !== undefined) return undefined
    const expected = this.#head && this.#head.seq + 1
    const record = readLine(line)
    if (record === undefined) return this.#fail(expected ?? 1, 'the line is torn or was changed')
    const text = line.slice(0, line.lastIndexOf(macMark))
    const isKeyed = this.#isKeyed(text, record)
    if (isKeyed === undefined) return this.#fail(expected ?? record.seq, this.#reasonOf(record))
    if (expected !== undefined && record.seq !== expected) {
      return this.#fail(expected, `line ${expected} is missing: ${record.seq} follows`)
    }
    if (this.#head !== undefined && record.prev !== this.#head.mac) {
      return this.#fail(record.seq, 'the line does not follow the line before it')
    }
    this.#head = { seq: record.seq, mac: record.mac }
    if (isKeyed) this.keyedFrom ??= record.seq
    return record
  }

  /** Undefined: its code is wrong. After the first line with the key none may lack it. */
  #isKeyed(text: string, { mac }: AuditRecord): boolean | undefined {
    if (this.#key !== undefined && isSameCode(codeOf(text, this.#key), mac)) return true
    return this.keyedFrom === undefined && isSameCode(codeOf(text, undefined), mac) ? false : undefined
  }

  #reasonOf({ event_name: name }: AuditRecord): string {
    if (this.#key === undefined && name === keyedEvent)
      return 'from here on lines have a key, and it is not at hand: run this as a user who can open it'
    return 'the line was changed, or was written with another key or without it'
  }

  #fail(seq: number, reason: string): undefined {
    this.fault = { seq, line: this.#lines, reason }
  }
}

/** Whether a line has a key's code, or with undefined the code without one. */
export function isWrittenWith(key: Buffer | undefined, line: string, { mac }: AuditRecord): boolean {
  return isSameCode(codeOf(line.slice(0, line.lastIndexOf(macMark)), key), mac)
}

function codeOf(text: string, key: Buffer | undefined): string {
  const hash = key === undefined ? createHash('sha256') : createHmac('sha256', key)
  return hash.update(text).digest('hex')
}

function isSameCode(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))
}
