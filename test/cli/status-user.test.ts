import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'

import { chooseStatusUser } from '../../src/cli/status-user.ts'

/** @param typed at the terminal; undefined: there is none. */
function choose(named: string | undefined, sudoUser: string | undefined, typed?: string) {
  const stdin = Object.assign(new PassThrough(), { isTTY: typed !== undefined })
  stdin.end(typed === undefined ? '' : `${typed}\n`)
  const stdout = { text: '', write: (text: string) => (stdout.text += text) }
  const env = sudoUser === undefined ? {} : { SUDO_USER: sudoUser }
  return chooseStatusUser({ stdin, stdout, env }, named)
}

test('the status page is shown to the user who is named, typed, or runs sudo, in this order', async () => {
  assert.equal(await choose('games', 'daemon', 'bin'), 'games')
  assert.equal(await choose(undefined, 'daemon', 'games'), 'games')
  assert.equal(await choose(undefined, 'daemon', ''), 'daemon')
  assert.equal(await choose(undefined, 'daemon'), 'daemon')
})

test('nobody is chosen where nobody is known', async () => {
  assert.equal(await choose(undefined, undefined), undefined)
  assert.equal(await choose(undefined, 'root'), undefined)
  assert.equal(await choose(undefined, undefined, ''), undefined)
})

test('a user who does not exist is reported', async () => {
  assert.deepEqual(await choose('nobody-of-that-name', undefined), { unknown: 'nobody-of-that-name' })
})
