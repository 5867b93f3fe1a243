// Runs in a network namespace that has nothing but loopback and a second address, with an /etc/hosts of its own: calls a gateway
// there, and prints what came of each call and how many connections the second address has received by then.
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'

import { soon } from '../support/deadline.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'

const outside = process.argv[2]!
const names = 'localhost llm.localhost'

const resolveTo = (address: string) =>
  writeFileSync('/etc/hosts', `${address} ${names}\n${outside} gpu.lan\n`)

function listen(server: Server, host: string, port = 0): Promise<number> {
  return new Promise((resolve) =>
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port)),
  )
}

/** Answers one request for each connection, so that every call makes one of its own. */
const modelServer = createHttpServer((request, response) => {
  request.resume()
  const headers = { 'content-type': 'application/json', connection: 'close' }
  const isRedirected = request.headers['x-redirect'] !== undefined
  response.writeHead(isRedirected ? 307 : 200, { ...headers, location: `http://${outside}:${port}/` })
  response.end('{"id":"x","object":"chat.completion","choices":[]}')
})

let received = 0
const outsideServer = createServer((socket) => {
  received += 1
  socket.on('error', () => {}).end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}')
})

resolveTo('127.0.0.1')
const port = await listen(modelServer, '127.0.0.1')
// On the same port, so that whatever leads there is seen.
await listen(outsideServer, outside, port)

const ends: (() => unknown)[] = []
const speaks = ['chat' as const]
const proxy = `http://${outside}:${port}`
const { gateway } = await startGatewayProcess(
  { after: (end) => void ends.push(end) },
  {
    providers: {
      here: { base_url: `http://127.0.0.1:${port}/v1`, speaks },
      named: { base_url: `http://llm.localhost:${port}/v1`, speaks },
      redirecting: { base_url: `http://127.0.0.1:${port}/v1`, speaks, headers: { 'x-redirect': 'yes' } },
      lan: { base_url: `http://gpu.lan:${port}/v1`, allow_http: true, speaks },
      outside: { base_url: `http://${outside}:${port}/v1`, allow_http: true, speaks },
      closed: { base_url: 'http://127.0.0.1:9/v1', speaks },
    },
    models: {
      secret: { provider: 'here', boundary: 'local' },
      named: { provider: 'named', boundary: 'local' },
      failing: { provider: 'closed', boundary: 'local', fallbacks: ['named', 'secret'] },
      redirected: { provider: 'redirecting', boundary: 'local' },
      mixed: { targets: [{ provider: 'outside' }, { provider: 'here', tier: 2 }], fallbacks: ['lan'] },
      lan: { provider: 'lan' },
      out: { provider: 'outside' },
    },
  },
  { HTTP_PROXY: proxy, ALL_PROXY: proxy, http_proxy: proxy },
)

async function call(model: string, boundary?: string): Promise<unknown[]> {
  const before = received
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(boundary !== undefined && { 'x-llm-gateway-boundary': boundary }),
    },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'x' }] }),
  })
  await response.text()
  const { headers, status } = response
  const answered = headers.get('x-llm-gateway-error') ?? headers.get('x-llm-gateway-boundary')
  return [model, boundary ?? '', status, answered, received - before]
}

try {
  // The check at the start connects to every provider.
  for (const name of ['here', 'named', 'redirecting', 'lan', 'outside', 'closed']) {
    await gateway.says(new RegExp(`"provider":"${name}"`))
  }
  const calls = [await call('secret'), await call('named'), await call('failing'), await call('redirected')]
  calls.push(await call('mixed', 'local'), await call('lan', 'private'), await call('out', 'local'))
  resolveTo(outside)
  calls.push(await call('named'), await call('failing'), await call('secret'))
  // What leads outside is seen.
  calls.push(await call('out'))
  process.stdout.write(JSON.stringify({ calls, hosts: readFileSync('/etc/hosts', 'utf8') }))
} finally {
  for (const end of ends) await soon(Promise.resolve(end()), () => 'the end of the gateway')
  modelServer.close()
  outsideServer.close()
}
