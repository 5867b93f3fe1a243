import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { test } from 'node:test'

import { answerRaw } from '../../src/server/raw-response.ts'

test('a CONNECT whose client has gone away does not end the process', async () => {
  const socket = new Duplex({
    read() {},
    write(_bytes, _encoding, done) {
      done(Object.assign(new Error('write ECONNRESET'), { code: 'ECONNRESET' }))
    },
  })
  const closed = new Promise((resolve) => socket.once('close', resolve))

  assert.equal(answerRaw(socket as unknown as Socket, 'CONNECT')?.code, 'method_not_allowed')

  await closed
  assert.ok(socket.errored)
})
