// Connections through a proxy: CONNECT (RFC 9110 §9.3.6) or SOCKS5 (RFC 1928). The proxy resolves the provider's name, and
// sees no more of a provider over TLS than that.
import type { Socket } from 'node:net'
import connect from 'undici/lib/api/api-connect.js'
import buildConnector from 'undici/lib/core/connect.js'
import Client from 'undici/lib/dispatcher/client.js'
import Socks5ProxyAgent from 'undici/lib/dispatcher/socks5-proxy-agent.js'
import type { ProxyConfig } from '../config/provider-types.ts'
import { sharedLookup } from './shared-lookup.ts'

/** The proxy cannot be reached, or does not lead to the provider. */
export const proxyFailed = 'PROXY_FAILED'

/** Where a tunnel leads. */
interface Destination {
  readonly host: string
  readonly port: number
}

/** Makes connections to a provider through its proxy, TLS included; each of the steps within `timeoutMs`. */
export function createTunnel(proxy: ProxyConfig, timeoutMs: number): buildConnector.connector {
  const options = { timeout: timeoutMs, allowH2: false }
  const secure = buildConnector(options)
  const open = proxy.kind === 'socks5' ? socksOpener(proxy, timeoutMs) : connectOpener(proxy, timeoutMs)
  return (to, callback) => {
    const isSecure = to.protocol === 'https:'
    const port = to.port === '' ? (isSecure ? 443 : 80) : Number(to.port)
    open({ host: to.hostname, port }).then(
      (socket) => (isSecure ? secure({ ...to, httpSocket: socket }, callback) : callback(null, socket)),
      (error: Error) => callback(failure(proxy, error), null),
    )
  }
}

/** Makes connections to the proxy itself, for requests that it is to forward. */
export function createForwarding(proxy: ProxyConfig, timeoutMs: number): buildConnector.connector {
  const { protocol, hostname, port, host } = new URL(proxy.origin)
  const connect = buildConnector({ timeout: timeoutMs, allowH2: false, lookup: sharedLookup() })
  return (_, callback) => {
    connect({ protocol, hostname, port, host }, (error, socket) => {
      if (error === null) callback(null, socket)
      else callback(failure(proxy, error), null)
    })
  }
}

/** Whether requests are sent to the proxy to be forwarded, as HTTP proxies expect for plain HTTP (RFC 9112 §3.2.2). */
export function isForwarded(origin: string, proxy: ProxyConfig | undefined): proxy is ProxyConfig {
  return proxy !== undefined && proxy.kind !== 'socks5' && origin.startsWith('http:')
}

/** The headers that authorize a request at the proxy. */
export function proxyHeaders({ userInfo }: ProxyConfig): string[] {
  if (userInfo === undefined) return []
  return ['proxy-authorization', `Basic ${Buffer.from(userInfo.reveal()).toString('base64')}`]
}

type Opener = (to: Destination) => Promise<Socket>

function connectOpener(proxy: ProxyConfig, timeoutMs: number): Opener {
  const connectAny = buildConnector({ timeout: timeoutMs, allowH2: false, lookup: sharedLookup() })
  // A certificate is for the proxy's name, not for the one in `host`, which undici would use.
  const connector: buildConnector.connector = (to, callback) =>
    connectAny({ ...to, servername: '' }, callback)
  return async ({ host, port }) => {
    const client = new Client(proxy.origin, { connect: connector, headersTimeout: timeoutMs, allowH2: false })
    try {
      const path = `${host}:${port}`
      const headers = ['host', path, ...proxyHeaders(proxy)]
      const { socket, statusCode } = await connect.call(client, { path, headers })
      if (statusCode >= 200 && statusCode < 300) return socket as Socket
      socket.on('error', () => {}).destroy()
      throw new Error(`it refused the connection to ${path} (status ${statusCode})`)
    } finally {
      // The socket is no longer the client's.
      void client.destroy()
    }
  }
}

/** What undici's agent has besides what its types say: the handshake, written for its own pool. */
interface SocksHandshake {
  createSocks5Connection(host: string, port: number): Promise<Socket>
}

function socksOpener({ origin, userInfo }: ProxyConfig, connectTimeout: number): Opener {
  const [username, ...rest] = userInfo?.reveal().split(':') ?? []
  const options = { connectTimeout, ...(username !== undefined && { username, password: rest.join(':') }) }
  let agent: SocksHandshake | undefined
  return ({ host, port }) => {
    agent ??= new Socks5ProxyAgent(origin, options) as unknown as SocksHandshake
    return agent.createSocks5Connection(host.replace(/^\[|\]$/g, ''), port)
  }
}

/** Nothing has reached the provider. undici's own texts may quote what the proxy sent, so only other ones are passed on. */
function failure({ origin }: ProxyConfig, { message, code }: NodeJS.ErrnoException): Error {
  const isOwn = code === undefined || !/^(?:UND_ERR|HPE)_/.test(code)
  const detail = isOwn ? message : `the tunnel could not be opened (${code})`
  return Object.assign(new Error(`the proxy ${origin}: ${detail}`), { code: proxyFailed })
}
