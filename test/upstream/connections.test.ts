// Which connection carries which request.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { buildConnector } from 'undici'

import { Connections } from '../../src/upstream/connections.ts'
import { createConnector } from '../../src/upstream/connector.ts'
import type { Exchange } from '../../src/upstream/provider.ts'

interface Held {
  /** The client's port: one for each connection. */
  readonly port: number
  readonly path: string
  readonly response: ServerResponse
}

/** A provider that answers when the test says so. */
class Provider {
  readonly held: Held[] = []
  readonly #server: Server
  #awaited: (() => void) | undefined

  constructor(t: TestContext) {
    this.#server = createServer((request: IncomingMessage, response) => {
      request.resume()
      this.held.push({ port: request.socket.remotePort!, path: request.url!, response })
      this.#awaited?.()
    })
    t.after(() => this.#server.close().closeAllConnections())
  }

  async start(): Promise<Connections> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening')
    const { port } = this.#server.address() as AddressInfo
    const connect = buildConnector({ timeout: 5_000, allowH2: false })
    return new Connections(`http://127.0.0.1:${port}`, connect)
  }

  async hasGot(count: number): Promise<readonly Held[]> {
    while (this.held.length < count) await new Promise<void>((resolve) => (this.#awaited = resolve))
    return this.held
  }
}

interface Sent {
  readonly exchange: Exchange
  readonly ended: Promise<string>
}

function send(connections: Connections, path = '/'): Sent {
  const { promise: ended, resolve } = Promise.withResolvers<string>()
  const exchange = connections.send(
    { path, method: 'POST', body: '{}' },
    {
      onHead() {},
      onData() {},
      onEnd: () => resolve('ended'),
      onFailure: ({ code }) => resolve(code),
    },
  )
  return { exchange, ended }
}

/** The connection is free afterwards. */
async function answer({ response }: Held, { ended }: Sent): Promise<void> {
  response.end('{}')
  assert.equal(await ended, 'ended')
  await new Promise((resolve) => setImmediate(resolve))
}

test('requests one after the other share a connection; at once, each has its own', async (t) => {
  const provider = new Provider(t)
  const connections = await provider.start()
  const first = send(connections)
  await answer((await provider.hasGot(1))[0]!, first)
  const [second, third] = [send(connections), send(connections)]
  const held = await provider.hasGot(3)

  assert.equal(held.filter(({ port }) => port === held[0]!.port).length, 2)
  assert.equal(new Set(held.map(({ port }) => port)).size, 2)
  for (const { response } of held.slice(1)) response.end('{}')
  await Promise.all([second.ended, third.ended])
  await connections.close()
})

test('the connection that became free last is used first, so that the others can grow old', async (t) => {
  const provider = new Provider(t)
  const connections = await provider.start()
  const [first, second] = [send(connections, '/1'), send(connections, '/2')]
  const held = await provider.hasGot(2)
  const [heldFirst, heldSecond] = ['/1', '/2'].map((path) => held.find((each) => each.path === path)!)
  await answer(heldSecond!, second)
  await answer(heldFirst!, first)

  const again = send(connections)
  const [, , third] = await provider.hasGot(3)
  assert.equal(third!.port, heldFirst!.port)
  await answer(third!, again)
  await connections.close()
})

test('an aborted request takes its connection along and leaves the others alone', async (t) => {
  const provider = new Provider(t)
  const connections = await provider.start()
  const [first, second] = [send(connections), send(connections)]
  const held = await provider.hasGot(2)
  const closed = held.map(async ({ response }) => {
    await once(response, 'close')
    return response.writableFinished
  })
  first.exchange.abort()
  assert.equal(await Promise.race(closed), false)
  const left = held.find(({ response }) => !response.destroyed)!
  await answer(left, second)
  await connections.close()
})

test('a connection that the provider ends makes room for a new one', async (t) => {
  const provider = new Provider(t)
  const connections = await provider.start()
  const first = send(connections)
  const [held] = await provider.hasGot(1)
  held!.response.setHeader('connection', 'close')
  await answer(held!, first)

  const second = send(connections)
  const [, next] = await provider.hasGot(2)
  assert.notEqual(next!.port, held!.port)
  await answer(next!, second)
  await connections.close()
})

test('a connection that the provider ends right after its answer, without a word, carries no other request', async (t) => {
  const provider = new Provider(t)
  const connections = await provider.start()
  for (const turn of [1, 2, 3]) {
    const sent = send(connections)
    const { response } = (await provider.hasGot(turn))[turn - 1]!
    const { socket } = response
    response.end('{}', () => socket!.end())
    assert.equal(await sent.ended, 'ended', `turn ${turn}`)
  }
  assert.equal(new Set(provider.held.map(({ port }) => port)).size, 3)
  await connections.close()
})

test('closing waits for the requests under way', async (t) => {
  const provider = new Provider(t)
  const connections = await provider.start()
  const sent = send(connections)
  const [held] = await provider.hasGot(1)
  let isClosed = false
  const closing = connections.close().then(() => (isClosed = true))
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(isClosed, false)
  await answer(held!, sent)
  await closing
})

test('connections that are retired carry no further request: idle ones end now, the others after theirs', async (t) => {
  const provider = new Provider(t)
  const connections = await provider.start()
  const [first, second] = [send(connections, '/1'), send(connections, '/2')]
  const held = await provider.hasGot(2)
  const [heldFirst, heldSecond] = ['/1', '/2'].map((path) => held.find((each) => each.path === path)!)
  await answer(heldFirst!, first)
  connections.retire()
  await answer(heldSecond!, second)
  const third = send(connections)
  const { port } = (await provider.hasGot(3))[2]!
  assert.ok(!held.slice(0, 2).some((each) => each.port === port))
  await answer(held[2]!, third)
  await connections.close()
})

test('what one read brings is handed over piece by piece, and its end is told', async (t) => {
  const server = createServer((_, response) => {
    response.writeHead(200)
    response.flushHeaders()
    // Two chunks of a body in one packet.
    response.socket!.write('2\r\nab\r\n2\r\ncd\r\n')
  })
  t.after(() => server.close().closeAllConnections())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const connect = createConnector({
    origin: `http://127.0.0.1:${port}`,
    timeouts: { connectMs: 5_000, firstByteMs: 5_000, idleMs: 5_000, totalMs: 5_000 },
  })
  const connections = new Connections(`http://127.0.0.1:${port}`, connect)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const told: string[] = []
  const exchange = connections.send(
    { path: '/', method: 'GET' },
    {
      onHead() {},
      onData: (piece) =>
        told.push(`${piece.toString()}${exchange.isReading === true ? ', more may follow' : ''}`),
      onRest: () => {
        if (told.push('rest') >= 3) resolve()
      },
      onEnd: () => reject(new Error('ended')),
      onFailure: ({ code }) => reject(new Error(code)),
    },
  )
  await promise
  exchange.abort()
  const data = told.filter((each) => each !== 'rest')
  assert.deepEqual(data, ['ab, more may follow', 'cd, more may follow'])
  assert.equal(told.at(-1), 'rest')
  assert.equal(exchange.isReading, false)
})
