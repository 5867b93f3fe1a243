// Anthropic's and OpenAI's Python SDKs read translated answers: what they make of a stream is what they make of a whole answer.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'

import { startGateway } from '../support/app.ts'
import { emptyFolder, missingPython, python, start } from './programs.ts'
import { createToolCallingModel } from './tool-calling-model.ts'

const skip = missingPython('LLM_GATEWAY_TEST_PYTHON', ['anthropic', 'openai'], 'anthropic openai')

interface Read {
  readonly name: string
  readonly streamed: Record<string, unknown>
  readonly whole: Record<string, unknown>
}

test("Python's SDKs read the same from a translated stream and a whole answer", { skip }, async (t) => {
  const { gateway, upstreams } = await startGateway(t, {
    providers: { chat: { speaks: ['chat'] }, messages: { speaks: ['messages'] } },
    models: {
      'chat-text': { provider: 'chat', model: 'text' },
      'chat-tool': { provider: 'chat', model: 'tool' },
      'messages-text': { provider: 'messages', model: 'text' },
      'messages-tool': { provider: 'messages', model: 'tool' },
    },
  })
  const call = { name: 'get_weather', arguments: { city: 'Paris' } }
  const [text, tool] = [true, false].map((isDone) => createToolCallingModel('rain', call, () => isDone))
  for (const upstream of Object.values(upstreams)) {
    upstream.respondAlways((request) =>
      request.body.includes('"model":"text"') ? text!(request) : tool!(request),
    )
  }
  const folder = emptyFolder(t)
  const script = join(import.meta.dirname, 'python_translated.py')
  const { status, stdout, stderr } = await start(t, python!, [script, gateway.url], {
    folder,
    env: { HOME: folder },
  }).ended
  assert.equal(status, 0, stderr)
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Read)
  assert.equal(lines.length, 8)
  const counts = ['output_tokens']
  for (const { name, streamed, whole } of lines) {
    // The model counts each answer differently.
    const [one, other] = [streamed, whole].map((read) =>
      Object.fromEntries(Object.entries(read).filter(([member]) => !counts.includes(member))),
    )
    assert.deepEqual(one, other, name)
    const words = name.endsWith('text') ? ['rain'] : ['get_weather', 'Paris']
    for (const word of words) assert.ok(JSON.stringify(one).includes(word), name)
  }
})
