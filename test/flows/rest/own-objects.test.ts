// All clients share the provider's account. As soon as there may be several, each finds only what it has created.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { scratchDirectory } from '../../support/config-file.ts'
import { startGateway } from '../../support/app.ts'
import { exchange, rawRequest } from '../../support/raw-client.ts'
import { content, json, sse } from '../../support/upstream-script.ts'
import { ann, bob, restSetup, severalClients } from './rest.ts'

type Client = Readonly<Record<string, string>>
type Line = `${string} ${string}`

async function startSeveral(t: TestContext, setup = severalClients as object, options = {}) {
  const started = await startGateway(t, setup, options)
  const { gateway, upstream } = started
  const ask = (client: Client, line: Line, body?: string, headers: Client = {}) =>
    exchange(t, gateway.url, rawRequest(line, { ...client, ...headers }, body))
  /** Has the client create an object. */
  const create = async (client: Client, path: string, object: object) => {
    upstream.respond(json(200, object))
    assert.equal((await ask(client, `POST ${path}`, '{}')).status, 200)
    await upstream.nextRequest()
  }
  return { ...started, ask, create }
}

suite('an object', () => {
  test('is found by the client that has created it, and by no other', async (t) => {
    const { ask, create, upstream } = await startSeveral(t)
    await create(ann, '/v1/vector_stores', { id: 'vs_1', object: 'vector_store' })
    upstream.respondAlways(json(200, { id: 'vs_1', object: 'vector_store' }))
    for (const line of ['GET /v1/vector_stores/vs_1', 'GET /v1/vector_stores/vs_1/files'] as const) {
      assert.equal((await ask(ann, line)).status, 200, line)
      const response = await ask(bob, line)
      assert.equal(response.status, 404, line)
      assert.equal(response.header('x-llm-gateway-error'), 'object_not_found')
      assert.match(response.body().toString(), /vs_1/)
    }
    assert.equal(upstream.requests.length, 3)
  })

  test('that nobody has created through the gateway is found by nobody', async (t) => {
    const { ask, upstream } = await startSeveral(t)
    for (const line of ['GET /v1/files/file-unknown', 'DELETE /v1/responses/resp_unknown'] as const)
      assert.equal((await ask(ann, line)).status, 404, line)
    assert.equal(upstream.connections, 0)
  })

  test('is anyone’s where there is only one client', async (t) => {
    const { ask, upstream } = await startSeveral(t, restSetup)
    upstream.respondAlways(json(200, { id: 'file-unknown' }))
    assert.equal((await ask({}, 'GET /v1/files/file-unknown')).status, 200)
  })

  test('of a kind that another allowed user could ask for is checked for every client', async (t) => {
    const { ask, upstream } = await startSeveral(t, { ...restSetup, access: { allowed_users: ['any'] } })
    assert.equal((await ask({}, 'GET /v1/files/file-unknown')).status, 404)
    assert.equal(upstream.connections, 0)
  })

  const made: readonly (readonly [what: string, path: string, response: object, line: Line])[] = [
    [
      'an upload’s file',
      '/v1/uploads/upload_1/complete',
      { id: 'upload_1', file: { id: 'file-9' } },
      'GET /v1/files/file-9',
    ],
    [
      'a run’s thread',
      '/v1/threads/runs',
      { id: 'run_1', thread_id: 'thread_9' },
      'GET /v1/threads/thread_9',
    ],
  ]
  for (const [what, path, response, line] of made) {
    test(`that a request creates on the way is its client's: ${what}`, async (t) => {
      const { ask, create, upstream } = await startSeveral(t)
      await create(ann, '/v1/uploads', { id: 'upload_1' })
      await create(ann, path, response)
      upstream.respondAlways(json(200, {}))
      assert.equal((await ask(ann, line)).status, 200)
      assert.equal((await ask(bob, line)).status, 404)
    })
  }

  test('that comes in a stream of events is remembered before its client sees it', async (t) => {
    const { ask, upstream } = await startSeveral(t)
    upstream.respond(sse(['{"id":"run_1","object":"thread.run","thread_id":"thread_5"}', '[DONE]']))
    assert.equal((await ask(ann, 'POST /v1/threads/runs', '{"stream":true}')).status, 200)
    upstream.respondAlways(json(200, {}))
    assert.equal((await ask(ann, 'GET /v1/threads/thread_5')).status, 200)
    assert.equal((await ask(bob, 'GET /v1/threads/thread_5')).status, 404)
  })

  test('a batch’s results are its client’s, once its response has shown them', async (t) => {
    const { ask, create, upstream } = await startSeveral(t)
    await create(ann, '/v1/batches', { id: 'batch_1' })
    const done = { id: 'batch_1', output_file_id: 'file-out', error_file_id: null }
    upstream.respond(json(200, done))
    assert.equal((await ask(ann, 'GET /v1/batches/batch_1')).status, 200)
    upstream.respondAlways(json(200, {}))
    assert.equal((await ask(ann, 'GET /v1/files/file-out/content')).status, 200)
    assert.equal((await ask(bob, 'GET /v1/files/file-out/content')).status, 404)
  })

  test('is still its client’s after a restart', async (t) => {
    const stateDirectory = scratchDirectory(t)
    const first = await startSeveral(t, severalClients, { stateDirectory })
    await first.create(ann, '/v1/conversations', { id: 'conv_1' })
    await first.gateway.stop()
    const second = await startSeveral(t, severalClients, { stateDirectory })
    second.upstream.respondAlways(json(200, {}))
    assert.equal((await second.ask(ann, 'GET /v1/conversations/conv_1')).status, 200)
    assert.equal((await second.ask(bob, 'GET /v1/conversations/conv_1')).status, 404)
  })

  test('is its client’s in every thread', async (t) => {
    const { server } = severalClients
    const { ask, create, upstream } = await startSeveral(t, {
      ...severalClients,
      server: { ...server, workers: 2 },
    })
    await create(ann, '/v1/conversations', { id: 'conv_1' })
    upstream.respondAlways(json(200, {}))
    for (let count = 0; count < 8; count += 1) {
      assert.equal((await ask(ann, 'GET /v1/conversations/conv_1')).status, 200)
      assert.equal((await ask(bob, 'GET /v1/conversations/conv_1')).status, 404)
    }
  })
})

