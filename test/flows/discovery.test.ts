// Models that providers list: callable, kept up to date, and never more than what the file says otherwise.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import {
  llamaCppList,
  llamaSwapList,
  lmStudioList,
  ollamaList,
  routerList,
  vllmList,
} from '../fixtures/model-lists.ts'
import { whole } from '../support/chat-content.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import { after, chunk, hang, json, lastChunk, streamHead, wait } from '../support/upstream-script.ts'
import {
  call,
  type ModelServer,
  offered,
  refreshMs,
  startAsking,
  startDiscovering,
  startModelServer,
} from './model-servers.ts'
import { startGateway } from '../support/app.ts'
import { at, providerKey } from '../support/gateway-config.ts'

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
    const { status, code } = await call(t, gateway, 'old')
    assert.deepEqual([status, code], [404, 'model_not_found'])
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

describe('a name that two local providers list', () => {
  test('is one model with both as targets, and each has its full name besides', async (t) => {
    const servers = { ollama: await startModelServer(t, 'm'), vllm: await startModelServer(t, 'm') }
    const { gateway } = await startDiscovering(t, servers)
    assert.equal((await call(t, gateway, 'm')).status, 200)
    assert.deepEqual(Object.keys(await offered(t, gateway)).sort(), ['echo', 'm', 'ollama/m', 'vllm/m'])
    assert.equal((await call(t, gateway, 'vllm/m')).provider, 'vllm')
  })

  test('is answered by the other one when one of them fails', async (t) => {
    const servers = { one: await startModelServer(t, 'm'), other: await startModelServer(t, 'm') }
    servers.one.respondsToCalls(json(500, { error: { message: 'broken' } }))
    const { gateway } = await startDiscovering(t, servers)
    for (const _ of [1, 2]) {
      const { status, provider } = await call(t, gateway, 'm')
      assert.deepEqual([status, provider], [200, 'other'])
    }
  })

  test('has limits of its own, by its id', async (t) => {
    const servers = {
      one: await startModelServer(t, 'm:latest'),
      other: await startModelServer(t, 'm:latest'),
    }
    const more = { rate_limit_settings: { limits: { 'm:latest': { rpm: 2 } } } }
    const { gateway } = await startDiscovering(t, servers, more)
    assert.equal((await call(t, gateway, 'm')).status, 200)
    assert.equal((await call(t, gateway, 'm:latest')).status, 200)
    assert.equal((await call(t, gateway, 'm')).status, 429)
    assert.equal((await call(t, gateway, 'one/m')).status, 200)
  })

  test('is a model of one of them when the other has it no more', async (t) => {
    const servers = { ollama: await startModelServer(t, 'm'), vllm: await startModelServer(t, 'm') }
    const { gateway, clock } = await startDiscovering(t, servers)
    servers.ollama.has()
    clock.advance(refreshMs)
    await gateway.logged({ event: 'models_discovered', provider: 'ollama', removed: 1 })
    assert.equal((await call(t, gateway, 'm')).provider, 'vllm')
  })
})

describe('a name that a provider does not list', () => {
  test('is asked of the provider that it begins with, which has the last word', async (t) => {
    const ollama = await startModelServer(t, 'm')
    const missing = { error: { message: "model 'new' not found", type: 'not_found_error' } }
    const { gateway } = await startDiscovering(t, { ollama })
    assert.equal((await call(t, gateway, 'ollama/just-pulled')).status, 200)
    ollama.respondsToCalls(json(404, missing))
    const { status, message } = await call(t, gateway, 'ollama/new')
    assert.equal(status, 404)
    assert.match(message, /not found/)
    assert.deepEqual(ollama.called(), ['just-pulled', 'new'])
    assert.ok(!('ollama/new' in (await offered(t, gateway))))
  })

  test('shares the limits of all such names', async (t) => {
    const more = { rate_limit_settings: { limits: { 'ollama/*': { rpm: 1 } } } }
    const { gateway } = await startDiscovering(t, { ollama: await startModelServer(t, 'm') }, more)
    assert.equal((await call(t, gateway, 'ollama/a')).status, 200)
    assert.equal((await call(t, gateway, 'ollama/b')).status, 429)
    assert.equal((await call(t, gateway, 'ollama/m')).status, 200)
  })

  test('is asked for without what clients add to names', async (t) => {
    const lan = await startModelServer(t, 'm')
    lan.respondsToCalls(whole())
    const { gateway } = await startDiscovering(t, { lan })
    for (const model of ['lan/m:latest', 'lan/new:latest']) {
      const body = { model, messages: [{ role: 'user', content: 'hi' }], stream: false }
      await exchange(t, gateway.url, rawRequest('POST /api/chat', {}, JSON.stringify(body)))
    }
    assert.deepEqual(lan.called(), ['m', 'new'])
  })

  test('leads nowhere where the models of its provider are not discovered', async (t) => {
    const { gateway } = await startDiscovering(t, { ollama: await startModelServer(t, 'm') })
    assert.equal((await call(t, gateway, 'echo/any')).status, 404)
  })
})

