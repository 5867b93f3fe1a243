// Whether a connection is its client's own. A proxy connects as its own Unix user, often the gateway's, for clients whose
// users nobody knows: what one has forwarded anything on is never taken for its user's own connection.
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

const forwardedKey = Symbol('forwarded')
type SeenSocket = Socket & { [forwardedKey]?: true }

/** Headers of front proxies: of standards, of nginx and its like, of Cloudflare and Tailscale. */
const proxyHeader =
  /^(?:cdn-loop|cf-.*|forwarded|tailscale-.*|true-client-ip|via|x-client-ip|x-forwarded-.*|x-real-ip)$/

/** Whether no request so far of this one's connection, this one included, was forwarded by a proxy. */
export function isDirect({ socket, headers }: IncomingMessage): boolean {
  const seen: SeenSocket = socket
  if (seen[forwardedKey] === true) return false
  for (const name in headers) {
    if (!proxyHeader.test(name)) continue
    markForwarded(socket)
    return false
  }
  return true
}

/** A proxy has forwarded something on this connection: nothing that comes over it is its user's own any more. */
export function markForwarded(socket: Socket): void {
  const seen: SeenSocket = socket
  seen[forwardedKey] = true
}
