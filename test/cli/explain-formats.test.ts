// `explain MODEL --dialect NAME`: which way a call goes to each target, and what is carried.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { explainCommand } from '../../src/cli/explain.ts'
import { recordedIo } from '../support/command-io.ts'
import { writeScratch } from '../support/config-file.ts'

const config = `providers:
  echo: { kind: echo }
  claude: { kind: anthropic }
  openai: { base_url: "https://api.openai.com/v1" }
  local: { base_url: "http://127.0.0.1:1234/v1", translation: { think_tags: true, max_temperature: 1 } }
  limited: { base_url: "http://127.0.0.1:1235/v1", speaks: [responses] }
models:
  echo: { provider: echo }
  claude: { provider: claude }
  gpt: { provider: openai }
  qwen: { provider: local, translation: { max_temperature: 0.5 } }
  limited: { provider: limited }
`

async function run(t: TestContext, model: string, dialect: string, json = false) {
  const file = writeScratch(t, config)
  const io = recordedIo({})
  const code = await explainCommand(io, model, { config: file, dialect, json })
  return { code, ...io.written }
}

for (const [model, dialect, way] of [
  ['claude', 'messages', 'pass'],
  ['claude', 'chat', 'chat_messages'],
  ['claude', 'responses', 'responses_messages'],
  ['claude', 'embedding', 'none: calls are refused with not_translatable'],
  ['gpt', 'messages', 'messages_chat'],
  ['gpt', 'response', 'pass'],
  ['qwen', 'messages', 'pass if the server speaks the format, else messages_chat'],
  ['qwen', 'chat', 'pass'],
  ['limited', 'chat', 'none: calls are refused with not_translatable'],
  ['echo', 'messages', 'messages_chat'],
] as const) {
  test(`calls for ${model} in ${dialect}: ${way}`, async (t) => {
    const { code, stdout } = await run(t, model, dialect)
    assert.equal(code, 0)
    assert.equal(/^ +way +(.*)$/m.exec(stdout)?.[1], way)
  })
}

test('what a translation carries is printed by how it does, and nothing of a way that passes', async (t) => {
  const { stdout } = await run(t, 'gpt', 'messages')
  assert.match(stdout, /^messages_chat: request\n {3}exact {9}model\n/m)
  assert.match(stdout, /^ {3}refused +mcp_servers$/m)
  assert.match(stdout, /^messages_chat: response$/m)
  assert.ok(stdout.indexOf('approximated') > stdout.lastIndexOf('exact ', stdout.indexOf('approximated')))
  assert.doesNotMatch((await run(t, 'gpt', 'chat')).stdout, /: request$/m)
})

test('settings of the file are shown, those of the model in place of its provider’s', async (t) => {
  const { stdout } = await run(t, 'qwen', 'messages')
  assert.match(stdout, /^ +translation +think_tags: true, max_temperature: 0\.5$/m)
})

test('JSON has the ways of each target, and the coverage by way', async (t) => {
  const { targets, coverage } = JSON.parse((await run(t, 'qwen', 'messages', true)).stdout)
  assert.deepEqual(targets[0].formats, {
    ways: [
      { way: 'pass', isCertain: false },
      { way: 'messages_chat', isCertain: true },
    ],
    translation: { think_tags: true, max_temperature: 0.5 },
  })
  assert.deepEqual(Object.keys(coverage), ['messages_chat'])
  assert.deepEqual(coverage.messages_chat.request.model, ['exact'])
})

test('an unknown dialect is a failure that names the nearest one', async (t) => {
  const { code, stderr } = await run(t, 'gpt', 'message')
  assert.deepEqual([code, stderr], [1, 'There is no dialect "message". Did you mean "messages"?\n'])
  assert.match((await run(t, 'gpt', 'zzz')).stderr, /Known dialects: .*chat, .*messages/)
})
