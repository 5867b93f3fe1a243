import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { StartError } from '../../../src/errors.ts'
import { bindUnixSocket } from '../../../src/server/listeners/unix-socket.ts'
import { scratchDirectory } from '../../support/config-file.ts'

function place(t: TestContext): string {
  return join(scratchDirectory(t), 'gateway', 'llm.sock')
}

async function bind(t: TestContext, path: string): Promise<Server> {
  const server = createServer()
  t.after(() => server.close())
  await bindUnixSocket(server, path, 'server.unix_socket')
  return server
}

const mode = (path: string) => statSync(path).mode & 0o777

/** A socket file that nobody listens on, as a killed process leaves it. */
async function leaveStale(path: string): Promise<void> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(path, resolve))
  // Closing would remove it: a second name stays.
  linkSync(path, `${path}.kept`)
  await new Promise((resolve) => server.close(resolve))
  renameSync(`${path}.kept`, path)
}

suite('the Unix socket', () => {
  test('is made with 0600 in a directory with 0700, whatever the umask', async (t) => {
    const umask = process.umask(0)
    t.after(() => process.umask(umask))
    const path = place(t)
    await bind(t, path)
    assert.deepEqual([mode(path), mode(join(path, '..'))], [0o600, 0o700])
    assert.equal(process.umask(), 0)
  })

  test('goes away when the gateway stops', async (t) => {
    const path = place(t)
    const server = await bind(t, path)
    await new Promise((resolve) => server.close(resolve))
    assert.equal(existsSync(path), false)
  })

  test('takes the place of one that a crash left', async (t) => {
    const path = place(t)
    mkdirSync(join(path, '..'), { mode: 0o700 })
    await leaveStale(path)
    assert.ok(existsSync(path))
    const server = await bind(t, path)
    assert.ok(server.listening)
  })
})

suite('refused at start:', () => {
  function refusal(message: RegExp) {
    return (error: unknown) => {
      assert.ok(error instanceof StartError)
      assert.match(error.message, message)
      return true
    }
  }

  test('a place where another program listens, which goes on', async (t) => {
    const path = place(t)
    const first = await bind(t, path)
    await assert.rejects(bind(t, path), refusal(/another program listens/))
    assert.ok(first.listening && existsSync(path))
  })

  test('a place that holds a file, which stays as it is', async (t) => {
    const path = place(t)
    mkdirSync(join(path, '..'), { mode: 0o700 })
    writeFileSync(path, 'somebody’s data')
    await assert.rejects(bind(t, path), refusal(/is not a socket/))
    assert.equal(readFileSync(path, 'utf8'), 'somebody’s data')
  })

  test('a link, even to a socket that is left over', async (t) => {
    const path = place(t)
    mkdirSync(join(path, '..'), { mode: 0o700 })
    await leaveStale(`${path}.real`)
    symlinkSync(`${path}.real`, path)
    await assert.rejects(bind(t, path), refusal(/is not a socket/))
    assert.ok(existsSync(`${path}.real`))
  })

  for (const wide of [0o750, 0o701, 0o777]) {
    test(`a directory with mode ${wide.toString(8)}`, async (t) => {
      const path = place(t)
      mkdirSync(join(path, '..'))
      chmodSync(join(path, '..'), wide)
      await assert.rejects(bind(t, path), refusal(/can enter .*chmod 700/))
      assert.equal(mode(join(path, '..')), wide)
    })
  }

  test('a directory that can not be made', async (t) => {
    const file = join(scratchDirectory(t), 'file')
    writeFileSync(file, '')
    await assert.rejects(bind(t, join(file, 'gateway', 'llm.sock')), refusal(/cannot create/))
  })
})
