// The client library, which only a gateway with a store loads: in the package, this is a file of its own, which shares no state
// with the gateway. It is used for one connection at a time, without what it does by itself when one breaks (queues, resent
// commands, redirections): a decision must reach no server that has not been joined before.
import debug from 'debug'
import { Redis } from 'ioredis'

import type { StoreAddress } from '../../../config/store-types.ts'

// With DEBUG set, ioredis would print each command, AUTH and its password included.
debug.disable()

export type Client = Redis

const connectTimeoutMs = 2000

interface ClientOptions {
  readonly isEncrypted: boolean
  /** Certificates in PEM; undefined: those of Node. */
  readonly ca: string | undefined
}

/**
 * Connects once, and never again.
 * @throws what the system or TLS reports.
 */
export async function openClient(address: StoreAddress, { isEncrypted, ca }: ClientOptions): Promise<Client> {
  const client = new Redis({
    ...address,
    ...(isEncrypted && 'host' in address && { tls: tlsOptions(address.host, ca) }),
    lazyConnect: true,
    connectTimeout: connectTimeoutMs,
    disconnectTimeout: 500,
    keepAlive: 10_000,
    protocol: 2,
    disableClientInfo: true,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  let cause: unknown
  client.on('error', (error: Error) => (cause ??= error))
  // The library's own timeout begins again with each byte, of a handshake that never ends too.
  let isLate = false
  const late = setTimeout(() => {
    isLate = true
    client.disconnect()
    client.stream?.destroy()
  }, connectTimeoutMs + 500)
  try {
    await client.connect()
  } catch (error) {
    client.disconnect()
    throw isLate ? new Error(`no connection within ${connectTimeoutMs + 500} ms`) : (cause ?? error)
  } finally {
    clearTimeout(late)
  }
  return client
}

function tlsOptions(host: string, ca: string | undefined) {
  return {
    ...(ca !== undefined && { ca }),
    // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
    rejectUnauthorized: true,
    // An address is no server name (RFC 6066 §3); the certificate is compared with `host` all the same.
    ...(!/^[\d.]+$|:/.test(host) && { servername: host }),
  }
}
