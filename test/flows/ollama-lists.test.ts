// What Ollama's own API says of models, on the wire and through the official client.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Ollama } from 'ollama'

import type { RawProvider } from '../../src/config/raw.ts'
import { type Running, startGateway } from '../support/app.ts'
import { json } from '../support/upstream-script.ts'
import { startDiscovering, startModelServer } from './model-servers.ts'

const entry = { id: 'gemma', object: 'model', created: 1_700_000_000, meta: { n_ctx: 4096 } }

suite('the lists of Ollama’s own API', () => {
  test('have all members that clients need', async (t) => {
    const { gateway } = await startGateway(t, { models: { small: { provider: 'scripted' } } })
    const client = new Ollama({ host: gateway.url })
    const { models } = await client.list()
    assert.equal(models.length, 1)
    const { name, model, digest, size, details } = models[0]!
    assert.deepEqual([name, model, size, details.families], ['small:latest', 'small:latest', 0, []])
    assert.match(digest, /^[0-9a-f]{64}$/)
    assert.deepEqual((models[0] as { capabilities?: unknown }).capabilities, ['completion', 'tools'])
    assert.deepEqual(await client.ps(), { models: [] })
    assert.match((await client.version()).version, /^\d+\.\d+\.\d+$/)
    assert.equal((await fetch(gateway.url, { method: 'HEAD' })).status, 200)
  })

  test('show what models take as far as their providers list it', async (t) => {
    const server = await startModelServer(t)
    const seeing = { id: 'seeing', architecture: { input_modalities: ['text', 'image'] } }
    server.lists(json(200, { object: 'list', data: [{ ...seeing, context_length: 8192 }, { id: 'other' }] }))
    const { gateway } = await startDiscovering(t, { server })
    const client = new Ollama({ host: gateway.url })
    const shown = async (model: string) => {
      const { capabilities, model_info: info } = await client.show({ model })
      const { ['unknown.context_length']: length } = info as unknown as Record<string, unknown>
      return [capabilities, length]
    }
    assert.deepEqual(await shown('seeing'), [['completion', 'vision', 'tools'], 8192])
    assert.deepEqual(await shown('other'), [['completion', 'tools'], undefined])
  })

  test('come from every thread', async (t) => {
    const { gateway } = await startGateway(t, {
      server: { workers: 2 },
      models: { small: { provider: 'scripted' } },
    })
    const client = new Ollama({ host: gateway.url })
    const { models } = await client.list()
    assert.deepEqual(
      models.map(({ name }) => name),
      ['small:latest'],
    )
    assert.deepEqual(await client.ps(), { models: [] })
  })

  test('have only the models that the client may use', async (t) => {
    const models = { small: { provider: 'scripted' }, secret: { provider: 'scripted' } }
    const { gateway } = await startGateway(t, { models, clients: { default: { models: ['small'] } } })
    const client = new Ollama({ host: gateway.url })
    const { models: visible } = await client.list()
    assert.deepEqual(
      visible.map(({ name }) => name),
      ['small:latest'],
    )
    await assert.rejects(client.show({ model: 'secret' }), { status_code: 403 })
  })

  test('show what is known of a model, and never the file that it was made from', async (t) => {
    const server = await startModelServer(t)
    server.lists(json(200, { object: 'list', data: [entry] }))
    const { gateway } = await startDiscovering(t, { server })
    const client = new Ollama({ host: gateway.url })
    const shown = await client.show({ model: 'gemma:latest' })
    const info = shown.model_info as unknown as Record<string, unknown>
    assert.equal(info['unknown.context_length'], 4096)
    assert.equal(info['general.architecture'], 'unknown')
    assert.equal(shown.modelfile, undefined)
    assert.equal(String(shown.modified_at), '2023-11-14T22:13:20.000Z')
    await assert.rejects(client.show({ model: 'gemmo' }), { status_code: 404, message: /gemma/ })
    const ofProgram = JSON.stringify({ model: '', system: '', template: '', options: null, name: 'gemma' })
    assert.equal((await fetch(`${gateway.url}/api/show`, { method: 'POST', body: ofProgram })).status, 200)
    for (const body of ['', '[]', '{"model":1}', '{"model":""}']) {
      const response = await fetch(`${gateway.url}/api/show`, { method: 'POST', body })
      const { error } = (await response.json()) as { error: unknown }
      assert.deepEqual([response.status, typeof error], [400, 'string'])
    }
  })
})

