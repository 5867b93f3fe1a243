// Models that providers list: callable, kept up to date, and never more than what the file says otherwise.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { llamaCppList, lmStudioList, ollamaList, vllmList } from '../fixtures/model-lists.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import { after, chunk, hang, json, lastChunk, streamHead, wait } from '../support/upstream-script.ts'
import { call, offered, refreshMs, startAsking, startDiscovering, startModelServer } from './model-servers.ts'
import { providerKey } from '../support/gateway-config.ts'

describe('what a provider lists', () => {
  test('can be called by its full and its short name, and goes upstream as the provider calls it', async (t) => {
    const ollama = await startModelServer(t, 'qwen3:8b')
    const { gateway } = await startDiscovering(t, { ollama })
    for (const name of ['ollama/qwen3:8b', 'qwen3:8b']) {
      assert.deepEqual(await call(t, gateway, name), {
        status: 200,
        code: undefined,
        provider: 'ollama',
        message: '',
      })
    }
    assert.deepEqual(ollama.called(), ['qwen3:8b', 'qwen3:8b'])
  })

  test('is listed under both names, after what the file has', async (t) => {
    const { gateway } = await startDiscovering(t, { ollama: await startModelServer(t, 'qwen3:8b') })
    assert.deepEqual(await offered(t, gateway), {
      echo: 'echo',
      'ollama/qwen3:8b': 'ollama',
      'qwen3:8b': 'ollama',
    })
    const one = await exchange(t, gateway.url, rawRequest('GET /v1/models/ollama/qwen3:8b'))
    assert.equal(JSON.parse(one.body().toString()).owned_by, 'ollama')
  })

  test('is asked for at its base URL, with its key', async (t) => {
    const ollama = await startModelServer(t)
    await startDiscovering(t, { ollama })
    const [request] = ollama.listings()
    assert.equal(request?.target, '/v1/models')
    assert.equal(request.header('authorization'), `Bearer ${providerKey}`)
    assert.equal(request.header('user-agent'), 'llm-gateway/0.0.0-test')
    assert.equal(request.body.length, 0)
  })

  test('is understood of every usual server', async (t) => {
    const lists = { ollama: ollamaList, vllm: vllmList, 'llama-cpp': llamaCppList, lmstudio: lmStudioList }
    const servers = await Promise.all(
      Object.entries(lists).map(async ([name, list]) => {
        const server = await startModelServer(t)
        server.lists(json(200, list))
        return [name, server] as const
      }),
    )
    const { gateway } = await startDiscovering(t, Object.fromEntries(servers))
    const names = [
      'ollama/qwen3:8b',
      'nomic-embed-text',
      'meta-llama/Llama-2-13b-chat-hf',
      'vllm/sql-lora',
      'gemma',
      'lmstudio/qwen2.5-7b-instruct-1m',
    ]
    for (const name of names) assert.equal((await call(t, gateway, name)).status, 200, name)
  })

  test('has the limits that the file gives its full name, under each of its names', async (t) => {
    const more = { rate_limit_settings: { limits: { 'ollama/m:latest': { rpm: 2 } } } }
    const { gateway } = await startDiscovering(t, { ollama: await startModelServer(t, 'm:latest') }, more)
    assert.equal((await call(t, gateway, 'ollama/m:latest')).status, 200)
    assert.equal((await call(t, gateway, 'm')).status, 200)
    const refused = await call(t, gateway, 'm:latest')
    assert.deepEqual([refused.status, refused.code], [429, 'rate_limit_exceeded'])
  })

  test('stands in the report of limits once, by its full name', async (t) => {
    const more = { rate_limit_settings: { default: { rpm: 5 } } }
    const { gateway } = await startDiscovering(t, { ollama: await startModelServer(t, 'm:latest') }, more)
    await call(t, gateway, 'm')
    const response = await exchange(t, gateway.url, rawRequest('GET /v1/limits'))
    const { data } = JSON.parse(response.body().toString()) as {
      data: { model: string; used: { requests: number } }[]
    }
    assert.deepEqual(
      data.map(({ model, used }) => [model, used.requests]),
      [
        ['echo', 0],
        ['ollama/m:latest', 1],
      ],
    )
  })

  test('may have two thousand names, and what is more is counted', async (t) => {
    const many = await startModelServer(t, ...Array.from({ length: 2_005 }, (_, index) => `m${index}`))
    const { gateway } = await startDiscovering(t, { many })
    assert.equal((await call(t, gateway, 'm1999')).status, 200)
    assert.equal((await call(t, gateway, 'm2000')).status, 404)
    assert.equal(Object.keys(await offered(t, gateway)).length, 4_001)
    assert.equal((await gateway.logged({ event: 'models_discovered' }))['skipped'], 5)
  })

  test('can be what another model falls back to', async (t) => {
    const [ollama, broken] = [await startModelServer(t, 'm'), await startModelServer(t)]
    broken.respondsToCalls(json(500, { error: { message: 'broken' } }))
    const more = { models: { first: { provider: 'broken', fallbacks: ['ollama/m'] } } }
    const { gateway } = await startDiscovering(t, { ollama, broken }, more)
    assert.equal((await call(t, gateway, 'first')).provider, 'ollama')
  })
})