suite('another client’s object', () => {
  const id = 'file-Ann1234567890abcdef'
  const bodies: readonly (readonly [what: string, line: Line, body: string])[] = [
    ['in a member', 'POST /v1/batches', `{"input_file_id":"${id}"}`],
    ['in a list', 'POST /v1/vector_stores', `{"name":"x","file_ids":["${id}"]}`],
    ['deep in a body', 'POST /v1/threads', `{"messages":[{"attachments":[{"x":{"file_id":"${id}"}}]}]}`],
    ['in a member that is not known', 'POST /v1/evals', `{"data_source":{"source":{"id":"${id}"}}}`],
    ['in the first of two members', 'POST /v1/batches', `{"input_file_id":"${id}","input_file_id":"x"}`],
    ['with escapes', 'POST /v1/batches', `{"input_file_\\u0069d":"\\u0066${id.slice(1)}"}`],
    ['in the query', `GET /v1/files?after=${id}`, ''],
    ['in the query of another object’s route', `GET /v1/conversations/conv_bob/items?x=${id}`, ''],
    ['as a part of an own object', `GET /v1/vector_stores/vs_bob/files/${id}`, ''],
  ]
  for (const [what, line, body] of bodies) {
    test(`is not found ${what}`, async (t) => {
      const { ask, create, upstream } = await startSeveral(t)
      await create(ann, '/v1/files', { id })
      await create(bob, '/v1/vector_stores', { id: 'vs_bob' })
      await create(bob, '/v1/conversations', { id: 'conv_bob' })
      await create(bob, '/v1/files', { id: 'file-bob' })
      const before = upstream.requests.length
      const response = await ask(bob, line, body === '' ? undefined : body)
      assert.equal(response.status, 404)
      assert.match(response.body().toString(), new RegExp(id))
      assert.equal(upstream.requests.length, before)
    })
  }

  test('is not found in a form', async (t) => {
    const { ask, create, upstream } = await startSeveral(t)
    await create(ann, '/v1/files', { id })
    await create(bob, '/v1/containers', { id: 'cntr_bob' })
    const before = upstream.requests.length
    const form = `--b\r\ncontent-disposition: form-data; name="file_id"\r\n\r\n${id}\r\n--b--\r\n`
    const headers = { 'content-type': 'multipart/form-data; boundary=b' }
    const response = await ask(bob, 'POST /v1/containers/cntr_bob/files', form, headers)
    assert.equal(response.status, 404)
    assert.equal(upstream.requests.length, before)
  })

  test('nor is one of which nothing is known, where an object of one’s own is expected', async (t) => {
    const { ask, upstream } = await startSeveral(t)
    const body = '{"input_file_id":"whatever","metadata":{"conversation_id":"mine"}}'
    const response = await ask(bob, 'POST /v1/batches', body)
    assert.equal(response.status, 404)
    assert.match(response.body().toString(), /whatever/)
    assert.equal(upstream.connections, 0)
  })

  test('a body that cannot be looked through is refused', async (t) => {
    const { ask, upstream } = await startSeveral(t)
    const text = { 'content-type': 'text/plain' }
    assert.equal((await ask(bob, 'POST /v1/batches', '{"a":1}', text)).status, 415)
    assert.equal((await ask(bob, 'POST /v1/batches', '{"a":')).status, 400)
    assert.equal(upstream.connections, 0)
  })
})

