// Spoils the requests and responses of the vectors, and looks at what translations make of them: whatever comes, they return
// a request that is JSON or an error about it, and the client gets its format's rules kept and an end or an error.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { ClientDialect, StreamEnding } from '../../../src/dialects/dialect.ts'
import { StreamTail } from '../../../src/dialects/stream-tail.ts'
import type { ResponseTranslation, TranslatedStep, Translator } from '../../../src/dialects/translator.ts'
import { GatewayError } from '../../../src/errors.ts'
import { eventData, EventSplitter, isComment } from '../../../src/bytes/sse.ts'
import { Random } from '../../support/random.ts'
import { type ClientFormat, readErrorBody, readStream, readWhole } from './client-rules.ts'
import { Spoiler } from './spoiling.ts'
import {
  begin,
  clientDialect,
  providerOf,
  readRequest,
  readVectors,
  sentText,
  type Vector,
} from './vector.ts'

export const vectors = readVectors(join(import.meta.dirname, 'vectors'))
const textsOf = (name: string) => vectors.map(({ file }) => file(name)).filter((text) => text !== undefined)
const requests = textsOf('request.json')
export const spoiler = new Spoiler(
  [...requests, ...textsOf('response.json')],
  [...textsOf('response.sse'), ...textsOf('returned.sse')],
)

/** Vectors whose requests a translation takes, by the provider's format. */
const takenBy = Map.groupBy(
  vectors.filter(({ file }) => file('refused.json') === undefined),
  (vector) => providerOf(vector).name,
)

