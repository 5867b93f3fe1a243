// Which format a provider is asked in, where neither the file nor its kind tells, on the wire.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import type { RawProvider } from '../../src/config/raw.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { type Options, startGateway, type TestGateway } from '../support/app.ts'
import { chat, post } from '../support/calls.ts'
import { whole } from '../support/chat-content.ts'
import { at } from '../support/gateway-config.ts'
import { helloMessage } from '../support/message-events.ts'
import { type ReceivedRequest, refusingUrl, startUpstream } from '../support/scripted-upstream.ts'
import { hang, json, type Script } from '../support/upstream-script.ts'

const missing = json(400, { type: 'error', error: { type: 'invalid_request_error', message: 'model' } })
const unknownPath = json(404, { error: { message: 'not found' } })

interface Server {
  /** Whether it has `/v1/messages`; changes with the program. */
  messages: boolean
  version?: string
  /** In place of its response to the question whether it does. */
  probe?: Script
  /** In place of its response to a call. */
  refusal?: Script
}

/** Responds as a server of this kind would. */
function respondAs(server: Server): (request: ReceivedRequest) => Script {
  return ({ target, body }) => {
    if (target === '/api/version') return json(200, { version: server.version })
    if (target === '/v1/chat/completions') return whole()
    if (target !== '/v1/messages') return json(500, { error: { message: target } })
    if (body.toString() === '{}' && server.probe !== undefined) return server.probe
    if (!server.messages) return unknownPath
    return body.toString() === '{}' ? missing : (server.refusal ?? json(200, helloMessage))
  }
}

async function start(t: TestContext, server: Server, provider: RawProvider = {}, options: Options = {}) {
  const upstream = await startUpstream(t)
  upstream.respondAlways(respondAs(server))
  const setup = { providers: { p: at(upstream, provider) }, models: { m: { provider: 'p' } } }
  const { gateway } = await startGateway(t, setup, options)
  return { gateway, upstream, setup }
}

async function ask(gateway: TestGateway, content = 'hello') {
  const body = { model: 'm', max_tokens: 64, messages: [{ role: 'user', content }] }
  const response = await post(gateway, body, { path: '/v1/messages' })
  await response.text()
  return [response.status, response.headers.get('x-llm-gateway-way')] as const
}

function targets({ requests }: { readonly requests: readonly ReceivedRequest[] }): string[] {
  return requests.map(({ target, body }) => (body.toString() === '{}' ? `${target}?` : target))
}

/** For a gateway that the test stops: it writes there until then. */
function stateDirectory(t: TestContext): string {
  const folder = scratchDirectory(t)
  return folder
}

