// Random chat responses for a client of the Responses API.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../support/properties.ts'
import type { ModelRequest } from '../../../src/dialects/request.ts'
import type { Translation } from '../../../src/dialects/translator.ts'
import { readAsCodex } from './codex-rules.ts'
import { GatewayError } from '../../../src/errors.ts'
import { begin, clientDialect, providerOf, readRequest, sentText, throughStream } from './vector.ts'

const way = {
  dialect: 'response',
  way: 'responses_chat',
  name: '',
  file: () => undefined,
  traits: { reasoningField: 'reasoning_content' },
} as const

const tools = [
  { type: 'function', name: 'look' },
  { type: 'custom', name: 'write' },
  { type: 'namespace', name: 'space', tools: [{ type: 'function', name: 'go' }] },
]
const include = ['reasoning.encrypted_content']

interface Call {
  readonly name: string
  readonly args: string
}

interface Answer {
  readonly reasoning: string
  readonly text: string
  readonly calls: readonly Call[]
}

const words = fc.string({ unit: 'grapheme', maxLength: 12 })
const callOf = fc.oneof(
  fc.record({
    name: fc.constantFrom('look', 'space__go', 'undeclared'),
    args: fc.jsonValue().map((a) => JSON.stringify({ a })),
  }),
  fc.record({ name: fc.constant('write'), args: words.map((input) => JSON.stringify({ input })) }),
)
const answers: fc.Arbitrary<Answer> = fc.record({
  reasoning: words,
  text: words,
  calls: fc.array(callOf, { maxLength: 3 }),
})
/** How texts are cut, and which pieces share a chunk; used again from the start when they are used up. */
const cuts = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 8 })
const joins = fc.array(fc.boolean(), { minLength: 1, maxLength: 8 })

function pieces(text: string, lengths: readonly number[]): string[] {
  // Between characters, because JSON has no halves of them.
  const characters = Array.from(text)
  const cut: string[] = []
  for (let at = 0, turn = 0; at < characters.length; turn += 1) {
    const length = lengths[turn % lengths.length]!
    cut.push(characters.slice(at, at + length).join(''))
    at += length
  }
  return cut
}

interface Delta {
  reasoning_content?: string
  content?: string
  tool_calls?: object[]
}

/** The deltas of an answer, the pieces of its calls in turns. */
function deltasOf({ reasoning, text, calls }: Answer, lengths: readonly number[]): Delta[] {
  const starts = calls.map(({ name }, index) => ({
    tool_calls: [{ index, id: `call_${index}`, type: 'function', function: { name, arguments: '' } }],
  }))
  const args = calls.map((call) => pieces(call.args, lengths))
  const turns = Math.max(0, ...args.map(({ length }) => length))
  const rest = Array.from({ length: turns }, (_, turn) =>
    args.flatMap((parts, index) =>
      parts[turn] === undefined ? [] : [{ tool_calls: [{ index, function: { arguments: parts[turn] } }] }],
    ),
  )
  return [
    ...pieces(reasoning, lengths).map((piece) => ({ reasoning_content: piece })),
    ...pieces(text, lengths).map((piece) => ({ content: piece })),
    ...starts,
    ...rest.flat(),
  ]
}

/** Neighbours may share a chunk if they do not have the same member. */
function joined(deltas: readonly Delta[], choice: readonly boolean[]): Delta[] {
  const chunks: Delta[] = []
  for (const [at, delta] of deltas.entries()) {
    const last = chunks.at(-1)
    const isApart = last === undefined || Object.keys(delta).some((name) => name in last)
    if (isApart || !choice[at % choice.length]!) chunks.push({ ...delta })
    else Object.assign(last, delta)
  }
  return chunks
}

