// A request that may last longer than the server's `requestTimeout`: an upload as large as its provider accepts.
// Leans on: the parser of a connection is watched while it is in the server's list of connections; `remove` takes it out, and
// its next message puts it back (ConnectionsList in https://github.com/nodejs/node/blob/main/src/node_http_parser.cc).
// Buys: files of gigabytes, while all other requests keep their time limit. Without it, a long upload would end with 408.
// Canary: test/platform/node/request-timeout.test.ts.
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

type ParsedSocket = Socket & { readonly parser?: { remove?(): void } | null }

/** From here on the receiver decides how long this one request may take. */
export function liftRequestTimeout({ socket }: IncomingMessage): void {
  const { parser }: ParsedSocket = socket
  parser?.remove?.()
}
