// Canary of src/platform/node/http-timeouts.ts: fails when Node changes what it leans on.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'node:test'

import { startTimeouts } from '../../../src/platform/node/http-timeouts.ts'
import { soon } from '../../support/deadline.ts'

test('a server that does not listen ends requests that take too long', async (t) => {
  const server = createServer({ headersTimeout: 20, requestTimeout: 20, connectionsCheckingInterval: 10 })
  startTimeouts(server)
  t.after(() => server.close())
  const expired = new Promise<NodeJS.ErrnoException>((resolve) => server.once('clientError', resolve))
  const socket = new Socket()
  t.after(() => socket.destroy())
  server.emit('connection', socket)
  const error = await soon(expired, () => 'the timeout')
  assert.equal(error.code, 'ERR_HTTP_REQUEST_TIMEOUT')
})