describe('a list is looked at again', () => {
  test('every half a minute: what is new can be called, what is gone can not', async (t) => {
    const ollama = await startModelServer(t, 'old', 'kept')
    const { gateway, clock } = await startDiscovering(t, { ollama })
    ollama.has('kept', 'new')
    clock.advance(refreshMs)
    await gateway.logged({ event: 'models_discovered', added: 1, removed: 1 })
    assert.deepEqual(Object.keys(await offered(t, gateway)).sort(), [
      'echo',
      'kept',
      'new',
      'ollama/kept',
      'ollama/new',
    ])
    assert.equal((await call(t, gateway, 'new')).status, 200)
    for (const name of ['old', 'ollama/old']) {
      const { status, code } = await call(t, gateway, name)
      assert.deepEqual([status, code], [404, 'model_not_found'])
    }
  })

  test('while a call to a model that goes away is under way: it ends as it began', async (t) => {
    const ollama = await startModelServer(t, 'm')
    const { gateway, clock } = await startDiscovering(t, { ollama })
    const gate = Promise.withResolvers<void>()
    const event = (text: string) => chunk(`data: {"choices":[{"delta":{"content":"${text}"}}]}\n\n`)
    ollama.respondsToCalls([
      streamHead(),
      event('one'),
      wait(gate.promise),
      event('two'),
      chunk('data: [DONE]\n\n'),
      lastChunk,
    ])
    const body = '{"model":"m","stream":true}'
    const answer = exchange(t, gateway.url, rawRequest('POST /v1/chat/completions', {}, body))
    await ollama.nextRequest()
    await ollama.nextRequest()
    ollama.has()
    clock.advance(refreshMs)
    await gateway.logged({ event: 'models_discovered', removed: 1 })
    gate.resolve()
    assert.match((await answer).body().toString(), /one[^]*two[^]*\[DONE\]/)
  })

  test('by a call for a name that nobody knew: what has just been pulled is there', async (t) => {
    const ollama = await startModelServer(t, 'old')
    const { gateway, clock } = await startDiscovering(t, { ollama })
    ollama.has('old', 'pulled')
    clock.advance(5_000)
    assert.equal((await call(t, gateway, 'pulled')).status, 200)
    assert.deepEqual(ollama.called(), ['pulled'])
  })
})

describe('a call that comes before the first list', () => {
  test('waits for it', async (t) => {
    const ollama = await startModelServer(t)
    const gate = Promise.withResolvers<void>()
    ollama.lists(after(gate.promise, json(200, { data: [{ id: 'm' }] })))
    const { gateway } = await startAsking(t, { ollama })
    const answer = call(t, gateway, 'm')
    await ollama.nextRequest()
    gate.resolve()
    assert.equal((await answer).status, 200)
  })

  test('does not wait where its name is known', async (t) => {
    const ollama = await startModelServer(t)
    ollama.lists([hang])
    const { gateway } = await startAsking(t, { ollama })
    assert.equal((await call(t, gateway, 'echo')).status, 200)
    assert.equal((await exchange(t, gateway.url, rawRequest('GET /readyz'))).status, 200)
  })
})

describe('a name that two providers list', () => {
  test('is refused with the names that lead somewhere', async (t) => {
    const servers = { ollama: await startModelServer(t, 'm'), vllm: await startModelServer(t, 'm') }
    const { gateway } = await startDiscovering(t, servers)
    const { status, message } = await call(t, gateway, 'm')
    assert.equal(status, 404)
    assert.match(message, /use "ollama\/m" or "vllm\/m"/)
    assert.deepEqual(Object.keys(await offered(t, gateway)), ['echo', 'ollama/m', 'vllm/m'])
    assert.equal((await call(t, gateway, 'vllm/m')).provider, 'vllm')
  })

  test('is free again when one of them has it no more', async (t) => {
    const servers = { ollama: await startModelServer(t, 'm'), vllm: await startModelServer(t, 'm') }
    const { gateway, clock } = await startDiscovering(t, servers)
    servers.ollama.has()
    clock.advance(refreshMs)
    await gateway.logged({ event: 'models_discovered', provider: 'ollama', removed: 1 })
    assert.equal((await call(t, gateway, 'm')).provider, 'vllm')
  })
})

test('a name of the file keeps its meaning, whatever is listed', async (t) => {
  const [ollama, cloud] = [await startModelServer(t, 'gpt-5', 'named', 'other'), await startModelServer(t)]
  const more = {
    models: { named: { provider: 'cloud', aliases: ['other'] }, 'gpt-*': { provider: 'cloud' } },
  }
  const { gateway } = await startDiscovering(t, { ollama, cloud }, more)
  for (const name of ['named', 'other', 'gpt-5']) {
    assert.equal((await call(t, gateway, name)).provider, 'cloud', name)
    assert.equal((await call(t, gateway, `ollama/${name}`)).provider, 'ollama', name)
  }
})