describe('a model of Ollama is found', () => {
  for (const name of ['llama3', 'llama3:latest', 'Llama3', 'library/llama3', 'library/LLAMA3:latest']) {
    test(`as ${name}, alone and in full`, async (t) => {
      const ollama = await startModelServer(t, 'llama3:latest', 'qwen3:8b')
      const { gateway } = await startDiscovering(t, { ollama })
      for (const asked of [name, `ollama/${name}`]) assert.equal((await call(t, gateway, asked)).status, 200)
      const listed = new Set(['llama3', 'llama3:latest'])
      assert.ok(ollama.called().every((each) => listed.has(each)))
      assert.equal((await call(t, gateway, 'registry.ollama.ai/library/Qwen3:8B')).status, 200)
      assert.equal(ollama.called().at(-1), 'qwen3:8b')
    })
  }

  test('by the other spellings of a name of the file, if its provider is one', async (t) => {
    const server = await startModelServer(t)
    const setup = (kind: 'ollama' | 'openai') => ({
      providers: { box: at(server, { kind }) },
      models: { 'llama3:8b': { provider: 'box' } },
    })
    const ollama = await startGateway(t, setup('ollama'))
    const { status } = await call(t, ollama.gateway, 'Library/Llama3:8B')
    assert.deepEqual([status, server.called()], [200, ['llama3:8b']])
    const other = await startGateway(t, setup('openai'))
    assert.equal((await call(t, other.gateway, 'Llama3:8B')).status, 404)
  })
})

test('what a router lists of its command lines and paths does not pass, and its state does', async (t) => {
  const server = await startModelServer(t)
  server.lists(json(200, routerList))
  const { gateway } = await startDiscovering(t, { router: server })
  const response = await exchange(t, gateway.url, rawRequest('GET /v1/models/gemma'))
  assert.deepEqual(JSON.parse(response.body().toString()), {
    id: 'gemma',
    object: 'model',
    created: 1763769600,
    owned_by: 'router',
    architecture: { input_modalities: ['text', 'image'], output_modalities: ['text'] },
    meta: { n_ctx: 2048, n_ctx_train: 32768 },
    status: { value: 'loaded' },
  })
  const list = await exchange(t, gateway.url, rawRequest('GET /v1/models'))
  assert.doesNotMatch(list.body().toString(), /srv|--model|preset|args/)
})

test("llama-swap's further names of a model are names", async (t) => {
  const server = await startModelServer(t)
  server.lists(json(200, llamaSwapList))
  const { gateway } = await startDiscovering(t, { swap: server })
  for (const name of ['gemma-small', 'little', 'swap/little']) {
    assert.equal((await call(t, gateway, name)).status, 200, name)
  }
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

for (const wildcard of ['*', 'o*']) {
  test(`${wildcard} leads to a name of a provider that has listed nothing yet, after a reload too`, async (t) => {
    const servers = [await startModelServer(t), await startModelServer(t)] as const
    for (const server of servers) server.lists([hang])
    const providerAt = ({ url }: ModelServer) => ({
      base_url: `${url}/v1`,
      discover_models: true,
      speaks: ['chat' as const],
    })
    const { gateway } = await startGateway(t, {
      providers: { oa: providerAt(servers[0]) },
      models: { [wildcard]: { use: 'oa/m' } },
    })
    assert.equal((await call(t, gateway, 'other')).provider, 'oa')
    await gateway.reload({
      providers: { ob: providerAt(servers[1]) },
      models: { [wildcard]: { use: 'ob/m' } },
    })
    assert.equal((await call(t, gateway, 'other')).provider, 'ob')
    assert.deepEqual([servers[0].called(), servers[1].called()], [['m'], ['m']])
  })
}
