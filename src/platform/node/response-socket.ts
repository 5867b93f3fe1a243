// Writes of a response past node:http, which holds each back to the end of the turn and sends it through a second stream.
// Leans on: once the head is out, a response that has been assigned its socket adds nothing to what `write` is given but
// framing, and `end` writes only what it is given (https://github.com/nodejs/node/blob/main/lib/_http_outgoing.js).
// Buys: a tick and a buffer a streamed event, about 2 of 51 µs of CPU. Canary: test/platform/node/response-bytes.test.ts.
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Where bytes of a response go whose head is out: its socket, or itself while it waits for an earlier response's end. */
export function outputOf(response: ServerResponse): ServerResponse | Socket {
  return response.socket ?? response
}
