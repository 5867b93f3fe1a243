// Ollama's Python library and LangChain's ChatOllama: what they make of a stream is what they make of a whole answer.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { startGateway } from '../support/app.ts'
import { missingLlamaCpp, startLlamaCpp } from './llama-cpp.ts'
import { emptyFolder, missingPython, python, start } from './programs.ts'
import { createToolCallingModel } from './tool-calling-model.ts'

const clients = ['ollama', 'langchain-ollama']

interface Read {
  readonly name: string
  readonly streamed: Record<string, unknown>
  readonly whole: Record<string, unknown>
}

async function read(
  t: TestContext,
  url: string,
  kind: 'text' | 'tools',
  models: readonly string[],
): Promise<readonly Read[]> {
  const folder = emptyFolder(t)
  const script = join(import.meta.dirname, 'python_ollama.py')
  const { status, stdout, stderr } = await start(t, python!, [script, url, kind, ...models], {
    folder,
    env: { HOME: folder },
  }).ended
  assert.equal(status, 0, stderr)
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Read)
}

suite("Python's clients of Ollama", () => {
  const modules = clients.map((name) => name.replaceAll('-', '_'))
  const skip = missingPython('LLM_GATEWAY_TEST_PYTHON', modules, clients.join(' '))

  test('read the same of a translated stream and a whole answer', { skip }, async (t) => {
    const { gateway, upstreams } = await startGateway(t, {
      providers: { chat: { speaks: ['chat'] }, messages: { speaks: ['messages'] } },
      models: {
        'chat-tool': { provider: 'chat', model: 'tool' },
        'messages-tool': { provider: 'messages', model: 'tool' },
      },
    })
    const call = { name: 'get_weather', arguments: { city: 'Paris' } }
    const model = createToolCallingModel('rain', call, () => false)
    for (const upstream of Object.values(upstreams)) upstream.respondAlways((request) => model(request))
    const lines = await read(t, gateway.url, 'tools', ['chat-tool', 'messages-tool'])
    const lists = lines.at(-1)!
    assert.deepEqual(lists.streamed['names'], ['chat-tool:latest', 'messages-tool:latest'])
    assert.equal(lines.length, 5)
    for (const { name, streamed, whole } of lines.slice(0, -1)) {
      assert.deepEqual(streamed, whole, name)
      assert.ok(JSON.stringify(streamed).includes('Paris'), name)
    }
  })

  test('read a real llama.cpp', { skip: missingLlamaCpp(...clients) }, async (t) => {
    const { gateway } = await startLlamaCpp(t)
    const lines = await read(t, gateway.url, 'text', ['gemma'])
    assert.equal(lines.length, 4)
    for (const { name, streamed, whole } of lines.slice(0, -1)) {
      assert.deepEqual(streamed, whole, name)
      assert.ok(String(streamed['text']).length > 0, name)
      assert.equal(streamed['done'], 'length', name)
    }
  })
})
