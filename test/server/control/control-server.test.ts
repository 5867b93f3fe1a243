// The input of commands and what they answer.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { type ControlCommand, ControlError, openControl } from '../../../src/server/control/control-server.ts'
import { askSocket } from '../../support/control-socket.ts'

async function start(t: TestContext, command: ControlCommand): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'control-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const control = await openControl(join(directory, 'control.sock'), new Map([['POST /-/echo', command]]))
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

  test('with a bug is a 500, and the next one is answered', async (t) => {
    let runs = 0
    const path = await start(t, () => {
      runs += 1
      if (runs === 1) throw new TypeError('a bug')
      return { runs }
    })
    assert.equal((await askSocket(path, 'POST /-/echo')).status, 500)
    assert.equal((await askSocket(path, 'POST /-/echo')).status, 200)
  })
})

test('a path that is too long for a socket is refused with its bound', async (t) => {
  const path = await start(t, () => ({}))
  const long = join(path, '..', 'd'.repeat(100), 'control.sock')
  await assert.rejects(openControl(long, new Map()), /107 bytes/)
})
