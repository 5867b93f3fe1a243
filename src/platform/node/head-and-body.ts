// Head and body of a response in one write. node:http writes a head alone, unless the body is a string.
// Leans on: the head waits as a latin1 string for the first write, which a string of that encoding is added to (_send in
// https://github.com/nodejs/node/blob/main/lib/_http_outgoing.js). latin1 keeps every byte as it is.
// Buys: one system call a response, about 6 of 146 µs of CPU. Canary: test/platform/node/response-bytes.test.ts.
import type { ServerResponse } from 'node:http'

/** A longer body would cost more to copy than its own write does. */
const maxJoinedBytes = 65_536

/** Ends a response of which nothing has been sent, not even its head. */
export function endWithHead(response: ServerResponse, body: Buffer): void {
  if (body.length > maxJoinedBytes) response.end(body)
  else response.end(body.toString('latin1'), 'latin1')
}