function streamOf(answer: Answer, lengths: readonly number[], choice: readonly boolean[]): Buffer {
  const chunks = joined(deltasOf(answer, lengths), choice).map((delta) => ({
    choices: [{ index: 0, delta }],
  }))
  const end = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage }
  const events = [...chunks, end].map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`)
  return Buffer.from(`${events.join('')}data: [DONE]\n\n`)
}

const usage = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 }

function wholeOf({ reasoning, text, calls }: Answer): Buffer {
  const message = {
    role: 'assistant',
    content: text,
    reasoning_content: reasoning,
    tool_calls: calls.map(({ name, args }, at) => ({
      id: `call_${at}`,
      type: 'function',
      function: { name, arguments: args },
    })),
  }
  return Buffer.from(JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }], usage }))
}

function translation(more: object): Translation {
  const body = JSON.stringify({ model: 'm', input: 'Hi', tools, include, ...more })
  const begun = begin(way, readRequest('response', body) as ModelRequest)
  if (begun instanceof Error) throw begun
  return begun
}

function outputOf(answer: Answer): readonly object[] {
  const whole = translation({}).response!.whole(wholeOf(answer), undefined, () => {})
  return JSON.parse((whole as Buffer).toString()).output
}

test('a random answer, randomly cut, is one and the same response, and breaks no rule of Codex', () => {
  fc.assert(
    fc.property(answers, cuts, joins, (answer, lengths, choice) => {
      const { response } = translation({ stream: true })
      const chunks = [streamOf(answer, lengths, choice)]
      const { bytes, end } = throughStream({ response: response!, provider: providerOf(way) }, chunks)
      assert.equal(end, undefined)
      const turn = readAsCodex(bytes)
      assert.deepEqual(turn.items, turn.end.response!.output)
      assert.deepEqual(turn.items, outputOf(answer))
    }),
  )
})

test('what a client sends back of a random answer is the message that the provider has written', () => {
  fc.assert(
    fc.property(answers, (answer) => {
      const { reasoning, text, calls } = answer
      fc.pre(text !== '' || calls.length > 0)
      const { messages } = JSON.parse(sentText(translation({ input: outputOf(answer) })))
      const [{ role, content, reasoning_content: thoughts, tool_calls: called = [] }] = messages
      assert.deepEqual([role, content ?? '', thoughts ?? ''], ['assistant', text, reasoning])
      assert.deepEqual(
        called.map((call: { id: string; function: { name: string; arguments: string } }) => [
          call.id,
          call.function,
        ]),
        calls.map(({ name, args }, at) => [`call_${at}`, { name, arguments: args }]),
      )
    }),
  )
})

const anything = fc.jsonValue({ maxDepth: 1 })
const types = fc.constantFrom(
  'message',
  'reasoning',
  'function_call',
  'function_call_output',
  'custom_tool_call',
  'additional_tools',
  'custom_tool_call_output',
  'local_shell_call',
  'shell_call_output',
  'item_reference',
  'input_text',
  'input_image',
  'input_file',
  'refusal',
  'namespace',
  'custom',
  'function',
  'allowed_tools',
  'json_schema',
)
/** An object of the format, or one that is nearly so: each member may be anything. */
const nearly = fc.letrec<{ node: unknown; list: readonly unknown[]; object: object }>((tie) => ({
  node: fc.oneof({ maxDepth: 3 }, anything, types, tie('object'), tie('list')),
  list: fc.array(tie('node'), { maxLength: 3 }),
  object: fc.record(
    {
      type: fc.oneof({ weight: 4, arbitrary: types }, { weight: 1, arbitrary: anything }),
      role: fc.oneof(fc.constantFrom('user', 'assistant', 'developer', 'tool'), anything),
      call_id: fc.oneof(fc.constantFrom('a', 'b'), anything),
      name: fc.oneof(fc.constantFrom('look', 'write'), anything),
      namespace: fc.oneof(fc.constant('space'), anything),
      content: tie('node'),
      output: tie('node'),
      summary: tie('list'),
      arguments: fc.oneof(fc.string(), anything),
      input: tie('node'),
      tools: tie('list'),
      text: tie('node'),
      image_url: tie('node'),
      format: tie('node'),
      encrypted_content: fc.oneof(
        fc.string().map((text) => `llm-gateway:reasoning:1:${text}`),
        anything,
      ),
    },
    { requiredKeys: [] },
  ),
})).object

test('whatever a request holds, it is translated or refused by a 400 that names a member', () => {
  const bodies = fc.record(
    {
      input: fc.oneof(fc.array(nearly, { maxLength: 6 }), anything),
      instructions: anything,
      tools: fc.oneof(fc.array(nearly, { maxLength: 3 }), anything),
      tool_choice: fc.oneof(nearly, anything),
      reasoning: anything,
      text: fc.oneof(nearly, anything),
      include: anything,
      max_output_tokens: anything,
      temperature: anything,
      top_logprobs: anything,
      metadata: anything,
    },
    { requiredKeys: ['input'] },
  )
  fc.assert(
    fc.property(bodies, fc.boolean(), (members, stream) => {
      const read = readRequest('response', JSON.stringify({ model: 'm', ...members, stream }))
      assert.ok(!(read instanceof Error))
      const begun = begin(way, read)
      if (begun instanceof Error) {
        assert.equal(begun.status, 400)
        assert.ok(begun.param)
        return
      }
      const { messages } = JSON.parse(sentText(begun)) as { messages: { role: string }[] }
      for (const { role } of messages) assert.match(role, /^(?:system|user|assistant|tool)$/)
    }),
    { numRuns: 300 },
  )
})

test('whatever a provider sends, the client gets whole events and one end', () => {
  const texts = fc.oneof({ weight: 3, arbitrary: fc.string() }, { weight: 1, arbitrary: anything })
  const call = fc.record(
    {
      index: fc.oneof(fc.nat(2), anything),
      id: texts,
      function: fc.oneof(fc.record({ name: texts, arguments: texts }, { requiredKeys: [] }), anything),
    },
    { requiredKeys: [] },
  )
  const deltas = fc.record(
    {
      content: texts,
      reasoning_content: texts,
      reasoning_details: fc.oneof(fc.array(anything, { maxLength: 2 }), anything),
      refusal: texts,
      annotations: fc.oneof(fc.array(anything, { maxLength: 2 }), anything),
      tool_calls: fc.oneof(fc.array(call, { maxLength: 2 }), anything),
    },
    { requiredKeys: [] },
  )
  const chunks = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record(
        {
          choices: fc.array(
            fc.record(
              {
                delta: fc.oneof({ weight: 5, arbitrary: deltas }, { weight: 1, arbitrary: anything }),
                logprobs: fc.oneof(fc.record({ content: fc.array(anything, { maxLength: 2 }) }), anything),
                finish_reason: fc.oneof(fc.constantFrom(null, 'stop', 'length', 'tool_calls'), anything),
              },
              { requiredKeys: [] },
            ),
            { maxLength: 2 },
          ),
          usage: anything,
        },
        { requiredKeys: ['choices'] },
      ),
    },
    { weight: 1, arbitrary: anything },
  )
  fc.assert(
    fc.property(fc.array(chunks, { maxLength: 6 }), (sent) => {
      const { response } = translation({ stream: true })
      const events = sent.map((chunk) => Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`))
      const { bytes, end } = throughStream({ response: response!, provider: providerOf(way) }, events)
      const own = clientDialect('response').ownEvents('r')
      own.sent(Buffer.from(bytes))
      readAsCodex(end instanceof GatewayError ? bytes + own.error(end).toString() : bytes)
    }),
    { numRuns: 500 },
  )
})
