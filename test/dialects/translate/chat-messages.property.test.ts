// However a provider of Messages streams an answer, and however the stream is cut, a chat client gets one and the same
// message. And what goes from chat to Messages and back keeps its roles, texts, calls and results.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fc } from '../../support/properties.ts'
import type { ModelRequest } from '../../../src/dialects/request.ts'
import type { Translation } from '../../../src/dialects/translator.ts'
import {
  endFor,
  eventText,
  type MessageEvent,
  messageStart,
  ping,
  textBlock,
  thinkingBlock,
  toolBlock,
} from '../../support/message-events.ts'
import { begin, providerOf, readRequest, sentText, throughStream } from './vector.ts'

const toMessages = { dialect: 'chat', way: 'chat_messages' }
const toChat = { dialect: 'messages', way: 'messages_chat' }

function translate(way: typeof toChat, body: object): Translation {
  const translation = begin(way, readRequest(way.dialect, JSON.stringify(body)) as ModelRequest)
  if (translation instanceof Error) throw translation
  return translation
}

// ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Answer {
  readonly thinking: string
  readonly texts: readonly string[]
  readonly inputs: readonly object[]
}

const text = fc.string({ unit: 'grapheme', maxLength: 40 })
/** As JSON has them: it knows no negative zero. */
const input = fc
  .dictionary(text, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4, noNullPrototype: true })
  .map((each) => JSON.parse(JSON.stringify(each)) as object)
const inputs = fc.array(input, { maxLength: 3 })
const answers: fc.Arbitrary<Answer> = fc.record({
  thinking: text,
  texts: fc.array(text, { maxLength: 3 }),
  inputs,
})
const lengths = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 })
const cuts = fc.array(fc.nat(), { maxLength: 5 })

function pieces(whole: string, sizes: readonly number[]): string[] {
  const found: string[] = []
  for (let at = 0, turn = 0; at < whole.length; turn += 1) {
    const size = sizes[turn % sizes.length]!
    found.push(whole.slice(at, at + size))
    at += size
  }
  return found
}

const signature = 'c2lnbmF0dXJl+/='
const callAt = (position: number) => ({ id: `toolu_${position}`, name: 'look' })

/** @param hasPings with what may stand between any two events. */
function eventsOf(
  { thinking, texts, inputs }: Answer,
  sizes: readonly number[],
  hasPings: boolean,
): MessageEvent[] {
  let index = 0
  const blocks = [
    ...(thinking === '' ? [] : thinkingBlock(index++, thinking, signature)),
    ...texts.flatMap((each) => textBlock(index++, ...pieces(each, sizes))),
    ...inputs.flatMap((input, position) => {
      const json = Object.keys(input).length === 0 ? '' : JSON.stringify(input)
      return toolBlock(index++, callAt(position), '', ...pieces(json, sizes))
    }),
  ]
  const events = [messageStart, ...blocks, ...endFor(inputs.length > 0 ? 'tool_use' : 'end_turn')]
  return hasPings ? events.flatMap((event) => [event, ping]) : events
}

function contentOf({ thinking, texts, inputs }: Answer): object[] {
  return [
    ...(thinking === '' ? [] : [{ type: 'thinking', thinking, signature }]),
    ...texts.map((each) => ({ type: 'text', text: each })),
    ...inputs.map((input, position) => ({ type: 'tool_use', ...callAt(position), input })),
  ]
}

function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const bounds = [...new Set([0, ...places.map((place) => place % (bytes.length + 1)), bytes.length])]
  bounds.sort((one, other) => one - other)
  return bounds.slice(1).map((bound, at) => bytes.subarray(bounds[at], bound))
}

interface Call {
  readonly id: string
  readonly function: { readonly name: string; readonly arguments: string }
}

/** What a client has of a message; of a stream, once it has put it together. */
interface Message {
  readonly content?: string | null
  readonly reasoning_content?: string
  readonly reasoning_details?: readonly object[]
  readonly tool_calls?: readonly Call[]
}

/** As strict clients put a stream together: the first piece of a call brings its index, id and name. */
function assembled(stream: string): { readonly message: Message; readonly finish: string } {
  let [content, reasoning, finish] = ['', '', '']
  const details: object[] = []
  const calls: { id: string; function: { name: string; arguments: string } }[] = []
  const datas = stream.split('\n\n').filter(Boolean)
  assert.equal(datas.at(-1), 'data: [DONE]')
  for (const data of datas.slice(0, -1)) {
    const [choice] = JSON.parse(data.slice('data: '.length)).choices
    if (choice === undefined) continue
    assert.equal(finish, '', 'nothing follows the finish')
    const { delta, finish_reason: reason } = choice
    content += delta.content ?? ''
    reasoning += delta.reasoning_content ?? ''
    details.push(...(delta.reasoning_details ?? []))
    for (const { index, id, function: called } of delta.tool_calls ?? []) {
      if (index === calls.length) calls.push({ id, function: { name: called.name, arguments: '' } })
      assert.equal(index, calls.length - 1, 'calls follow each other')
      calls[index]!.function.arguments += called.arguments
    }
    finish = reason ?? ''
  }
  const message = { content, reasoning_content: reasoning, reasoning_details: details, tool_calls: calls }
  return { message, finish }
}

