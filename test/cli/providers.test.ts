// `llm-gateway providers`, against gateways in processes of their own.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { providersCommand } from '../../src/cli/providers.ts'
import { chat } from '../support/calls.ts'
import { recordedIo } from '../support/command-io.ts'
import { defaultEnv } from '../support/gateway-config.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { json } from '../support/upstream-script.ts'

const usage = {
  prompt_tokens: 40,
  completion_tokens: 2,
  total_tokens: 42,
  prompt_tokens_details: { cached_tokens: 30 },
}
const answer = {
  id: 'a',
  object: 'chat.completion',
  created: 1,
  model: 'scripted',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
  usage,
}

async function started(t: TestContext) {
  const { gateway, upstream } = await startGatewayProcess(t)
  upstream.respondAlways(json(200, answer))
  const run = async (name?: string, isJson = false) => {
    const io = recordedIo({ HOME: gateway.folder, ...defaultEnv })
    const status = await providersCommand(io, name, { config: undefined, json: isJson })
    return { status, ...io.written }
  }
  return { gateway, run }
}

test('shows what a server does and how much came from its cache', async (t) => {
  const { gateway, run } = await started(t)
  await chat(gateway, 'plain')
  const { status, stdout, stderr } = await run('scripted')
  assert.deepEqual([status, stderr], [0, ''])
  assert.match(stdout, /^scripted \(openai\) http:\/\/127\.0\.0\.1:\d+: ok\n/)
  assert.match(stdout, /\n {2}0 under way, 0 in line, from its cache 75 %, reads -, writes -\n/)
  assert.match(stdout, /\n {2}model +context +state +takes\n/)
  const [provider] = JSON.parse((await run(undefined, true)).stdout) as Record<string, unknown>[]
  assert.partialDeepStrictEqual(provider, { name: 'scripted', waiting: 0, slots: null, cached_share: 0.75 })
})

test('suggests the name that a mistyped one means', async (t) => {
  const { run } = await started(t)
  const { status, stdout, stderr } = await run('scriptd')
  assert.deepEqual([status, stdout], [1, ''])
  assert.match(stderr, /^error: the gateway has no provider "scriptd"\. Did you mean "scripted"\?\n$/)
})