suite('a model without a tag', () => {
  const chat = [{ role: 'user', content: 'Hi' }]
  const providers: { scripted: RawProvider } = { scripted: { speaks: ['chat'] } }
  const choice = { index: 0, message: { role: 'assistant', content: 'a' }, finish_reason: 'stop' }
  const usage = { prompt_tokens: 2, completion_tokens: 1, total_tokens: 3 }
  const answer = { id: 'x', object: 'chat.completion', created: 1, model: 'up', choices: [choice], usage }

  test('has the one that clients add before they look it up, and is there once', async (t) => {
    const server = await startModelServer(t)
    const data = [{ id: 'phi:latest' }, { id: 'qwen:8b' }, { id: 'openai/gpt:free' }]
    server.lists(json(200, { object: 'list', data }))
    const { gateway } = await startDiscovering(t, { server })
    const { models } = await new Ollama({ host: gateway.url }).list()
    const names = models.map(({ name }) => name)
    assert.deepEqual(names.toSorted(), [
      'echo:latest',
      'openai/gpt:free',
      'phi:latest',
      'qwen:8b',
      'server/openai/gpt:free',
      'server/phi:latest',
      'server/qwen:8b',
    ])
  })

  test('is served by the name of the list in every format, with or without a wildcard', async (t) => {
    const own = { own: { provider: 'scripted', model: 'up' } }
    for (const models of [own, { ...own, '*': { provider: 'scripted', model: '*' } }]) {
      const { gateway, upstream }: Running = await startGateway(t, { providers, models })
      upstream.respondAlways(json(200, answer))
      const [listed] = (await new Ollama({ host: gateway.url }).list()).models
      for (const path of ['/api/chat', '/v1/chat/completions', '/v1/messages']) {
        const body = JSON.stringify({ model: listed!.model, messages: chat, stream: false, max_tokens: 9 })
        const response = await fetch(gateway.url + path, {
          method: 'POST',
          body,
          headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
        })
        assert.equal(response.status, 200, `${path} ${await response.text()}`)
        assert.equal(JSON.parse((await upstream.nextRequest()).body.toString()).model, 'up', path)
      }
      const line = await gateway.logged({ event: 'call' })
      assert.deepEqual([line['model'], line['asked']], ['own', 'own:latest'])
      assert.equal((await fetch(`${gateway.url}/v1/models/own:latest`)).status, 200)
      const shown = await new Ollama({ host: gateway.url }).show({ model: 'own:latest' })
      assert.equal((shown.model_info as unknown as Record<string, unknown>)['general.basename'], 'own')
    }
  })

  test('that has another model of the full name beside it is not taken for it', async (t) => {
    const models = {
      m: { provider: 'scripted', model: 'plain' },
      'm:latest': { provider: 'scripted', model: 'tagged' },
    }
    const { gateway, upstream } = await startGateway(t, { providers, models })
    upstream.respondAlways(json(200, answer))
    for (const [model, sent] of [
      ['m', 'plain'],
      ['m:latest', 'tagged'],
    ]) {
      const client = new Ollama({ host: gateway.url })
      await client.chat({ model: model!, messages: chat, stream: false })
      assert.equal(JSON.parse((await upstream.nextRequest()).body.toString()).model, sent)
    }
  })
})

suite('embeddings', () => {
  test('come with the numbers as they were written, in the order of the input', async (t) => {
    const { gateway, upstream } = await startGateway(t, { models: { small: { provider: 'scripted' } } })
    const data = '[{"index":1,"embedding":[3.0,4e-1]},{"index":0,"embedding":[1.50,-2]}]'
    const body = `{"object":"list","data":${data},"usage":{"prompt_tokens":6,"total_tokens":6}}`
    upstream.respondAlways(json(200, JSON.parse(body)))
    const client = new Ollama({ host: gateway.url })
    const { embeddings, prompt_eval_count } = await client.embed({ model: 'small', input: ['a', 'b'] })
    assert.deepEqual(embeddings, [
      [1.5, -2],
      [3, 0.4],
    ])
    assert.equal(prompt_eval_count, 6)
    const { embedding } = await client.embeddings({ model: 'small', prompt: 'a' })
    assert.deepEqual(embedding, [1.5, -2])
    const sent = upstream.requests.map(({ target, body: bytes }) => [target, JSON.parse(bytes.toString())])
    assert.deepEqual(sent, [
      ['/v1/embeddings', { model: 'small', input: ['a', 'b'] }],
      ['/v1/embeddings', { model: 'small', input: 'a' }],
    ])
    await gateway.logged({ dialect: 'ollama_embed', way: 'ollama_embedding', prompt_tokens: 6 })
  })
})