test('what a client writes for itself, and its own words, are no objects', async (t) => {
  const { ask, create, upstream } = await startSeveral(t)
  await create(bob, '/v1/files', { id: 'file-bob' })
  upstream.respond(json(200, { id: 'batch_1' }))
  const body =
    '{"input_file_id":"file-bob","metadata":{"conversation_id":"mine","thread_id":"thread_0123456789abcdef"},"x":"call_abcdefgh12345678"}'
  assert.equal((await ask(bob, 'POST /v1/batches', body)).status, 200)
  assert.equal((await upstream.nextRequest()).body.toString(), body)
})

suite('a list', () => {
  const listOf = (ids: readonly string[], hasMore = false) => ({
    object: 'list',
    data: ids.map((each) => ({ id: each, big: 12345678901234567890n.toString() })),
    first_id: ids[0] ?? null,
    last_id: ids.at(-1) ?? null,
    has_more: hasMore,
  })

  test('shows only the objects that the client has created', async (t) => {
    const { ask, create, upstream } = await startSeveral(t)
    for (const each of ['file-1', 'file-3']) await create(ann, '/v1/files', { id: each })
    await create(bob, '/v1/files', { id: 'file-2' })
    upstream.respondAlways(json(200, listOf(['file-4', 'file-3', 'file-2', 'file-1', 'file-0'])))
    const own = JSON.parse((await ask(ann, 'GET /v1/files')).body().toString())
    assert.deepEqual(
      own.data.map((each: { id: string }) => each.id),
      ['file-3', 'file-1'],
    )
    assert.deepEqual([own.first_id, own.last_id, own.has_more], ['file-3', 'file-1', false])
    const other = JSON.parse((await ask(bob, 'GET /v1/files')).body().toString())
    assert.deepEqual([other.first_id, other.last_id], ['file-2', 'file-2'])
  })

  test('keeps the bytes of what it shows', async (t) => {
    const { ask, create, upstream } = await startSeveral(t)
    await create(ann, '/v1/files', { id: 'file-1' })
    const own = '{"id": "file-1", "bytes":12345678901234567890, "name":"\\u00e9"}'
    const list = `{"object":"list","data":[${own},{"id":"file-2"}],"has_more":false}`
    upstream.respond(content(200, 'application/json', list))
    const response = await ask(ann, 'GET /v1/files')
    assert.equal(response.body().toString(), `{"object":"list","data":[${own}],"has_more":false}`)
  })

  test('goes on to the next page while a page has nothing of the client’s', async (t) => {
    const { ask, create, upstream } = await startSeveral(t)
    await create(ann, '/v1/files', { id: 'file-1' })
    upstream.respond(json(200, listOf(['file-9', 'file-8'], true)))
    upstream.respond(json(200, listOf(['file-7', 'file-1'], true)))
    const list = JSON.parse((await ask(ann, 'GET /v1/files?purpose=batch&limit=2')).body().toString())
    assert.deepEqual([list.first_id, list.last_id, list.has_more], ['file-1', 'file-1', true])
    await upstream.nextRequest()
    assert.equal((await upstream.nextRequest()).target, '/v1/files?purpose=batch&after=file-8&limit=100')
  })

  test('of a kind of which the client has nothing is empty, and nobody is asked', async (t) => {
    const { ask, create, upstream } = await startSeveral(t)
    await create(ann, '/v1/vector_stores', { id: 'vs_1' })
    const before = upstream.requests.length
    const response = await ask(ann, 'GET /v1/files')
    assert.deepEqual(JSON.parse(response.body().toString()).data, [])
    assert.equal(upstream.requests.length, before)
  })

  test('in a form that is not known is not shown', async (t) => {
    const { ask, create, upstream } = await startSeveral(t)
    await create(ann, '/v1/files', { id: 'file-1' })
    upstream.respond(json(200, { files: ['file-1', 'file-2'] }))
    assert.equal((await ask(ann, 'GET /v1/files')).status, 502)
  })

  test('of one client passes as it is', async (t) => {
    const { ask, upstream } = await startSeveral(t, restSetup)
    upstream.respond(json(200, listOf(['file-9'])))
    assert.equal((await ask({}, 'GET /v1/files')).body().toString(), JSON.stringify(listOf(['file-9'])))
  })
})