suite('a server that may speak Messages', () => {
  test('is asked by the first call that needs to know, and by no other', async (t) => {
    const { gateway, upstream } = await start(t, { messages: true })
    await chat(gateway, 'm')
    assert.deepEqual(targets(upstream), ['/v1/chat/completions'])
    assert.deepEqual(await ask(gateway), [200, 'pass'])
    assert.deepEqual(await ask(gateway), [200, 'pass'])
    assert.deepEqual(targets(upstream).slice(1), ['/v1/messages?', '/v1/messages', '/v1/messages'])
    const line = await gateway.logged({ event: 'format_found' })
    assert.deepEqual([line['provider'], line['format'], line['is_spoken']], ['p', 'messages', true])
  })

  test('is called in chat if it does not', async (t) => {
    const { gateway, upstream } = await start(t, { messages: false })
    for (let count = 0; count < 2; count++) assert.deepEqual(await ask(gateway), [200, 'messages_chat'])
    assert.deepEqual(targets(upstream), ['/v1/messages?', '/v1/chat/completions', '/v1/chat/completions'])
  })

  test('is known by its error about a missing member, whatever the status', async (t) => {
    const error = { code: 500, message: "'messages' is required", type: 'server_error' }
    const { gateway, upstream } = await start(t, { messages: true, probe: json(500, { error }) })
    assert.deepEqual(await ask(gateway), [200, 'pass'])
    assert.deepEqual(targets(upstream), ['/v1/messages?', '/v1/messages'])
  })

  test('is called in chat if its answer is not clear, and asked again later', async (t) => {
    const clock = new FakeClock()
    const server: Server = { messages: true, probe: json(500, { error: { message: 'busy' } }) }
    const { gateway, upstream } = await start(t, server, {}, { clock })
    for (let count = 0; count < 2; count++) assert.deepEqual(await ask(gateway), [200, 'messages_chat'])
    assert.deepEqual(targets(upstream), ['/v1/messages?', '/v1/chat/completions', '/v1/chat/completions'])
    delete server.probe
    clock.advance(31_000)
    assert.deepEqual(await ask(gateway), [200, 'pass'])
  })

  test('does not hold a call up if it does not answer', async (t) => {
    const clock = new FakeClock()
    const { gateway, upstream } = await start(t, { messages: true, probe: [hang] }, {}, { clock })
    const asking = ask(gateway)
    await upstream.nextRequest()
    clock.advance(3_000)
    assert.deepEqual(await asking, [200, 'messages_chat'])
    assert.equal((await upstream.requests[0]!.outcome).kind, 'aborted')
  })

  test('is asked once by calls that come together', async (t) => {
    const { gateway, upstream } = await start(t, { messages: true })
    const calls = await Promise.all([1, 2, 3, 4].map(() => ask(gateway)))
    assert.deepEqual(
      calls,
      calls.map(() => [200, 'pass']),
    )
    assert.equal(targets(upstream).filter((target) => target.endsWith('?')).length, 1)
  })

  test('is asked once by the threads of a gateway', async (t) => {
    const upstream = await startUpstream(t)
    upstream.respondAlways(respondAs({ messages: true }))
    const setup = {
      server: { workers: 2 },
      providers: { p: at(upstream) },
      models: { m: { provider: 'p' } },
    }
    const { gateway } = await startGateway(t, setup)
    const calls = await Promise.all(Array.from({ length: 12 }, () => ask(gateway)))
    assert.ok(calls.every(([status, way]) => status === 200 && way === 'pass'))
    assert.equal(targets(upstream).filter((target) => target.endsWith('?')).length, 1)
  })

  test('is not asked if the file says what it speaks', async (t) => {
    const { gateway, upstream } = await start(t, { messages: true }, { speaks: ['chat'] })
    assert.deepEqual(await ask(gateway), [200, 'messages_chat'])
    assert.deepEqual(targets(upstream), ['/v1/chat/completions'])
  })

  test('is not asked while it is known to fail', async (t) => {
    const { gateway } = await startGateway(t, {
      providers: { p: { base_url: `${await refusingUrl(t)}/v1` } },
      models: { m: { provider: 'p' } },
      routing: { retries: 0, restart_wait_ms: 0, cooldown_ms: 60_000 },
    })
    const [status] = await ask(gateway)
    assert.equal(status, 502)
    assert.deepEqual(
      gateway.log().filter(({ event }) => event === 'format_found'),
      [],
    )
  })

  test('is called in chat once its next version has lost the route', async (t) => {
    const server = { messages: true }
    const { gateway, upstream } = await start(t, server)
    await ask(gateway)
    server.messages = false
    const before = upstream.requests.length
    assert.deepEqual(await ask(gateway), [200, 'messages_chat'])
    assert.deepEqual(await ask(gateway), [200, 'messages_chat'])
    const inChat = '/v1/chat/completions'
    assert.deepEqual(targets(upstream).slice(before), ['/v1/messages', '/v1/messages?', inChat, inChat])
    assert.deepEqual((await gateway.logged({ event: 'call', way: 'messages_chat' }))['earlier_ways'], [
      'pass',
    ])
  })

  test('is asked again, but not each time, if it refuses a call as if it had no such route', async (t) => {
    const { gateway, upstream } = await start(t, { messages: true, refusal: unknownPath })
    for (let count = 0; count < 3; count++) assert.deepEqual(await ask(gateway), [404, 'pass'])
    const asked = targets(upstream).filter((target) => target.endsWith('?'))
    assert.equal(asked.length, 2)
  })

  test('is probed for Responses in the same way', async (t) => {
    const upstream = await startUpstream(t)
    upstream.respondAlways(({ target, body }) => {
      if (target === '/v1/chat/completions') return whole()
      return body.toString() === '{}'
        ? json(200, { error: 'Unexpected endpoint or method. (POST /v1/responses)' })
        : json(500, { error: { message: target } })
    })
    const { gateway } = await startGateway(t, {
      providers: { p: at(upstream) },
      models: { m: { provider: 'p' } },
    })
    const response = await post(gateway, { model: 'm', input: 'hello' }, { path: '/v1/responses' })
    assert.equal(response.status, 200, await response.text())
    assert.equal(response.headers.get('x-llm-gateway-way'), 'responses_chat')
    assert.deepEqual(targets(upstream), ['/v1/responses?', '/v1/chat/completions'])
  })
})

