// Another user who resets a connection frees its port while the gateway looks up its user. Whoever gets the port next
// must neither bring that user's request in nor be kept out for it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { suite, test, type TestContext } from 'node:test'

import { soon } from '../support/deadline.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { unless } from '../support/needs.ts'
import { rawRequest } from '../support/raw-client.ts'
import { json } from '../support/upstream-script.ts'
import { startResetter, strangerUid } from './other-users.ts'

const skip = unless(process.getuid?.() === 0, 'needs root, to become other users')

const rounds = 500
const longestMs = 30_000
/** Below those that Linux chooses by itself, so that nobody else takes them; a new one for each round. */
const firstPort = 21_000
/** They make the kernel's list long, and the look-up of a connection with it. */
const idleConnections = 500

const askOf = (user: string) =>
  rawRequest('POST /v1/chat/completions', { connection: 'close' }, `{"model":"plain","user":"${user}"}`)

async function openIdle(t: TestContext): Promise<void> {
  const accepted: Socket[] = []
  const allAccepted = Promise.withResolvers<void>()
  const server = createServer((socket) => {
    if (accepted.push(socket) === idleConnections) allAccepted.resolve()
  }).listen({ port: 0, host: '127.0.0.1', backlog: idleConnections })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const clients = Array.from({ length: idleConnections }, () => connect(port, '127.0.0.1'))
  t.after(() => {
    for (const socket of [...clients, ...accepted]) socket.destroy()
    server.close()
  })
  await soon(allAccepted.promise, () => `${idleConnections} idle connections`)
}

/** @returns the status of the owner's answer, else the code of the error. */
async function callFrom(localPort: number, url: URL): Promise<string> {
  const socket = connect({ host: url.hostname, port: Number(url.port), localPort })
  let answer = ''
  let failure = ''
  socket.setEncoding('latin1').on('data', (text: string) => (answer += text))
  socket.on('error', ({ code }: NodeJS.ErrnoException) => (failure = String(code)))
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.write(askOf('owner'))
  await soon(closed, () => `the owner's answer; it got ${answer}`)
  return /^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? failure
}

/** One line of the log a second reports a refusal; the next one counts those without a line. */
function lookedUpInVain(log: string): number {
  const lines = log.split('\n').filter((line) => line.includes('"user_not_allowed","client":"unknown"'))
  return lines.reduce((sum, line) => sum + 1 + Number(/"unlogged":(\d+)/.exec(line)?.[1] ?? 0), 0)
}

suite('a port that changes hands between users', { skip }, () => {
  test('serves nothing of the one who left as the next one, who is always served', async (t) => {
    // A client that has only left is no warning.
    const logging = { format: 'json', level: 'debug' } as const
    const { gateway, upstream } = await startGatewayProcess(t, { logging })
    upstream.respondAlways(json(200, { object: 'chat.completion', choices: [] }))
    await openIdle(t)
    const url = new URL(gateway.url)
    const resetter = startResetter(t, strangerUid, gateway.url, askOf('stranger'))

    const answers = new Map<string, number>()
    const endMs = performance.now() + longestMs
    let round = 0
    for (; round < rounds && performance.now() < endMs; round += 1) {
      const localPort = firstPort + round
      const how = await resetter.connectAndReset(localPort)
      const answer = how === 'left' ? await callFrom(localPort, url) : how
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
    }

    await gateway.stop()
    const dead = lookedUpInVain(gateway.stdout())
    t.diagnostic(`${round} rounds; ${dead} connections were dead after their look-up`)
    const bodies = upstream.requests.map(({ body }) => body.toString())
    assert.equal(bodies.filter((body) => body.includes('stranger')).length, 0, 'of the stranger')
    // A program may listen on one of the ports.
    const taken = answers.get('EADDRINUSE') ?? 0
    answers.delete('EADDRINUSE')
    assert.deepEqual([...answers], [['200', round - taken]], 'the owner')
    assert.equal(bodies.filter((body) => body.includes('owner')).length, round - taken)
    assert.ok(dead > 0, 'some of the rounds were a race')
  })
})
