import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import {
  isCredentialName,
  listCredentials,
  renderDropIn,
  storeCredential,
} from '../../src/systemd/credentials.ts'
import type { RunProgram } from '../../src/systemd/programs.ts'
import { servicePaths, type Scope } from '../../src/systemd/scope.ts'
import { scratchDirectory } from '../support/config-file.ts'

/** A machine with this version of systemd, on which encryption works unless told otherwise. */
function machine(version: number, canEncrypt = true): { run: RunProgram; calls: string[][] } {
  const calls: string[][] = []
  const run: RunProgram = (program, args, input) => {
    calls.push([program, ...args])
    if (program === 'systemctl')
      return { status: 0, stdout: `systemd ${version} (${version}.1)\n`, stderr: '' }
    const isGood = canEncrypt && input === 'sk-1'
    return isGood ? { status: 0, stdout: 'sealed', stderr: '' } : { status: 1, stdout: '', stderr: 'no' }
  }
  return { run, calls }
}

function paths(t: Parameters<typeof scratchDirectory>[0], scope: Scope = 'user') {
  const home = scratchDirectory(t)
  const all = servicePaths('user', { HOME: home })
  return { ...all, scope, credentialsDirectory: join(home, 'keys') }
}

const key = { name: 'openai_api_key', value: 'sk-1' }

test('a key is written so that only its owner can read it', (t) => {
  const to = paths(t)
  const stored = storeCredential(to, key, machine(252).run)
  assert.equal(readFileSync(stored.path, 'utf8'), 'sk-1')
  assert.equal(statSync(stored.path).mode & 0o777, 0o600)
  assert.equal(statSync(to.credentialsDirectory).mode & 0o777, 0o700)
  assert.deepEqual(readdirSync(to.credentialsDirectory), ['openai_api_key'])
})

test('a directory that others could read is closed', (t) => {
  const to = paths(t)
  mkdirSync(to.credentialsDirectory)
  chmodSync(to.credentialsDirectory, 0o755)
  storeCredential(to, key, machine(252).run)
  assert.equal(statSync(to.credentialsDirectory).mode & 0o777, 0o700)
})

const encrypting: readonly (readonly [Scope, number, boolean])[] = [
  ['system', 249, false],
  ['system', 250, true],
  ['user', 257, false],
  ['user', 258, true],
]
for (const [scope, version, isEncrypted] of encrypting) {
  test(`systemd ${version}: a key of the ${scope} is ${isEncrypted ? '' : 'not '}encrypted`, (t) => {
    const { run, calls } = machine(version)
    const stored = storeCredential(paths(t, scope), key, run)
    assert.equal(stored.isEncrypted, isEncrypted)
    assert.equal(readFileSync(stored.path, 'utf8'), isEncrypted ? 'sealed' : 'sk-1')
    assert.ok(
      calls.flat().every((word) => !word.includes('sk-1')),
      'no key in a command line',
    )
  })
}

test('where encryption fails the key is stored as it is', (t) => {
  assert.equal(storeCredential(paths(t, 'system'), key, machine(252, false).run).isEncrypted, false)
})

test('the encrypted form takes the place of the other one', (t) => {
  const to = paths(t, 'system')
  storeCredential(to, key, machine(249).run)
  storeCredential(to, key, machine(252).run)
  assert.deepEqual(readdirSync(to.credentialsDirectory), ['openai_api_key.cred'])
})

test('the drop-in passes each key in its form, and names it when it is missing', (t) => {
  const to = paths(t, 'system')
  storeCredential(to, key, machine(252).run)
  storeCredential(to, { name: 'a', value: 'x' }, machine(249).run)
  const text = renderDropIn(listCredentials(to.credentialsDirectory)).replaceAll(
    to.credentialsDirectory,
    'KEYS',
  )
  assert.match(text, /^AssertPathExists=KEYS\/a\nAssertPathExists=KEYS\/openai_api_key\.cred$/m)
  assert.match(
    text,
    /^LoadCredential=a:KEYS\/a\nLoadCredentialEncrypted=openai_api_key:KEYS\/openai_api_key\.cred$/m,
  )
})

test('names that are no file names, hide, or look encrypted are refused', () => {
  for (const name of ['', '.x', '../x', 'a/b', 'a b', 'a:b', 'x.cred', 'x'.repeat(101)]) {
    assert.equal(isCredentialName(name), false, name)
  }
  assert.equal(isCredentialName('openai_api_key'), true)
})