function assertSaid(message: Message, { thinking, texts, inputs }: Answer): void {
  assert.equal(message.content ?? '', texts.join(''))
  assert.equal(message.reasoning_content ?? '', thinking)
  const signed = {
    type: 'reasoning.text',
    text: thinking,
    signature,
    format: 'anthropic-claude-v1',
    index: 0,
  }
  assert.deepEqual(message.reasoning_details ?? [], thinking === '' ? [] : [signed])
  assert.deepEqual(
    (message.tool_calls ?? []).map((call) => [
      call.id,
      call.function.name,
      JSON.parse(call.function.arguments),
    ]),
    inputs.map((input, position) => [`toolu_${position}`, 'look', input]),
  )
}

const question = { model: 'm', messages: [{ role: 'user', content: 'Hello' }] }

describe('an answer of a provider of Messages', () => {
  test('is the same message, however it is streamed and cut', () => {
    const property = fc.property(
      answers,
      fc.record({ lengths, cuts, hasPings: fc.boolean(), isStream: fc.boolean() }),
      (answer, { lengths, cuts, hasPings, isStream }) => {
        const response = translate(toMessages, { ...question, stream: isStream }).response!
        const bytes = Buffer.from(eventsOf(answer, lengths, hasPings).map(eventText).join(''))
        const through = throughStream({ response, provider: providerOf(toMessages) }, cutAt(bytes, cuts))
        const finish = answer.inputs.length > 0 ? 'tool_calls' : 'stop'
        if (isStream) {
          assert.equal(through.end, undefined)
          const read = assembled(through.bytes)
          assertSaid(read.message, answer)
          assert.equal(read.finish, finish)
        } else {
          const { choices, usage } = JSON.parse((through.end as Buffer).toString())
          assertSaid(choices[0].message, answer)
          assert.equal(choices[0].finish_reason, finish)
          assert.equal(usage.total_tokens, 105)
        }
      },
    )
    fc.assert(property, { numRuns: 500 })
  })

  test('is the same message from a whole body', () => {
    const property = fc.property(answers, fc.boolean(), (answer, isStream) => {
      const response = translate(toMessages, { ...question, stream: isStream }).response!
      const body = { type: 'message', role: 'assistant', content: contentOf(answer), stop_reason: 'end_turn' }
      const written: Buffer[] = []
      response.head({ status: 200, headers: {} })
      const end = response.whole(Buffer.from(JSON.stringify(body)), undefined, (bytes) => written.push(bytes))
      const message = isStream
        ? assembled(Buffer.concat(written).toString()).message
        : JSON.parse((end as Buffer).toString()).choices[0].message
      assertSaid(message, answer)
    })
    fc.assert(property, { numRuns: 300 })
  })
})

// ── There and back ──────────────────────────────────────────────────────────────────────────────────────────────────

const words = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((each) => each.trim() !== '')
const image = fc.constant({
  type: 'image_url',
  image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' },
})
const part = fc.oneof(
  words.map((each) => ({ type: 'text', text: each })),
  image,
)
const exchange = fc.record({
  asked: fc.array(part, { minLength: 1, maxLength: 3 }),
  said: fc.option(words, { nil: undefined }),
  inputs,
})

interface Exchange {
  readonly asked: readonly object[]
  readonly said: string | undefined
  readonly inputs: readonly object[]
}

/** A conversation that ends with a user. */
function conversation(steps: readonly Exchange[]): object[] {
  return steps.flatMap(({ asked, said, inputs }, at) => {
    const user = { role: 'user', content: asked }
    if (at === steps.length - 1) return [user]
    const calls = inputs.map((input, position) => ({
      id: `call_${at}_${position}`,
      type: 'function',
      function: { name: 'look', arguments: JSON.stringify(input) },
    }))
    const content = said === undefined && calls.length > 0 ? null : (said ?? 'Yes.')
    const assistant = { role: 'assistant', content, ...(calls.length > 0 && { tool_calls: calls }) }
    const results = calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: `result of ${id}` }))
    return [user, assistant, ...results]
  })
}

/** A single text may be written in either form, and alone or not. */
function normal(messages: readonly { readonly content: unknown }[]): object[] {
  return messages.map((message) => {
    const { content } = message
    return { ...message, content: typeof content === 'string' ? [{ type: 'text', text: content }] : content }
  })
}

describe('from chat to Messages and back', () => {
  test('a conversation keeps its roles, texts, images, calls and results', () => {
    const property = fc.property(
      fc.array(exchange, { minLength: 1, maxLength: 4 }),
      words,
      (steps, system) => {
        const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }]
        const messages = [{ role: 'system', content: system }, ...conversation(steps)]
        const request = { model: 'm', max_tokens: 9, messages, tools, stop: ['a', 'b'], temperature: 0.5 }
        const between = JSON.parse(sentText(translate(toMessages, request)))
        const back = JSON.parse(sentText(translate(toChat, between)))
        assert.deepEqual(normal(back.messages), normal(messages as never))
        assert.deepEqual(
          [back.max_tokens, back.tools, back.stop, back.temperature],
          [9, tools, request.stop, request.temperature],
        )
      },
    )
    fc.assert(property, { numRuns: 300 })
  })
})
