// However a provider writes an answer into chunks, and however these are cut, a Messages client gets one and the same
// message. And what goes from Messages to chat and back keeps its roles, texts, calls and results.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fc } from '../../support/properties.ts'
import type { ModelRequest } from '../../../src/dialects/request.ts'
import type { Translation } from '../../../src/dialects/translator.ts'
import { readMessage } from './messages-rules.ts'
import { begin, providerOf, readRequest, sentText, throughStream } from './vector.ts'

const toChat = { dialect: 'messages', way: 'messages_chat', name: '', file: () => undefined }
const toMessages = { dialect: 'chat', way: 'chat_messages', name: '', file: () => undefined }
const question = [{ role: 'user', content: 'Hello' }]

function translate(way: typeof toChat, body: object): Translation {
  const translation = begin(way, readRequest(way.dialect, JSON.stringify(body)) as ModelRequest)
  if (translation instanceof Error) throw translation
  return translation
}

// ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Call {
  readonly name: string
  readonly input: object
}

interface Answer {
  readonly thinking: string
  readonly text: string
  readonly calls: readonly Call[]
}

/** How a provider writes an answer. */
interface Manner {
  /** Lengths of pieces, used in turn. */
  readonly lengths: readonly number[]
  readonly numbers: 'index' | 'zero' | 'none'
  readonly hasIds: boolean
  readonly isInterleaved: boolean
  readonly hasNameApart: boolean
  readonly usage: 'last' | 'finish' | 'absent'
  readonly finish: 'stop' | 'tool_calls'
  readonly isMerged: boolean
}

/** As it is written: -0 becomes 0. */
const inputs: fc.Arbitrary<object> = fc
  .dictionary(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 })
  .map((input) => JSON.parse(JSON.stringify(input)) as object)
const text = fc.string({ unit: 'grapheme', maxLength: 40 })
const answers: fc.Arbitrary<Answer> = fc.record({
  thinking: text,
  text,
  calls: fc.array(
    fc.record({
      name: fc.constantFrom('look', 'write', 'run'),
      input: inputs,
    }),
    { maxLength: 4 },
  ),
})
const manners: fc.Arbitrary<Manner> = fc.record({
  lengths: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 }),
  numbers: fc.constantFrom('index', 'zero', 'none'),
  hasIds: fc.boolean(),
  isInterleaved: fc.boolean(),
  hasNameApart: fc.boolean(),
  usage: fc.constantFrom('last', 'finish', 'absent'),
  finish: fc.constantFrom('stop', 'tool_calls'),
  isMerged: fc.boolean(),
})

function pieces(whole: string, lengths: readonly number[]): string[] {
  const found: string[] = []
  for (let at = 0, turn = 0; at < whole.length; turn += 1) {
    const length = lengths[turn % lengths.length]!
    found.push(whole.slice(at, at + length))
    at += length
  }
  return found
}

/** Elements of `tool_calls`, in the order in which they arrive. */
function callPieces(calls: readonly Call[], manner: Manner): object[] {
  const { lengths, numbers, hasIds, hasNameApart, isInterleaved } = manner
  const lists = calls.map(({ name, input }, position) => {
    const index = numbers === 'none' ? {} : { index: numbers === 'zero' ? 0 : position }
    const [first = '', ...rest] = pieces(JSON.stringify(input), lengths)
    const start = { ...index, ...(hasIds && { id: `call_${position}` }), type: 'function' }
    const begun = hasNameApart
      ? [
          { ...start, function: { name, arguments: '' } },
          { ...index, function: { arguments: first } },
        ]
      : [{ ...start, function: { name, arguments: first } }]
    return [...begun, ...rest.map((piece) => ({ ...index, function: { arguments: piece } }))]
  })
  // Only a number of its own tells the pieces of two calls apart.
  if (!isInterleaved || numbers !== 'index') return lists.flat()
  const longest = Math.max(0, ...lists.map(({ length }) => length))
  return Array.from({ length: longest }, (_, at) => lists.flatMap((list) => list[at] ?? [])).flat()
}

