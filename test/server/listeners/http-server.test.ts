import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { suite, test, type TestContext } from 'node:test'

import { GatewayError } from '../../../src/errors.ts'
import type { Identity } from '../../../src/server/peer/peer-user.ts'
import {
  createGatedServer,
  type ConnectionGate,
  type Handlers,
  httpLimits,
} from '../../../src/server/listeners/http-server.ts'
import { OpenConnections } from '../../../src/server/listeners/open-connections.ts'
import { ClientUpload } from '../../../src/server/client-upload.ts'
import { respondRaw, setLatestResponse } from '../../../src/server/raw-response.ts'
import { clientOfSocket } from '../../../src/clients/client.ts'
import { soon, until } from '../../support/deadline.ts'
import { unless } from '../../support/needs.ts'
import { connectRaw, exchange, rawRequest } from '../../support/raw-client.ts'

const known: Identity = { kind: 'known', client: { id: 'user:owner' }, isTrustedProxy: false }
const refused: Identity = {
  kind: 'refused',
  client: { id: 'user:mallory' },
  error: new GatewayError('user_not_allowed', 'No.'),
  hasLeft: false,
}
const hello = rawRequest('GET /', {})

interface Served {
  readonly url: string
  readonly port: number
  readonly requests: IncomingMessage[]
  readonly rejected: string[]
  close(): void
}

async function serve(
  t: TestContext,
  gate: Partial<ConnectionGate>,
  limits: Partial<typeof httpLimits> = {},
  onRequest: (request: IncomingMessage, response: ServerResponse) => unknown = (_, response) =>
    response.end('hello'),
  host = '127.0.0.1',
  onConnection: (socket: Socket) => void = () => {},
): Promise<Served> {
  const requests: IncomingMessage[] = []
  const rejected: string[] = []
  const handlers: Handlers = {
    onRequest(request, response) {
      setLatestResponse(request.socket, response)
      requests.push(request)
      onRequest(request, response)
    },
    onRawSocket: (socket, problem) => void respondRaw(socket, problem),
    onRejected: (client, error) => void rejected.push(`${client.id} ${error.code}`),
  }
  const allLimits = { ...httpLimits, ...limits }
  const connections = new OpenConnections(allLimits)
  const server = createGatedServer(
    handlers,
    { identify: () => Promise.resolve(known), isLoopbackOnly: true, connections, ...gate },
    allLimits,
  )
  const { acceptor, http } = server
  acceptor.on('connection', onConnection)
  await new Promise<void>((resolve) => acceptor.listen(0, host, resolve))
  const close = () => {
    acceptor.close()
    http.close()
  }
  t.after(() => {
    close()
    http.closeAllConnections()
  })
  const { port } = acceptor.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, port, requests, rejected, close }
}

suite('the gate', () => {
  test('lets nothing be read before it knows the client', async (t) => {
    const decision = Promise.withResolvers<Identity>()
    const asked = Promise.withResolvers<void>()
    const served = await serve(t, {
      identify: () => {
        asked.resolve()
        return decision.promise
      },
    })
    const client = await connectRaw(t, served.url)
    client.send(hello)
    await asked.promise
    // A round trip over another connection would have shown the request, if it had been read.
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(served.requests.length, 0)
    decision.resolve(known)
    assert.equal((await client.response()).status, 200)
    assert.equal(clientOfSocket(served.requests[0]!.socket).id, 'user:owner')
  })

  test('asks once for a connection, not for each of its requests', async (t) => {
    let asked = 0
    const served = await serve(t, {
      identify: () => {
        asked += 1
        return Promise.resolve(known)
      },
    })
    const client = await connectRaw(t, served.url)
    client.send(Buffer.concat([hello, hello, hello]))
    for (let count = 0; count < 3; count++) assert.equal((await client.response()).status, 200)
    assert.equal(asked, 1)
  })

  for (const [what, sent] of [
    ['a request', hello],
    ['a body of 3 MB', rawRequest('POST /', {}, 'x'.repeat(3_000_000))],
    ['no HTTP at all', Buffer.from('\x16\x03\x01')],
  ] as const) {
    test(`refuses whoever is not allowed with a 403, unread: ${what}`, async (t) => {
      const served = await serve(t, { identify: () => Promise.resolve(refused) })
      const response = await exchange(t, served.url, sent)
      assert.equal(response.status, 403)
      assert.equal(response.header('connection'), 'close')
      assert.equal(response.header('x-llm-gateway-error'), 'user_not_allowed')
      assert.match(response.body().toString(), /"code":"user_not_allowed"/)
      assert.deepEqual([served.requests.length, served.rejected], [0, ['user:mallory user_not_allowed']])
    })
  }

  test('keeps a refused client that says nothing only for a moment', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const turned = Promise.withResolvers<void>()
    const served = await serve(t, {
      identify: () => {
        setImmediate(turned.resolve)
        return Promise.resolve(refused)
      },
    })
    const client = await connectRaw(t, served.url)
    await turned.promise
    t.mock.timers.tick(2_000)
    await client.ended
    assert.equal(client.received().length, 0)
  })

  test('keeps no more than 64 of them, and cuts the others off', async (t) => {
    const served = await serve(t, { identify: () => Promise.resolve(refused) })
    const clients = await Promise.all(Array.from({ length: 65 }, () => connectRaw(t, served.url)))
    await Promise.race(clients.map((client) => client.ended))
    clients[0]!.send('x')
    assert.equal((await clients[0]!.response()).status, 403)
  })

  test('lets nobody in while the gateway stops', async (t) => {
    const decision = Promise.withResolvers<Identity>()
    const asked = Promise.withResolvers<void>()
    const served = await serve(t, {
      identify: () => {
        asked.resolve()
        return decision.promise
      },
    })
    const client = await connectRaw(t, served.url)
    client.send(hello)
    await asked.promise
    served.close()
    decision.resolve(known)
    await client.ended
    assert.equal(served.requests.length, 0)
  })

  test('closes a connection that was reset before it was accepted, and takes it for nobody’s', async (t) => {
    const accepted = Promise.withResolvers<Socket>()
    const served = await serve(t, {}, {}, undefined, '127.0.0.1', accepted.resolve)
    // While this waits for the other process, nothing is accepted here.
    const client = `
      const socket = require('node:net').connect(${served.port}, '127.0.0.1')
      socket.on('connect', () => socket.write('GET / HTTP/1.1\\r\\n\\r\\n', () => socket.resetAndDestroy()))
    `
    execFileSync(process.execPath, ['-e', client])
    const socket = await soon(accepted.promise, () => 'the connection')
    assert.ok(socket.destroyed)
    assert.deepEqual([served.requests.length, served.rejected], [0, []])
  })

  const outside = Object.values(networkInterfaces())
    .flat()
    .find((each) => each?.family === 'IPv4' && !each.internal)?.address
  test(
    'cuts off what comes from another machine',
    { skip: unless(outside !== undefined, 'needs a network interface') },
    async (t) => {
      const served = await serve(t, {}, {}, undefined, '0.0.0.0')
      const client = await connectRaw(t, `http://${outside}:${served.port}`)
      client.send(hello)
      await client.ended
      assert.deepEqual([client.received().length, served.requests.length], [0, 0])
      assert.deepEqual(served.rejected, [`ip:${outside} ip_not_allowed`])
      assert.equal((await exchange(t, served.url, hello)).status, 200)
    },
  )
})

