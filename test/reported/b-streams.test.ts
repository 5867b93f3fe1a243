// What clients of streams met: usage that was asked for behind their backs, heartbeats and errors that their SDKs do not take.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { post } from '../support/calls.ts'
import { delta, messages } from '../support/chat-content.ts'
import { chunk, lastChunk, sse, streamHead } from '../support/upstream-script.ts'
import { startGateway } from '../support/app.ts'

const written = (payloads: readonly string[]) => payloads.map((payload) => `data: ${payload}\n\n`).join('')

suite('a stream whose usage only the gateway asked for comes as if it had not', () => {
  const usage = { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 }
  const envelope = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm' }
  const last = JSON.stringify({ ...envelope, choices: [], usage, obfuscation: '' })

  test("without OpenAI's null usage in every chunk, wherever it stands, in one write per chunk of the provider", async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const choices = (content: string) => [{ index: 0, delta: { content }, finish_reason: null }]
    const tool = [
      {
        index: 0,
        delta: { tool_calls: [{ index: 0, function: { name: 'usage', arguments: '{"usage":null}' } }] },
      },
    ]
    const asked = [
      JSON.stringify({ ...envelope, choices: choices('a'), usage: null }),
      JSON.stringify({ usage: null, ...envelope, choices: choices('b') }),
      JSON.stringify({ ...envelope, usage: null, choices: choices('"usage":null') }),
      JSON.stringify({ ...envelope, choices: tool, usage: null, obfuscation: 'x}' }),
      `{"choices": [{"index": 0, "delta": {"content": "c", "usage": null}}], "usage": null, "model": "m"}`,
    ]
    const plain = [
      JSON.stringify({ ...envelope, choices: choices('a') }),
      JSON.stringify({ ...envelope, choices: choices('b') }),
      JSON.stringify({ ...envelope, choices: choices('"usage":null') }),
      JSON.stringify({ ...envelope, choices: tool, obfuscation: 'x}' }),
      `{"choices": [{"index": 0, "delta": {"content": "c", "usage": null}}], "model": "m"}`,
    ]
    upstream.respond([streamHead(), chunk(written(asked)), chunk(written([last, '[DONE]'])), lastChunk])
    const body = await (await post(gateway, { model: 'plain', stream: true, messages })).text()
    assert.equal(body, written([...plain, '[DONE]']))

    for (const splitAt of ['every byte', [100, 300, 500]] as const) {
      upstream.respond(sse([...asked, last, '[DONE]'], { splitAt }))
      const again = await (await post(gateway, { model: 'plain', stream: true, messages })).text()
      assert.equal(again, written([...plain, '[DONE]']))
    }
  })

  test('and one whose client asked comes as it is', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const events = [delta('a', { usage: null }), last, '[DONE]']
    upstream.respond(sse(events))
    const asking = { model: 'plain', stream: true, messages, stream_options: { include_usage: true } }
    assert.equal(await (await post(gateway, asking)).text(), written(events))
  })
})
