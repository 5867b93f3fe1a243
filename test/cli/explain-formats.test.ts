// `explain MODEL --dialect NAME`: which way a call goes to each target, how that is known, and what is carried.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { explainCommand } from '../../src/cli/explain.ts'
import { recordedIo } from '../support/command-io.ts'
import { scratchDirectory, writeScratch } from '../support/config-file.ts'

const config = `server: { hosts: [127.0.0.1], port: 1 }
providers:
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

interface Run {
  readonly json?: boolean
  readonly members?: boolean
  /** The text of the file in which the gateway keeps what probes have shown. */
  readonly probes?: string
}

async function run(t: TestContext, model: string, dialect: string, { probes, ...options }: Run = {}) {
  const state = scratchDirectory(t)
  if (probes !== undefined) writeFileSync(join(state, 'formats.json'), probes)
  const file = writeScratch(t, config)
  const io = recordedIo({ STATE_DIRECTORY: state })
  const code = await explainCommand(io, model, { config: file, dialect, json: false, ...options })
  return { code, ...io.written }
}

function wayIn(stdout: string): string | undefined {
  return /^ +way +(.*)$/m.exec(stdout)?.[1]
}

for (const [model, dialect, way] of [
  ['claude', 'messages', 'pass; speaks messages (kind anthropic)'],
  ['claude', 'chat', 'chat_messages; does not speak chat (kind anthropic); speaks messages (kind anthropic)'],
  [
    'claude',
    'embedding',
    'none: calls are refused with not_translatable; does not speak embedding (kind anthropic)',
  ],
  ['gpt', 'messages', 'messages_chat; does not speak messages (kind openai); speaks chat (kind openai)'],
  ['gpt', 'response', 'pass; speaks responses (kind openai)'],
  [
    'qwen',
    'messages',
    'pass if the server speaks the format, else messages_chat; messages not probed yet; speaks chat (kind openai)',
  ],
  ['qwen', 'chat', 'pass; speaks chat (kind openai)'],
  ['limited', 'responses', 'pass; speaks responses (configured)'],
  ['echo', 'messages', 'messages_chat; does not speak messages (kind echo); speaks chat (kind echo)'],
] as const) {
  test(`calls for ${model} in ${dialect}: ${way}`, async (t) => {
    const { code, stdout } = await run(t, model, dialect)
    assert.equal(code, 0)
    assert.equal(wayIn(stdout), way)
  })
}

suite('what probes have shown', () => {
  const probed = (isSpoken: boolean, more: object = {}) => {
    const finding = {
      address: 'openai http://127.0.0.1:1234/v1',
      foundAtMs: Date.now() - 3.5 * 3_600_000,
      formats: { messages: isSpoken },
      ...more,
    }
    return JSON.stringify({ version: 1, providers: { local: finding } })
  }

  for (const [what, probes, way] of [
    ['that it speaks the format', probed(true), 'pass; speaks messages (probed 3 h 30 min ago)'],
    [
      'that it does not, with its version',
      probed(false, { version: '0.14.0' }),
      'messages_chat; does not speak messages (probed 3 h 30 min ago, version 0.14.0); speaks chat (kind openai)',
    ],
    [
      'nothing of this server, but of another one',
      probed(true, { address: 'openai http://127.0.0.1:9/v1' }),
      'pass if the server speaks the format, else messages_chat; messages not probed yet; speaks chat (kind openai)',
    ],
  ] as const) {
    test(`decides, and is dated: ${what}`, async (t) => {
      const { stdout, stderr } = await run(t, 'qwen', 'messages', { probes })
      assert.deepEqual([wayIn(stdout), stderr], [way, ''])
    })
  }
})

test('of a translation the counts are printed, and what is not carried by name', async (t) => {
  const { stdout } = await run(t, 'gpt', 'messages')
  assert.match(
    stdout,
    /^messages_chat: request {2}\d+ exact, \d+ approximated\n {3}\d+ refused: .*mcp_servers/m,
  )
  assert.match(stdout, /^ {3}\d+ dropped: .*cache_control/m)
  assert.match(stdout, /^messages_chat: response {2}\d+ exact/m)
  assert.match(stdout, /^--members lists all members/m)
  assert.ok(stdout.split('\n').length < 30, stdout)
})

test('with --members each one is printed by how it is carried, and nothing of a way that passes', async (t) => {
  const { stdout } = await run(t, 'gpt', 'messages', { members: true })
  assert.match(stdout, /^messages_chat: request\n {3}exact {9}model\n/m)
  assert.match(stdout, /^ {3}refused +mcp_servers$/m)
  assert.match(stdout, /^messages_chat: response$/m)
  assert.ok(stdout.indexOf('approximated') > stdout.lastIndexOf('exact ', stdout.indexOf('approximated')))
  assert.doesNotMatch((await run(t, 'gpt', 'chat', { members: true })).stdout, /: request/m)
})

test('settings of the file are shown, those of the model in place of its provider’s', async (t) => {
  const { stdout } = await run(t, 'qwen', 'messages')
  assert.match(stdout, /^ +translation +think_tags: true, max_temperature: 0\.5$/m)
})

test('JSON has the ways of each target, and the coverage by way', async (t) => {
  const { targets, coverage } = JSON.parse((await run(t, 'qwen', 'messages', { json: true })).stdout)
  assert.deepEqual(targets[0].formats, {
    ways: [
      { way: 'pass', isCertain: false },
      { way: 'messages_chat', isCertain: true },
    ],
    known: [{ format: 'messages' }, { format: 'chat', isSpoken: true, source: 'kind' }],
    translation: { think_tags: true, max_temperature: 0.5 },
  })
  assert.deepEqual(Object.keys(coverage), ['messages_chat'])
  assert.deepEqual(coverage.messages_chat.request.model, ['exact'])
})

test('an unknown dialect is a failure that names the nearest one', async (t) => {
  const { code, stderr } = await run(t, 'gpt', 'message')
  assert.deepEqual([code, stderr], [1, 'There is no dialect "message". Did you mean "messages"?\n'])
  assert.match((await run(t, 'gpt', 'zzz')).stderr, /Known dialects: chat, responses, messages, /)
})