/** @throws AssertionError, or what a translation throws. @returns what became of it, for a count. */
export function translateSpoiledRequest(random: Random): 'sent' | 'refused' {
  const vector = random.pick(vectors)
  const request = readRequest(vector.dialect, spoiler.body(vector.file('request.json')!, random))
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

interface Begun {
  readonly client: ClientDialect
  readonly provider: Translator['provider']
  readonly response: ResponseTranslation
  readonly isStream: boolean
}

/** The translation for a client's request to a provider of this vector's format, seldom the vector's own request. */
function begun(vector: Vector, random: Random): Begun {
  const provider = providerOf(vector)
  const chosen = random.has(0.5) ? random.pick(takenBy.get(provider.name)!) : vector
  const isStream = random.has(0.7)
  const body = { ...(JSON.parse(chosen.file('request.json')!) as object), stream: isStream }
  const request = readRequest(chosen.dialect, Buffer.from(JSON.stringify(body)))
  const translation = request instanceof GatewayError ? request : begin(chosen, request)
  if (translation instanceof GatewayError) throw translation
  return { client: clientDialect(chosen.dialect), provider, response: translation.response!, isStream }
}

const streamed = vectors.filter(({ file }) => file('response.sse') !== undefined)

/** @throws AssertionError, or what a translation throws. @returns how the client's response has ended. */
export function translateSpoiledStream(random: Random): string {
  const vector = random.pick(streamed)
  const { client, provider, response, isStream } = begun(vector, random)
  const events = eventsOf(spoiler.stream(vector.file('response.sse')!, random), provider, random)
  const first = events.map(eventData).find((data) => data !== undefined && !provider.isPreamble(data))
  // Such a response is an error or nothing, and another attempt may follow.
  if (first === undefined || provider.isEndMark(first) || provider.errorHeadOf(first) !== undefined)
    return 'not begun'
  const own = client.ownEvents('request-1')
  const pieces: Buffer[] = []
  const write = (bytes: Buffer) => {
    own.sent(bytes)
    pieces.push(Buffer.from(bytes))
  }
  response.head({ status: 200, headers: { 'content-type': 'text/event-stream' } })
  const tail = new StreamTail()
  let step: TranslatedStep
  for (const event of events) {
    tail.push(event)
    step = response.event(event, write)
    if (step !== undefined) break
    if (isStream && pieces.length > 0 && random.has(0.02)) write(response.heartbeat())
  }
  step ??= stepOf(provider.ending(tail.events))
  const end = step === 'over' ? response.end(write) : step
  if (end instanceof GatewayError) assert.equal(end.status, 502)
  if (!isStream) {
    assert.equal(pieces.length, 0, 'a whole body is not written in pieces')
    assert.ok(end !== undefined, 'a whole stream becomes a body or an error')
    if (Buffer.isBuffer(end)) readWhole(formatOf(client), end)
    return Buffer.isBuffer(end) ? 'body' : 'no body'
  }
  assert.ok(!Buffer.isBuffer(end), 'events, and no body')
  // The gateway reports such an error. One of the provider is in the stream already.
  if (end instanceof GatewayError) pieces.push(own.error(end))
  const result = endOfStream(client, Buffer.concat(pieces).toString())
  assert.equal(result, end === undefined ? 'whole' : 'error')
  return result
}

/** At the end of a provider's stream. */
function stepOf(ending: StreamEnding): TranslatedStep {
  if (ending === 'complete' || ending === 'over') return 'over'
  // Also for an error that the translation has not seen as one.
  return new GatewayError('provider_bad_response', 'The stream ended without its final event.')
}

function formatOf({ name }: ClientDialect): ClientFormat {
  return name as ClientFormat
}

/** @throws AssertionError for a broken rule, a missing end included. */
function endOfStream(client: ClientDialect, stream: string): 'whole' | 'error' {
  const { end } = readStream(formatOf(client), stream)
  assert.notEqual(end, 'none', `the stream has an end: ${stream}`)
  return end === 'whole' ? 'whole' : 'error'
}

/** The events of a stream that arrives in pieces, as a relay hands them to a translation. */
function eventsOf(stream: Buffer, provider: Translator['provider'], random: Random): readonly Buffer[] {
  const events: Buffer[] = []
  const splitter = new EventSplitter()
  const sink = {
    event(bytes: Buffer) {
      const event = provider.standardEvent(bytes)
      if (!isComment(event)) events.push(Buffer.from(event))
    },
    overflow: () => {},
  }
  const cuts = Array.from({ length: random.below(4) }, () => random.below(stream.length + 1))
  let at = 0
  for (const cut of [...cuts.toSorted((one, other) => one - other), stream.length]) {
    splitter.push(stream.subarray(at, cut), sink)
    at = cut
  }
  const rest = splitter.end(sink)
  const last = rest && Buffer.concat([rest, Buffer.from('\n\n')])
  if (last !== undefined && provider.ending([last]) !== 'cut') sink.event(last)
  return events
}

const whole = vectors.filter(({ file }) => file('response.json') !== undefined)
const refusing = vectors.filter(({ file }) => file('error.json') !== undefined)

/** A provider's error response. */
export function errorOf(vector: Vector): { readonly status: number; readonly body: string } {
  const { status, body } = JSON.parse(vector.file('error.json')!) as { status: number; body: unknown }
  return { status, body: JSON.stringify(body) }
}

/** @throws AssertionError, or what a translation throws. @returns what the client gets. */
export function translateSpoiledBody(random: Random): string {
  const isError = random.has(0.3)
  const vector = random.pick(isError ? refusing : whole)
  const { client, provider, response, isStream } = begun(vector, random)
  const body = spoiler.body(isError ? errorOf(vector).body : vector.file('response.json')!, random)
  const head = { status: 200, headers: { 'content-type': 'application/json' } }
  const judged = isError
    ? { kind: 'error' as const, head: { ...head, status: 500 } }
    : provider.judgeWhole(head, body)
  if (judged.kind === 'fault') return 'unusable'
  if (judged.kind === 'error') {
    readErrorBody(formatOf(client), response.error(judged.head, body, 'request-1'))
    return 'error'
  }
  response.head(head)
  const own = client.ownEvents('request-1')
  const pieces: Buffer[] = []
  const end = response.whole(body, judged.value, (bytes) => void pieces.push(Buffer.from(bytes)))
  if (end instanceof GatewayError) {
    assert.equal(end.status, 502)
    if (pieces.length === 0) return 'no body'
  }
  if (isStream) {
    for (const piece of pieces) own.sent(piece)
    if (end instanceof GatewayError) pieces.push(own.error(end))
    return endOfStream(client, Buffer.concat(pieces).toString())
  }
  assert.equal(pieces.length, 0, 'a body, and no events')
  // An error beside the response, which the gateway reports.
  if (end === undefined) return 'no body'
  readWhole(formatOf(client), end as Buffer)
  return 'body'
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
