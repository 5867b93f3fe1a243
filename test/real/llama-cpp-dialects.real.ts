// The same conversations in Messages and Responses at a real llama.cpp: as it speaks them itself, and translated to chat. The
// answers must have the same content, end in the same way and count the same tokens.
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'

import type { Running } from '../support/app.ts'
import { missingLlamaCpp, startLlamaCpp } from './llama-cpp.ts'

const skip = missingLlamaCpp()
const deterministic = { temperature: 0 }
const tool = {
  name: 'get_weather',
  description: 'The weather of a city.',
  schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}

/** Members of a Messages request. */
const conversations: Readonly<Record<string, Record<string, unknown>>> = {
  'one question': { messages: [{ role: 'user', content: 'Count from one to ten.' }] },
  'a system text in blocks': {
    system: [
      { type: 'text', text: 'You answer in English.' },
      { type: 'text', text: 'You are brief.' },
    ],
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Name a colour.' }] }],
  },
  'several turns': {
    messages: [
      { role: 'user', content: 'Hello, my name is Ann.' },
      { role: 'assistant', content: [{ type: 'text', text: 'Hello Ann.' }] },
      { role: 'user', content: 'What is my name?' },
    ],
  },
  'a stop sequence': {
    messages: [{ role: 'user', content: 'Write: one, two, three, four.' }],
    stop_sequences: ['two'],
  },
  'a tool call in the history': {
    tools: [{ name: tool.name, description: tool.description, input_schema: tool.schema }],
    messages: [
      { role: 'user', content: 'What is the weather in Paris?' },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'I look.' },
          { type: 'tool_use', id: 'toolu_1', name: tool.name, input: { city: 'Paris' } },
        ],
      },
      {
        role: 'user',
        content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'Rain, 12 degrees.' }],
      },
    ],
  },
}

interface Message {
  readonly content: readonly { readonly type: string; readonly text?: string }[]
  readonly stop_reason: string
  readonly stop_sequence: string | null
  readonly usage: { readonly input_tokens: number; readonly output_tokens: number }
}

suite('a real llama.cpp, natively and translated', { skip }, () => {
  const releases: (() => unknown)[] = []
  const whole = { after: (release: () => unknown) => void releases.unshift(release) }
  let gateway: Running['gateway']

  before(async () => {
    ;({ gateway } = await startLlamaCpp(whole))
  })
  after(async () => {
    for (const release of releases) await release()
  })

  async function post(path: string, body: object): Promise<{ way: string | null; text: string }> {
    const headers = { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' }
    const response = await fetch(`${gateway.url}${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    const text = await response.text()
    assert.equal(response.status, 200, text)
    return { way: response.headers.get('x-llm-gateway-way'), text }
  }

  async function messageOf(
    model: string,
    request: object,
  ): Promise<{ way: string | null; message: Message }> {
    const { way, text } = await post('/v1/messages', { ...deterministic, model, max_tokens: 24, ...request })
    return { way, message: JSON.parse(text) as Message }
  }

  for (const [name, request] of Object.entries(conversations)) {
    test(`Messages, ${name}`, async () => {
      const native = await messageOf('gemma', request)
      const translated = await messageOf('gemma-chat', request)
      assert.deepEqual([native.way, translated.way], ['assembled', 'messages_chat'])
      const outcome = ({ message: { content, stop_reason } }: typeof native) => ({
        content: content.map(({ type, text }) => ({ type, text })),
        stop_reason,
      })
      assert.deepEqual(outcome(translated), outcome(native))
      const { usage } = translated.message
      assert.equal(usage.output_tokens, native.message.usage.output_tokens)
    })

    test(`Messages, ${name}, streamed`, async () => {
      const native = await messageOf('gemma', request)
      const { text } = await post('/v1/messages', {
        ...deterministic,
        model: 'gemma-chat',
        max_tokens: 24,
        stream: true,
        ...request,
      })
      const events = text
        .split('\n\n')
        .flatMap((event) => /^data: (.*)$/m.exec(event)?.slice(1) ?? [])
        .map((data) => JSON.parse(data) as { type: string; delta?: { text?: string; stop_reason?: string } })
      assert.equal(events.at(-1)!.type, 'message_stop')
      const streamed = events.map(({ delta }) => delta?.text ?? '').join('')
      assert.equal(streamed, native.message.content.map((block) => block.text ?? '').join(''))
      const reason = events.find(({ type }) => type === 'message_delta')!.delta!.stop_reason
      assert.equal(reason, native.message.stop_reason)
    })
  }

  for (const [name, input] of Object.entries({
    'a text': 'Count from one to ten.',
    'several turns': [
      { type: 'message', role: 'user', content: 'Hello, my name is Ann.' },
      { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Hello Ann.' }] },
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'What is my name?' }] },
    ],
  })) {
    test(`Responses, ${name}`, async () => {
      interface Output {
        readonly type: string
        readonly content?: readonly { readonly type: string; readonly text: string }[]
      }
      const ask = async (model: string) => {
        const request = { ...deterministic, model, input, max_output_tokens: 24, store: false }
        const { way, text } = await post('/v1/responses', request)
        const { output } = JSON.parse(text) as { output: readonly Output[] }
        const texts = output.map(({ type, content = [] }) => [
          type,
          ...content.map((part) => [part.type, part.text]),
        ])
        return { way, texts }
      }
      const [native, translated] = [await ask('gemma'), await ask('gemma-chat')]
      assert.deepEqual([native.way, translated.way], ['assembled', 'responses_chat'])
      assert.deepEqual(translated.texts, native.texts)
    })
  }
})
