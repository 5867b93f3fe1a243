// Two real llama.cpp servers with contexts of different lengths: a growing conversation is answered to its end.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { startGateway } from '../support/app.ts'
import { post } from '../support/calls.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { missingLlamaCpp } from './llama-cpp.ts'
import { emptyFolder, python, start } from './programs.ts'

/** Of two slots, each of which has half. */
async function startServer(t: Cleanup, context: number): Promise<string> {
  const folder = emptyFolder(t)
  const env = { HOME: folder, TEST_CONTEXT: String(context) }
  const script = join(import.meta.dirname, 'llama_server.py')
  return start(t, python!, [script], { folder, env, hasInput: true }).firstLine
}

test('a conversation outgrows the smaller server', { skip: missingLlamaCpp() }, async (t) => {
  const [small, large] = [await startServer(t, 1024), await startServer(t, 4096)]
  const { gateway } = await startGateway(t, {
    providers: {
      small: { base_url: `${small}/v1`, kind: 'llama_cpp' },
      large: { base_url: `${large}/v1`, kind: 'llama_cpp' },
      // Its estimate is wrong on purpose: the server's own count mends it.
      boastful: { base_url: `${small}/v1`, kind: 'llama_cpp', context_length: 100_000 },
    },
    models: {
      chat: {
        targets: ['small', 'large'].map((provider, at) => ({ provider, model: 'gemma-270m', tier: at + 1 })),
      },
      wrong: { provider: 'boastful', model: 'gemma-270m', fallbacks: ['large'] },
      large: { provider: 'large', model: 'gemma-270m' },
      small: { provider: 'boastful', model: 'gemma-270m' },
    },
  })
  const ask = (model: string, words: number) =>
    post(gateway, { model, max_tokens: 4, messages: [{ role: 'user', content: 'word '.repeat(words) }] })
  const places: (string | null)[] = []
  for (const words of [50, 150, 700, 900]) {
    const response = await ask('chat', words)
    assert.equal(response.status, 200, await response.text())
    places.push(response.headers.get('x-llm-gateway-provider'))
  }
  assert.deepEqual(places, ['small', 'small', 'large', 'large'])

  const mended = await ask('wrong', 900)
  assert.deepEqual([mended.status, mended.headers.get('x-llm-gateway-provider')], [200, 'large'])
  const refused = await ask('small', 900)
  const { error } = (await refused.json()) as { error: { code: string; n_ctx: number } }
  assert.deepEqual([refused.status, error.code, error.n_ctx], [400, 'context_length_exceeded', 512])
})
