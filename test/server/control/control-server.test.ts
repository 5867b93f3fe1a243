// The input of commands and what they answer.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { type ControlCommand, ControlError, openControl } from '../../../src/server/control/control-server.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { askSocket } from '../../support/control-socket.ts'

async function start(
  t: TestContext,
  command: ControlCommand,
  onError: Parameters<typeof openControl>[2] = (error) => assert.fail(String(error)),
): Promise<string> {
  const directory = scratchDirectory(t)
  const commands = new Map([['POST /-/echo', command]])
  const control = await openControl(join(directory, 'control.sock'), commands, onError)
  t.after(() => control.close())
  return control.path
}

suite('a command', () => {
  test('gets the body, and its result is the answer', async (t) => {
    const path = await start(t, (input) => ({ got: input }))
    assert.deepEqual(await askSocket(path, 'POST /-/echo', {}, '{"a":[1]}'), {
      status: 200,
      body: { got: { a: [1] } },
    })
    assert.deepEqual(await askSocket(path, 'POST /-/echo'), { status: 200, body: { got: {} } })
  })

  for (const body of ['[1]', '1', '{', `{"a":"${'x'.repeat(2_000_000)}"}`]) {
    test(`does not run with ${body.slice(0, 10)}`, async (t) => {
      const path = await start(t, () => assert.fail('it ran'))
      const { status } = await askSocket(path, 'POST /-/echo', {}, body)
      assert.equal(status, 400)
    })
  }

  test('that cannot be carried out reports why', async (t) => {
    const path = await start(t, () => {
      throw new ControlError('not now')
    })
    const { status, body } = await askSocket(path, 'POST /-/echo')
    assert.deepEqual([status, body], [409, { error: { message: 'not now' } }])
  })

  test('with a bug is a 500 and reported, and the next one is answered', async (t) => {
    let runs = 0
    const reported: unknown[] = []
    const command = () => {
      runs += 1
      if (runs === 1) throw new TypeError('a bug')
      return runs === 2 ? { number: 1n } : { runs }
    }
    const path = await start(t, command, (error, name) => reported.push(name, String(error)))
    assert.equal((await askSocket(path, 'POST /-/echo')).status, 500)
    assert.equal((await askSocket(path, 'POST /-/echo')).status, 500)
    assert.equal((await askSocket(path, 'POST /-/echo')).status, 200)
    assert.deepEqual(reported.slice(0, 2), ['POST /-/echo', 'TypeError: a bug'])
    assert.match(String(reported[3]), /BigInt/)
  })
})

test('a path that is too long for a socket is refused with its bound', async (t) => {
  const path = await start(t, () => ({}))
  const long = join(path, '..', 'd'.repeat(100), 'control.sock')
  await assert.rejects(
    openControl(long, new Map(), () => {}),
    /107 bytes/,
  )
})