suite('limits', () => {
  test('connections beyond the limit get 503, and the others are served', async (t) => {
    const served = await serve(t, {}, { maxConnections: 2 })
    const [first, second] = [await connectRaw(t, served.url), await connectRaw(t, served.url)]
    assert.equal((await exchange(t, served.url, hello)).status, 503)
    assert.deepEqual(served.rejected, ['ip:127.0.0.1 overloaded'])
    first.send(hello)
    assert.equal((await first.response()).status, 200)
    second.leave()
    await until(async () => (await exchange(t, served.url, hello)).status === 200, 'room for another one')
  })

  test('of connections beyond the limit few wait for their response, and others are closed', async (t) => {
    const served = await serve(t, {}, { maxConnections: 1, maxRejected: 1 })
    await connectRaw(t, served.url)
    const waiting = await connectRaw(t, served.url)
    const closed = await connectRaw(t, served.url)
    await closed.ended
    waiting.send(hello)
    assert.equal((await waiting.response()).status, 503)
    assert.equal(served.rejected.length, 2)
  })

  const brisk = { headersTimeoutMs: 60, requestTimeoutMs: 60, checkIntervalMs: 20 }

  test('an upload may take longer than other requests, and the one after it may not', async (t) => {
    let uploads = 0
    const takeUpload = async (request: IncomingMessage, response: ServerResponse) => {
      let bytes = 0
      for await (const piece of new ClientUpload(request, () => 0).pieces) bytes += piece.length
      response.end(String(bytes))
    }
    const served = await serve(t, {}, brisk, (request, response) => {
      uploads += 1
      if (uploads === 1) void takeUpload(request, response)
    })
    const client = await connectRaw(t, served.url)
    const post = 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{'
    client.send(post)
    // Another client meets the limit meanwhile.
    const other = await connectRaw(t, served.url)
    other.send('GET / HTTP/1.1\r\n')
    assert.equal((await other.response()).status, 408)
    client.send('23456789')
    assert.equal((await client.response()).body().toString(), '9')
    client.send(post)
    assert.equal((await client.response()).status, 408)
  })

  for (const [what, sent] of [
    ['nothing', ''],
    ['half a head', 'GET / HTTP/1.1\r\nHost: localhost\r\n'],
    ['half a body', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{'],
  ] as const) {
    test(`a client that sends ${what} and no more gets a 408`, async (t) => {
      const served = await serve(t, {}, brisk, () => {})
      const response = await exchange(t, served.url, sent)
      assert.equal(response.status, 408)
      assert.match(response.body().toString(), /"code":"request_timeout"/)
    })
  }

  test('an answer may last longer than a request', async (t) => {
    const open = Promise.withResolvers<ServerResponse>()
    const served = await serve(t, {}, brisk, (request, response) => {
      if (request.url !== '/stream') return
      response.write('first ')
      open.resolve(response)
    })
    const streaming = await connectRaw(t, served.url)
    streaming.send(rawRequest('GET /stream', {}))
    await streaming.seen('first')
    // Whoever comes later and is too slow has been told so: the time is over.
    assert.equal((await exchange(t, served.url, 'GET / ')).status, 408)
    ;(await open.promise).end('last')
    assert.equal((await streaming.response()).body().toString(), 'first last')
  })

  test('what is no HTTP behind a request does not garble the answer to it', async (t) => {
    const open = Promise.withResolvers<ServerResponse>()
    const served = await serve(t, {}, {}, (_, response) => {
      response.write('first ')
      open.resolve(response)
    })
    const client = await connectRaw(t, served.url)
    client.send(hello)
    await client.seen('first')
    client.send('\x00\x00\r\n\r\n')
    await client.ended
    assert.doesNotMatch(client.received().toString(), /400|Bad Request/)
  })
})
