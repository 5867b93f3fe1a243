// Where requests and responses of OpenAI's API have ids of the account's objects.
import { setImmediate as nextIteration } from 'node:timers/promises'
import { scanMultipart } from '../../bytes/multipart.ts'

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

/** Strings are looked through for so long at once, in milliseconds. */
const sliceMs = 2
const piecesPerLook = 1_000

const token = /"(?:[^"\\]|\\.)*"(\s*:)?|[[\]{}]/gs

/**
 * Adds the ids in a JSON body. Every string counts, also those of duplicate members, of which decoders take one or the other.
 * @param text valid JSON, a character for each byte.
 */
export async function addIdsOfJson(found: FoundIds, text: string, now: () => number): Promise<void> {
  /** What strings are in the open containers: one in an array of an id member is as in that member. */
  const open: Meaning[] = []
  let next: Meaning = 'any'
  let pieces = 0
  let sinceMs = now()
  for (const { 0: piece, 1: colon } of text.matchAll(token)) {
    const within = open.at(-1) ?? 'any'
    const meaning = within === 'any' ? next : within
    if (piece === '{') open.push(meaning === 'note' ? 'note' : 'any')
    else if (piece === '[') open.push(meaning)
    else if (piece === '}' || piece === ']') open.pop()
    else if (colon === undefined) add(found, decoded(piece), meaning)
    next = colon === undefined ? 'any' : meaningOf(decoded(piece.slice(0, piece.lastIndexOf('"') + 1)))
    pieces += 1
    if (pieces % piecesPerLook !== 0 || now() - sinceMs < sliceMs) continue
    await nextIteration()
    sinceMs = now()
  }
}

function decoded(json: string): string {
  if (json.length > maxStringLength) return ''
  return json.includes('\\') ? (JSON.parse(json) as string) : json.slice(1, -1)
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
