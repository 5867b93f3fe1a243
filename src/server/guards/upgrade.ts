// The protocol of a connection does not change. An offer of another one may be ignored (RFC 9110 §7.8), as HTTP/2 over plain
// text is, which Java's client and `curl --http2` offer with their calls. A client that opens a WebSocket has nothing else to
// say; 426 sends it to HTTP at once, where it would try other statuses again.
import { GatewayError } from '../../errors.ts'
import type { Guard } from './guard.ts'

const namesWebSocket = /(?:^|[\s,])websocket(?:$|[\s,/])/i

export const upgradeGuard: Guard = ({ method, headers: { upgrade } }) => {
  // An opening handshake is a GET (RFC 6455 §4.1).
  if (upgrade === undefined || method !== 'GET' || !namesWebSocket.test(upgrade)) return undefined
  const message =
    'WebSockets are not supported. Send the request as a POST over HTTP/1.1; responses can be streamed.'
  const headers = { upgrade: 'HTTP/1.1', connection: 'upgrade, close' }
  return new GatewayError('websocket_not_supported', message, { headers })
}
