// Proxies on real sockets, and a provider over TLS behind them that resolves under no name on this machine.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'

import type { Cleanup } from './scripted-upstream.ts'

const fixtures = join(import.meta.dirname, '../fixtures/tls')
/** Of `api.example`, `proxy.example` and 127.0.0.1, signed by itself. */
const certificate = readFileSync(join(fixtures, 'certificate.pem'))
const key = readFileSync(join(fixtures, 'key.pem'))

/** Makes this process trust the certificate until the test ends. */
export function trustFixture(t: Cleanup): void {
  const before = tls.getCACertificates('default')
  tls.setDefaultCACertificates([...before, certificate.toString()])
  t.after(() => tls.setDefaultCACertificates(before))
}

export interface TestProxy {
  readonly port: number
  /** What it was asked for: `CONNECT api.example:443`, or the request line that it was to forward. */
  readonly asked: readonly string[]
  /** `proxy-authorization`, or `USER:PASSWORD` of SOCKS. */
  readonly credentials: readonly (string | undefined)[]
}

/** A server of `https://api.example` that answers every call with this JSON. Returns its port. */
export function startTlsProvider(t: Cleanup, body: string): Promise<number> {
  const server = createHttpsServer({ cert: certificate, key }, (request, response) => {
    request.resume()
    response.setHeader('content-type', 'application/json').end(body)
  })
  return listen(t, server)
}

/**
 * An HTTP proxy whose tunnels all lead to one port of this machine.
 * @param to undefined: it refuses every request with 403.
 */
export async function startHttpProxy(
  t: Cleanup,
  to: number | undefined,
  isSecure = false,
): Promise<TestProxy> {
  const asked: string[] = []
  const credentials: (string | undefined)[] = []
  const server = isSecure ? createHttpsServer({ cert: certificate, key }) : createHttpServer()
  server.on('connect', ({ method, url, headers }, socket: Socket) => {
    asked.push(`${method} ${url}`)
    credentials.push(headers['proxy-authorization'])
    if (to === undefined) socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n')
    else {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      pipeBoth(socket, connect(to, '127.0.0.1'))
    }
  })
  return { port: await listen(t, server), asked, credentials }
}

/** A SOCKS5 proxy that requires a user and a password, and whose tunnels all lead to one port. */
export async function startSocksProxy(t: Cleanup, to: number): Promise<TestProxy> {
  const asked: string[] = []
  const credentials: string[] = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(Buffer.from([5, 2]))
      socket.once('data', (login: Buffer) => {
        const userEnd = 2 + login[1]!
        credentials.push(`${login.subarray(2, userEnd).toString()}:${login.subarray(userEnd + 1).toString()}`)
        socket.write(Buffer.from([1, 0]))
        socket.once('data', (request: Buffer) => {
          const end = 5 + request[4]!
          asked.push(`CONNECT ${request.subarray(5, end).toString()}:${request.readUInt16BE(end)}`)
          socket.write(Buffer.from([5, 0, 0, 1, 127, 0, 0, 1, 0, 0]))
          pipeBoth(socket, connect(to, '127.0.0.1'))
        })
      })
    })
  })
  return { port: await listen(t, server), asked, credentials }
}

function pipeBoth(one: Socket, other: Socket): void {
  for (const socket of [one, other]) socket.on('error', () => {})
  one.pipe(other).pipe(one)
}

async function listen(t: Cleanup, server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}
