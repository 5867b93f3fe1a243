// A http.Server that is handed its connections, by the documented way of emitting 'connection', and never listens itself
// does not watch how long requests take: it starts to on its own 'listening' event.
// Leans on: that event alone (setupConnectionsTracking in lib/_http_server.js) starts `headersTimeout` and `requestTimeout`.
// Buys: connections whose client is looked up before the parser reads. Without it slow clients would never be refused.
// Canary: test/platform/node/http-timeouts.test.ts. Source: https://github.com/nodejs/node/blob/main/lib/_http_server.js
import type { Server } from 'node:http'

/** Once, before the first connection. `close` ends the watch. */
export function startTimeouts(server: Server): void {
  server.emit('listening')
}
