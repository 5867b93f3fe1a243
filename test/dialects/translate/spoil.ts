// Spoils the requests and streams of the vectors, and looks at what translations make of them: whatever comes, they return a
// request that is JSON or an error about it, and a stream ends with its end or with an error.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { StreamTail } from '../../../src/dialects/stream-tail.ts'
import { GatewayError } from '../../../src/errors.ts'
import { EventSplitter } from '../../../src/bytes/sse.ts'
import { Random } from '../../support/random.ts'
import { readMessage } from './messages-rules.ts'
import {
  begin,
  providerOf,
  readRequest,
  readVectors,
  sentText,
  throughStream,
  type Vector,
} from './vector.ts'

const vectors = readVectors(join(import.meta.dirname, 'vectors'))
const requests = vectors.map((vector) => vector.file('request.json')!)
const streamed = vectors.filter(({ file }) => file('response.sse') !== undefined)

/** @throws AssertionError, or what a translation throws. @returns what became of it, for a count. */
export function translateSpoiledRequest(random: Random): 'sent' | 'refused' {
  const vector = random.pick(vectors)
  const request = readRequest(vector.dialect, spoiledJson(vector.file('request.json')!, random))
  const translation = request instanceof GatewayError ? request : begin(vector, request)
  if (translation instanceof GatewayError) {
    assert.equal(translation.status, 400)
    assert.ok(translation.message.length < 2_000, translation.message.slice(0, 300))
    return 'refused'
  }
  JSON.parse(sentText(translation))
  for (const name of translation.dropped ?? []) assert.match(name, /^[\w.?]{1,150}$/)
  return 'sent'
}

/** @throws AssertionError, or what a translation throws. @returns how the provider's stream has ended. */
export function translateSpoiledStream(random: Random): string {
  const vector = random.pick(streamed)
  const bytes = Buffer.from(spoiledStream(vector.file('response.sse')!, random))
  const translation = begun(vector)
  const provider = providerOf(vector)
  const tail = new StreamTail()
  const splitter = new EventSplitter()
  const sink = { event: (event: Buffer) => tail.push(provider.standardEvent(event)), overflow() {} }
  splitter.push(bytes, sink)
  splitter.end(sink)
  const ending = provider.ending(tail.events)
  const cut = random.below(bytes.length + 1)
  const chunks = [bytes.subarray(0, cut), bytes.subarray(cut)]
  const { bytes: written, end } = throughStream({ response: translation, provider }, chunks)
  const isStream = JSON.parse(vector.file('request.json')!).stream === true
  if (vector.dialect === 'messages') readMessage(written)
  if (end instanceof GatewayError) assert.equal(end.status, 502)
  // An error that comes after the end mark changes nothing.
  else if (ending !== 'cut' && isStream) assert.match(written, ends.get(vector.dialect)!)
  else if (ending === 'over' || ending === 'complete') JSON.parse(end!.toString())
  return ending
}

/** How a stream for a client ends, whole or with an error that the provider has reported. */
const ends: ReadonlyMap<string, RegExp> = new Map([
  ['chat', /data: \[DONE\]\n\n$|"error":\{/],
  ['messages', /event: (?:message_stop|error)\ndata: .*\n\n$/],
  ['response', /event: response\.(?:completed|incomplete|failed)\ndata: .*\n\n$/],
])

function begun(vector: Vector) {
  const request = readRequest(vector.dialect, vector.file('request.json')!)
  const translation = request instanceof GatewayError ? request : begin(vector, request)
  if (translation instanceof GatewayError) throw translation
  return translation.response!
}

// ── Ways to spoil ───────────────────────────────────────────────────────────────────────────────────────────────────

function spoiledJson(text: string, random: Random): string {
  if (random.has(0.1)) return spoiledBytes(text, random)
  const value: unknown = JSON.parse(text)
  for (let count = random.below(4); count > 0; count -= 1) spoilOne(value, random)
  return JSON.stringify(value)
}

function spoiledStream(text: string, random: Random): string {
  if (random.has(0.1)) return spoiledBytes(text, random)
  const events = text.split(/(?<=\n\n)/)
  for (let count = 1 + random.below(3); count > 0 && events.length > 0; count -= 1) {
    const at = random.below(events.length)
    const event = events[at]!
    const data = /^data: (\{.*\})$/m.exec(event)?.[1]
    const move = random.below(data === undefined ? 3 : 6)
    if (move === 0) events.splice(at, 1)
    else if (move === 1) events.splice(random.below(events.length), 0, event)
    else if (move === 2) events.length = at
    else {
      const value: unknown = JSON.parse(data!)
      spoilOne(value, random)
      events[at] = event.replace(data!, () => JSON.stringify(value))
    }
  }
  return events.join('')
}

/** Replaces, removes or doubles one value somewhere within. */
function spoilOne(value: unknown, random: Random): void {
  let holder = value as Record<string, unknown> | unknown[]
  for (let depth = 0; depth < 12; depth += 1) {
    const keys = Object.keys(holder)
    if (keys.length === 0) return
    const key = random.pick(keys) as keyof typeof holder
    const inner: unknown = holder[key]
    if (typeof inner === 'object' && inner !== null && random.has(0.75)) {
      holder = inner as Record<string, unknown>
      continue
    }
    const move = random.below(4)
    if (move === 0) {
      if (Array.isArray(holder)) holder.splice(Number(key), 1)
      else Reflect.deleteProperty(holder, key)
    } else if (move === 1 && Array.isArray(holder)) holder.push(inner)
    else holder[key] = (move === 2 ? borrowed(random) : structuredClone(random.pick(oddValues))) as never
    return
  }
}

const oddValues: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e30,
  '',
  ' ',
  'x'.repeat(5_000),
  '\u0000\ud800"\\',
  '{"a":',
  [],
  [null],
  [[]],
  {},
  { type: null },
  { type: 'text' },
  { type: 'tool_use' },
  { type: 'x'.repeat(300) },
  { __proto__: 1, constructor: 2 },
]

/** A value from somewhere in the request of another vector. */
function borrowed(random: Random): unknown {
  let value: unknown = JSON.parse(random.pick(requests))
  while (typeof value === 'object' && value !== null && random.has(0.8)) {
    const inner: readonly unknown[] = Object.values(value)
    if (inner.length === 0) break
    value = random.pick(inner)
  }
  return value
}

function spoiledBytes(text: string, random: Random): string {
  const at = random.below(text.length)
  const pieces = ['', '"', '\\', '{', '}', '[', ']', ',', ':', '\n', '\n\n', '\u00e9', '0', 'data: ', 'null']
  return text.slice(0, at) + random.pick(pieces) + text.slice(at + random.below(4))
}

// ── Runs ────────────────────────────────────────────────────────────────────────────────────────────────────────────

interface SpoilRun {
  readonly seed: number
  readonly first: number
  readonly count: number
  /** Ends the run before its count. */
  readonly isOver?: () => boolean
}

/** @throws Error that names the input. @returns how many inputs came to each end. */
export function runSpoiled(
  translate: (random: Random) => string,
  { seed, first, count, isOver = () => false }: SpoilRun,
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (let index = first; index < first + count && !isOver(); index += 1) {
    const end = named(translate, seed, index)
    counts.set(end, (counts.get(end) ?? 0) + 1)
  }
  return counts
}

function named(translate: (random: Random) => string, seed: number, index: number): string {
  try {
    return translate(new Random(seed, index))
  } catch (cause) {
    throw new Error(`input ${index} of seed ${seed}`, { cause })
  }
}