suite('what was found', () => {
  test('is confirmed by the version after an hour, and probed again after a change', async (t) => {
    const clock = new FakeClock()
    const server = { messages: false, version: '0.13.0' }
    const { gateway, upstream } = await start(t, server, { kind: 'ollama' }, { clock })
    assert.deepEqual(await ask(gateway), [200, 'messages_chat'])
    clock.advance(3_600_001)
    assert.deepEqual(await ask(gateway), [200, 'messages_chat'])
    const first = ['/api/version', '/v1/messages?', '/v1/chat/completions']
    assert.deepEqual(targets(upstream), [...first, '/api/version', '/v1/chat/completions'])
    Object.assign(server, { messages: true, version: '0.14.0' })
    clock.advance(3_600_001)
    assert.deepEqual(await ask(gateway), [200, 'pass'])
    assert.deepEqual(targets(upstream).slice(5), ['/api/version', '/v1/messages?', '/v1/messages'])
  })

  test('is kept over a restart', async (t) => {
    const directory = stateDirectory(t)
    const server = { messages: true, version: '0.14.0' }
    const first = await start(t, server, { kind: 'ollama' }, { stateDirectory: directory })
    assert.deepEqual(await ask(first.gateway), [200, 'pass'])
    await first.gateway.stop()
    const { providers } = JSON.parse(readFileSync(join(directory, 'formats.json'), 'utf8'))
    assert.deepEqual([providers.p.version, providers.p.formats], ['0.14.0', { messages: true }])
    const before = first.upstream.requests.length
    const { gateway } = await startGateway(t, first.setup, { stateDirectory: directory })
    assert.deepEqual(await ask(gateway), [200, 'pass'])
    assert.deepEqual(targets(first.upstream).slice(before), ['/api/version', '/v1/messages'])
    await gateway.stop()
  })

  test('is of no use for a server at another address', async (t) => {
    const directory = stateDirectory(t)
    const first = await start(t, { messages: true }, {}, { stateDirectory: directory })
    await ask(first.gateway)
    await first.gateway.stop()
    const second = await start(t, { messages: false }, {}, { stateDirectory: directory })
    assert.deepEqual(await ask(second.gateway), [200, 'messages_chat'])
    assert.deepEqual(targets(second.upstream), ['/v1/messages?', '/v1/chat/completions'])
    await second.gateway.stop()
  })

  test('is probed again where a reload leads to another server', async (t) => {
    const { gateway } = await start(t, { messages: true })
    assert.deepEqual(await ask(gateway), [200, 'pass'])
    const upstream = await startUpstream(t)
    upstream.respondAlways(respondAs({ messages: false }))
    await gateway.reload({ providers: { p: at(upstream) }, models: { m: { provider: 'p' } } })
    assert.deepEqual(await ask(gateway), [200, 'messages_chat'])
  })

  test('may be unreadable, which costs a question', async (t) => {
    const directory = stateDirectory(t)
    const first = await start(t, { messages: true }, {}, { stateDirectory: directory })
    await ask(first.gateway)
    await first.gateway.stop()
    assert.ok(existsSync(join(directory, 'formats.json')))
    for (const text of ['', '{"version":1,"providers":{"p":{"formats":[]}}}', '{"version":9}']) {
      writeFileSync(join(directory, 'formats.json'), text)
      const { gateway } = await startGateway(t, first.setup, { stateDirectory: directory })
      assert.deepEqual(await ask(gateway), [200, 'pass'])
      await gateway.stop()
    }
    assert.equal(targets(first.upstream).filter((target) => target.endsWith('?')).length, 4)
  })
})

test('of equal targets the one that needs no translation is preferred', async (t) => {
  const { gateway, upstreams } = await startGateway(t, {
    providers: { a: { speaks: ['chat'] }, b: { speaks: ['chat', 'messages'] } },
    models: { m: { targets: [{ provider: 'a' }, { provider: 'b' }] } },
  })
  upstreams.a.respondAlways(whole())
  upstreams.b.respondAlways(respondAs({ messages: true }))
  for (const content of ['one', 'two', 'three', 'four']) {
    assert.deepEqual(await ask(gateway, content), [200, 'pass'])
  }
  assert.equal(upstreams.a.requests.length, 0)
  for (const content of ['five', 'six', 'seven', 'eight']) {
    await chat(gateway, 'm', { messages: [{ role: 'user', content }] })
  }
  assert.equal(upstreams.a.requests.length, 2)
})