const usage = { prompt_tokens: 9, completion_tokens: 5, total_tokens: 14 }

function chunksOf({ thinking, text, calls }: Answer, manner: Manner): object[] {
  const chunk = (delta: object, finish: string | null = null) => ({
    choices: [{ index: 0, delta, finish_reason: finish }],
  })
  const deltas: object[] = [
    { role: 'assistant', content: '' },
    ...pieces(thinking, manner.lengths).map((piece) => ({ reasoning_content: piece })),
    ...pieces(text, manner.lengths).map((piece) => ({ content: piece })),
    ...callPieces(calls, manner).map((piece) => ({ tool_calls: [piece] })),
  ]
  const together: object[] = []
  for (const delta of deltas) {
    const last = together.at(-1)
    const canMerge = manner.isMerged && last !== undefined && !Object.keys(delta).some((name) => name in last)
    if (canMerge) Object.assign(last, delta)
    else together.push({ ...delta })
  }
  return [
    ...together.map((delta) => chunk(delta)),
    { ...chunk({}, manner.finish), ...(manner.usage === 'finish' && { usage }) },
    ...(manner.usage === 'last' ? [{ choices: [], usage }] : []),
  ]
}

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const bounds = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])]
  bounds.sort((one, other) => one - other)
  return bounds.slice(1).map((bound, at) => bytes.subarray(bounds[at], bound))
}

function expectedContent({ thinking, text, calls }: Answer): object[] {
  return [
    ...(thinking === '' ? [] : [{ type: 'thinking', thinking, signature: '' }]),
    ...(text === '' ? [] : [{ type: 'text', text }]),
    ...calls.map(({ name, input }, position) => ({ type: 'tool_use', id: `call_${position}`, name, input })),
  ]
}

function withoutIds(content: readonly object[], { hasIds }: Manner): readonly object[] {
  return hasIds ? content : content.map((block) => ({ ...block, id: undefined }))
}

describe('an answer of a chat provider', () => {
  test('is the same message, however it is written and cut', () => {
    const cuts = fc.array(fc.nat(), { maxLength: 5 })
    const property = fc.property(answers, manners, cuts, fc.boolean(), (answer, manner, places, isStream) => {
      const { response } = translate(toChat, {
        model: 'm',
        max_tokens: 9,
        messages: question,
        stream: isStream,
      })
      const events = [...chunksOf(answer, manner).map((chunk) => JSON.stringify(chunk)), '[DONE]']
      const bytes = Buffer.from(events.map((data) => `data: ${data}\n\n`).join(''))
      const through = throughStream(
        { response: response!, provider: providerOf(toChat) },
        cutAt(bytes, places),
      )
      if (isStream) assert.equal(through.end, undefined)
      else assert.ok(Buffer.isBuffer(through.end), String(through.end))
      const message = isStream ? readMessage(through.bytes) : JSON.parse(through.end!.toString())
      assert.deepEqual(withoutIds(message.content, manner), withoutIds(expectedContent(answer), manner))
      assert.equal(message.stop_reason, answer.calls.length > 0 ? 'tool_use' : 'end_turn')
      if (manner.usage !== 'absent') {
        assert.deepEqual([message.usage.input_tokens, message.usage.output_tokens], [9, 5])
      }
    })
    fc.assert(property, { numRuns: 500 })
  })
})

// ── There and back ──────────────────────────────────────────────────────────────────────────────────────────────────

const words = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((each) => each.trim() !== '')
const image = fc.constant({
  type: 'image',
  source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' },
})
const textBlock = words.map((each) => ({ type: 'text', text: each }))

interface Exchange {
  readonly asked: readonly object[]
  readonly text: string | undefined
  readonly inputs: readonly object[]
}

