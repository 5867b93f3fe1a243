// Where requests and responses of OpenAI's API have ids of the account's objects.
import { setImmediate as nextIteration } from 'node:timers/promises'
import { endOfString, type Source, sourceOf } from '../../bytes/json/tokens.ts'
import { scanMultipart } from '../../bytes/multipart.ts'
import type { Span } from '../../domain.ts'

/** The ids in one request. */
export interface FoundIds {
  /** Ids of objects that a request uses: its client must own them. */
  readonly own: Set<string>
  /** What may be an id, or one of a part of an object: it must not be another client's. */
  readonly other: Set<string>
}

/** To be filled by the functions below. */
export function noIds(): FoundIds {
  return { own: new Set(), other: new Set() }
}

/** Members, fields and parameters whose strings are ids of objects, whatever form they have. */
const idMembers: ReadonlySet<string> = new Set([
  'agent_id',
  'assistant_id',
  'batch_id',
  'consent',
  'container',
  'container_id',
  'conversation',
  'conversation_id',
  'environment_id',
  'environment_template_id',
  'eval_id',
  'file_id',
  'file_ids',
  'input_file_id',
  'previous_response_id',
  'response_id',
  'session_id',
  'skill_id',
  'thread_id',
  'training_file',
  'upload_id',
  'validation_file',
  'vault_id',
  'vault_ids',
  'vector_store_id',
  'vector_store_ids',
  'video_id',
  'voice_id',
])

/** How OpenAI writes the ids of objects, wherever they stand. Ids of their parts (`msg_`, `call_`, `step_`) are others. */
const objectIdForm =
  /^(?:asst|batch|chatcmpl|cntr|conv|cthr|eval|file|ft|ftjob|resp|skill|thread|upload|video|vs)[-_](?=.*\d)[A-Za-z0-9_-]{8,}$/
const anyIdForm = /^[A-Za-z][A-Za-z0-9]*[-_][A-Za-z0-9_-]{8,}$/

/** Longer strings are no ids, even if all of their characters are escapes. */
const maxIdLength = 256
const maxStringLength = 6 * maxIdLength + 2

/** `id`: an object's. `note`: the client's own words, which the provider only keeps. */
type Meaning = 'any' | 'id' | 'note'

function meaningOf(member: string): Meaning {
  if (member === 'metadata') return 'note'
  return idMembers.has(member) ? 'id' : 'any'
}

function add(found: FoundIds, value: string, meaning: Meaning): void {
  if (value === '' || value.length > maxIdLength) return
  if (meaning === 'id' || (meaning === 'any' && objectIdForm.test(value))) found.own.add(value)
  else if (anyIdForm.test(value)) found.other.add(value)
}

/** A body is looked through for so long at once, in milliseconds. */
const sliceMs = 2
/** Looked through without looking at the clock. */
const stepBytes = 16_384

/**
 * Adds the ids in a JSON body. Every string counts, also those of duplicate members, of which decoders take one or the other.
 * @param json valid, and unchanged until the promise resolves.
 */
export async function addIdsOfJson(found: FoundIds, json: Buffer, now: () => number): Promise<void> {
  const search = new IdSearch(found, json)
  let sinceMs = now()
  for (let limit = stepBytes; !search.readTo(limit); limit += stepBytes) {
    if (now() - sinceMs < sliceMs) continue
    await nextIteration()
    sinceMs = now()
  }
}

const QUOTE = 0x22
const COLON = 0x3a
const LEFT_BRACKET = 0x5b
const RIGHT_BRACKET = 0x5d
const LEFT_BRACE = 0x7b
const RIGHT_BRACE = 0x7d

/** The search through one JSON body, which may stop anywhere and go on. */
class IdSearch {
  readonly #found: FoundIds
  readonly #source: Source
  /** What strings are in the open containers: one in an array of an id member is as in that member. */
  readonly #open: Meaning[] = []
  /** Of the next value. */
  #next: Meaning = 'any'
  /** Where a string starts whose end has not been reached; -1: nowhere. */
  #stringStart = -1
  /** The last string, until it is known whether a colon follows. */
  #string: Span | undefined
  #at = 0

  constructor(found: FoundIds, json: Buffer) {
    this.#found = found
    this.#source = sourceOf(json)
  }

  /** False: the body goes on behind `limit`. */
  readTo(limit: number): boolean {
    const source = this.#source
    const { bytes } = source
    source.limit = Math.min(limit, bytes.length)
    while (this.#at < source.limit) {
      if (this.#stringStart >= 0) {
        if (!this.#endString()) break
      } else {
        const byte = bytes[this.#at]!
        if (byte === QUOTE) this.#stringStart = this.#at
        if (byte > 0x20) this.#take(byte)
        this.#at += 1
      }
    }
    return source.limit === bytes.length
  }

  /** False: its end is behind the limit. */
  #endString(): boolean {
    const end = endOfString(this.#source, this.#at)
    if (end < 0) {
      this.#at = this.#source.resumeAt
      return false
    }
    this.#string = { start: this.#stringStart, end }
    this.#stringStart = -1
    this.#at = end
    return true
  }

  /** @param byte outside of strings, and no space. */
  #take(byte: number): void {
    const within = this.#open.at(-1) ?? 'any'
    const meaning = within === 'any' ? this.#next : within
    if (this.#string !== undefined) {
      const text = this.#textOf(this.#string)
      this.#string = undefined
      if (byte === COLON) {
        this.#next = meaningOf(text)
        return
      }
      add(this.#found, text, meaning)
      this.#next = 'any'
    }
    if (byte === LEFT_BRACE || byte === LEFT_BRACKET) {
      this.#open.push(byte === LEFT_BRACE && meaning === 'id' ? 'any' : meaning)
      this.#next = 'any'
    } else if (byte === RIGHT_BRACE || byte === RIGHT_BRACKET) {
      this.#open.pop()
      this.#next = 'any'
    }
  }

  /** Decoded; empty if it is too long for an id. */
  #textOf({ start, end }: Span): string {
    if (end - start > maxStringLength) return ''
    const json = this.#source.bytes.toString('latin1', start, end)
    return json.includes('\\') ? (JSON.parse(json) as string) : json.slice(1, -1)
  }
}

/** Adds the ids in the text fields of a form. @returns why the form cannot be read, as a clause. */
export function addIdsOfForm(found: FoundIds, body: Buffer, boundary: string): string | undefined {
  const outcome = scanMultipart(body, boundary, new Set())
  if (!outcome.ok) return outcome.problem
  for (const { name, value } of outcome.scan.texts) {
    if (value.end - value.start > maxStringLength) continue
    add(found, body.toString('utf8', value.start, value.end), meaningOfName(name))
  }
  return undefined
}

/** Adds the ids in a query. @param isCursorOwn whether a cursor is the id of an object that a list has shown. */
export function addIdsOfQuery(found: FoundIds, query: string, isCursorOwn: boolean): void {
  for (const [name, value] of new URLSearchParams(query)) {
    const isOwn = isCursorOwn && (name === 'after' || name === 'before')
    add(found, value, isOwn ? 'id' : meaningOfName(name))
  }
}

/** `tools[0][vector_store_ids][]`: the last word counts, except in `metadata[…]`. */
function meaningOfName(name: string): Meaning {
  const words = (name.match(/[^[\]]+/g) ?? []).filter((word) => !/^\d+$/.test(word))
  return words[0] === 'metadata' ? 'note' : meaningOf(words.at(-1) ?? '')
}
