// Which Unix sockets are known to be their owner's alone.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync } from 'node:fs'
import { createServer, Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'

import { peersOf } from '../../src/app/peer-identifiers.ts'
import { createEvents } from '../../src/observe/events.ts'
import { loadText, scratchDirectory } from '../support/config-file.ts'

test('a Unix socket that a service manager has opened is private if its mode says so', async (t) => {
  const loaded = loadText(t, 'providers: { echo: { kind: echo } }\nmodels: { echo: { provider: echo } }\n')
  assert.ok(loaded.ok)
  const path = join(scratchDirectory(t), 'inherited.sock')
  const server = createServer().listen(path)
  t.after(() => server.close())
  await once(server, 'listening')
  const isPrivate = async (sockets: readonly { fd: number; path: string | undefined }[]) => {
    const { unixSocket } = peersOf(loaded.config, createEvents([]), sockets).identifiers
    const identity = await unixSocket(new Socket())
    return identity.kind === 'known' && identity.isPrivateSocket
  }
  assert.equal(await isPrivate([]), true)
  for (const [mode, expected] of [
    [0o600, true],
    [0o660, false],
    [0o666, false],
  ] as const) {
    chmodSync(path, mode)
    assert.equal(await isPrivate([{ fd: 3, path }]), expected)
  }
  assert.equal(await isPrivate([{ fd: 3, path: `${path}-gone` }]), false)
})