const exchanges = fc.array(
  fc.record({
    asked: fc.array(fc.oneof(textBlock, image), { minLength: 1, maxLength: 3 }),
    text: fc.option(words, { nil: undefined }),
    inputs: fc.array(inputs, { maxLength: 3 }),
  }),
  { minLength: 1, maxLength: 4 },
)

/** A conversation that ends with a user: each call has its result in the next turn, before all else. */
function conversation(steps: readonly Exchange[]): object[] {
  let calls: string[] = []
  const turns: object[] = []
  for (const [at, { asked, text, inputs }] of steps.entries()) {
    const results = calls.map((id) => ({ type: 'tool_result', tool_use_id: id, content: `result of ${id}` }))
    turns.push({ role: 'user', content: [...results, ...asked] })
    calls = inputs.map((_, position) => `call_${at}_${position}`)
    const uses = inputs.map((input, position) => ({
      type: 'tool_use',
      id: calls[position],
      name: 'look',
      input,
    }))
    const texts = text === undefined && uses.length > 0 ? [] : [{ type: 'text', text: text ?? 'Yes.' }]
    if (at < steps.length - 1) turns.push({ role: 'assistant', content: [...texts, ...uses] })
  }
  return turns
}

/** Contents as lists of blocks, and nothing about caches. */
function normal(messages: readonly { readonly role: string; readonly content: unknown }[]): object[] {
  const blocks = (content: unknown): unknown =>
    typeof content === 'string' ? [{ type: 'text', text: content }] : content
  return messages.map(({ role, content }) => ({
    role,
    content: (blocks(content) as Record<string, unknown>[]).map((block) =>
      block['type'] === 'tool_result' ? { ...block, content: blocks(block['content']) } : block,
    ),
  }))
}

describe('from Messages to chat and back', () => {
  test('a conversation keeps its roles, texts, images, calls and results', () => {
    const property = fc.property(exchanges, words, (steps, system) => {
      const tools = [{ name: 'look', input_schema: { type: 'object' } }]
      const messages = conversation(steps)
      const request = { model: 'm', max_tokens: 9, system, messages, tools }
      const chat = JSON.parse(sentText(translate(toChat, request)))
      const back = JSON.parse(sentText(translate(toMessages, chat)))
      assert.deepEqual(normal(back.messages), normal(messages as never))
      assert.deepEqual([back.max_tokens, back.tools], [9, tools])
      assert.deepEqual(normal([{ role: 'system', content: back.system }]), [
        { role: 'system', content: [{ type: 'text', text: system }] },
      ])
    })
    fc.assert(property, { numRuns: 300 })
  })

  test('a response keeps its texts and calls', () => {
    const property = fc.property(answers, fc.boolean(), (answer, isStream) => {
      const content = expectedContent(answer)
      const message = {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'm',
        content,
        stop_reason: answer.calls.length > 0 ? 'tool_use' : 'end_turn',
        stop_sequence: null,
        usage: {
          input_tokens: 10,
          cache_read_input_tokens: 80,
          cache_creation_input_tokens: 10,
          output_tokens: 5,
        },
      }
      const outer = translate(toChat, { model: 'm', max_tokens: 9, messages: question, stream: isStream })
      const inner = translate(toMessages, { model: 'm', messages: question, stream: isStream })
      const written: Buffer[] = []
      inner.response!.head({ status: 200, headers: {} })
      const chat = inner.response!.whole(Buffer.from(JSON.stringify(message)), undefined, (bytes) =>
        written.push(bytes),
      )
      const chunks = isStream ? written : [chat as Buffer]
      const back = isStream
        ? readMessage(
            throughStream({ response: outer.response!, provider: providerOf(toChat) }, chunks).bytes,
          )
        : JSON.parse((outer.response!.whole(chunks[0]!, undefined, () => {}) as Buffer).toString())
      assert.deepEqual(back.content, content)
      assert.equal(back.stop_reason, message.stop_reason)
    })
    fc.assert(property, { numRuns: 300 })
  })
})
