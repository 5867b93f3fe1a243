// Compares the table of what a translation carries with what the translation does: one sample for each member.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProviderTraits } from '../../../src/config/provider-types.ts'
import type { Coverage } from '../../../src/dialects/coverage.ts'
import type { ModelRequest } from '../../../src/dialects/request.ts'
import type { Translation } from '../../../src/dialects/translator.ts'
import { GatewayError } from '../../../src/errors.ts'
import { eventText, type MessageEvent, messageStart } from '../../support/message-events.ts'
import { begin, providerOf, readRequest, sentText, throughStream } from './vector.ts'

/** Stands in samples for what must arrive, or must not. */
export const mark = 'b7f3'

export interface CoveredWay {
  /** Of the client, and the translator's `way`. */
  readonly dialect: string
  readonly way: string
  /** In what the provider differs from `openServerTraits`. */
  readonly traits?: Partial<ProviderTraits>
  /** Members that every request has, unless a sample has its own. */
  readonly request: object
  /** Members of the requests whose responses are translated. */
  readonly streamed: object
}

export interface RequestSample {
  readonly request: object
  readonly traits?: Partial<ProviderTraits>
  /** What the provider gets; else the mark. */
  readonly sends?: string
  /** The name of what is refused or dropped, if it is not the member's. */
  readonly named?: string
  /** What the sample has to contain besides, and what is dropped of that. */
  readonly alsoDropped?: readonly string[]
}

export interface ResponseSample {
  /** Events of the provider's format that have the member, without those that open and end every stream. */
  readonly events: readonly object[]
  /** What the client gets of it; else the mark. */
  readonly returns?: string
}

export type RequestSamples = Readonly<Record<string, RequestSample>>
export type ResponseSamples = Readonly<Record<string, ResponseSample>>

export function translate(
  { dialect, way, traits, request: always }: CoveredWay,
  request: object,
  more: Partial<ProviderTraits> = {},
): Translation | GatewayError {
  const body = JSON.stringify({ model: 'm', ...always, ...request })
  const vector = { dialect, way, traits: { ...traits, ...more } }
  return begin(vector, readRequest(dialect, body) as ModelRequest)
}

/** What a translation drops of a request that it does not refuse. */
export function droppedOf(way: CoveredWay, request: object): readonly string[] | undefined {
  const translation = translate(way, request)
  if (translation instanceof GatewayError) throw translation
  return translation.dropped
}

/** @param members of the table; those that the samples are about. */
export function testRequests(way: CoveredWay, members: Coverage['request'], samples: RequestSamples): void {
  test('each member of the table has a sample', () => {
    assert.deepEqual(Object.keys(samples), Object.keys(members))
  })

  for (const [member, [carriage]] of Object.entries(members)) {
    test(`${member} is ${carriage}`, () => {
      const { request, traits, sends = mark, named = member, alsoDropped = [] } = samples[member]!
      const translation = translate(way, request, traits)
      if (carriage === 'refused') {
        assert.ok(translation instanceof GatewayError)
        assert.deepEqual([translation.code, translation.param], ['not_translatable', named])
        return
      }
      if (translation instanceof GatewayError) throw translation
      const sent = sentText(translation)
      const dropped = (translation.dropped ?? []).filter((name) => !alsoDropped.includes(name))
      assert.deepEqual(dropped, carriage === 'dropped' ? [named] : [])
      if (carriage === 'dropped') assert.ok(!sent.includes(mark), sent)
      else assert.ok(sent.includes(sends), sent)
    })
  }
}

/** @param stream of these events and what opens and ends them. */
export function testResponses(
  way: CoveredWay,
  members: Coverage['response'],
  samples: ResponseSamples,
  stream: (events: readonly object[]) => readonly Buffer[],
): void {
  test('each member of the table has a sample', () => {
    assert.deepEqual(Object.keys(samples), Object.keys(members))
  })

  for (const [member, [carriage]] of Object.entries(members)) {
    test(`${member} is ${carriage}`, () => {
      const { events, returns = mark } = samples[member]!
      const { response } = translate(way, { stream: true, ...way.streamed }) as Translation
      const { bytes } = throughStream({ response: response!, provider: providerOf(way) }, stream(events))
      assert.equal(bytes.includes(returns), carriage !== 'dropped', bytes)
    })
  }
}

/** A chunk of a chat provider. */
export function chunk(delta: object, more: object = {}): object {
  return { choices: [{ index: 0, delta, ...more }] }
}

/** The chunk that ends a choice. */
export function finish(more: object = {}): object {
  return chunk({}, { finish_reason: 'stop', ...more })
}

/** These chunks as a whole stream of chat. */
export function chatStream(chunks: readonly object[]): Buffer[] {
  const end = JSON.stringify(chunks).includes('finish_reason') ? [] : [finish()]
  const data = [...chunks, ...end].map((each) => JSON.stringify(each))
  return [...data, '[DONE]'].map((text) => Buffer.from(`data: ${text}\n\n`))
}

/** These events as a whole stream of Messages. */
export function messageStream(events: readonly object[]): Buffer[] {
  const whole = [messageStart, ...(events as readonly MessageEvent[]), { type: 'message_stop' }]
  return whole.map((event) => Buffer.from(eventText(event)))
}
