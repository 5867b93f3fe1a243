import assert from 'node:assert/strict'
import { test } from 'node:test'

import { readPartialConfig } from '../../src/config/partial-config.ts'
import { writeScratch } from '../support/config-file.ts'

test('providers and their credentials are read though the keys are not there', (t) => {
  const file = writeScratch(
    t,
    'server: { port: 4711 }\nproviders:\n  a: { base_url: "http://x/v1", api_key: { credential: a_key } }\n  b: { kind: echo }\n',
  )
  const read = readPartialConfig(file, {})
  assert.ok(read.kind === 'read')
  assert.deepEqual(
    [...read.config.providers],
    [
      ['a', 'a_key'],
      ['b', undefined],
    ],
  )
  assert.deepEqual([read.config.hosts, read.config.port], [['127.0.0.1', '::1'], 4711])
})

test('what has another shape than it should is left out', (t) => {
  const read = readPartialConfig(
    writeScratch(t, 'server: 1\nproviders: { a: [1], b: { api_key: { credential: [] } } }\n'),
    {},
  )
  assert.ok(read.kind === 'read')
  assert.deepEqual([...read.config.providers.values()], [undefined, undefined])
})

test('a file that is no YAML, or not there, is said to be so', (t) => {
  assert.equal(readPartialConfig(writeScratch(t, 'a: [\n'), {}).kind, 'unreadable')
  assert.deepEqual(readPartialConfig('/nonexistent/x.yaml', {}), {
    kind: 'unreadable',
    message: 'there is no such file',
  })
})

test('credentials of messages and of the receiver of spans are named', (t) => {
  const text = `notify: { sinks: { team: { kind: slack, url: { credential: slack } } }, heartbeat: { url: { credential: beat } } }
tracing: { headers: { authorization: { credential: spans }, x-plain: text } }
`
  const read = readPartialConfig(writeScratch(t, text), {})
  assert.ok(read.kind === 'read')
  assert.deepEqual(read.config.otherCredentials, ['slack', 'beat', 'spans'])
})

test('the keys of clients are off and beside the configuration unless it says otherwise', (t) => {
  const keysOf = (text: string) => {
    const read = readPartialConfig(writeScratch(t, text), {})
    assert.ok(read.kind === 'read')
    return read.config.keys
  }
  const usual = { mode: 'off', file: undefined, prefix: 'gw_' }
  assert.deepEqual(keysOf('server: {}\n'), usual)
  assert.deepEqual(keysOf('keys: { mode: on, file: null, prefix: 5 }\n'), usual)
  assert.deepEqual(keysOf('keys: { mode: optional, file: k.json, prefix: team_ }\n'), {
    mode: 'optional',
    file: 'k.json',
    prefix: 'team_',
  })
})

for (const [section, expected] of [
  ['', false],
  ['keys: { mode: optional }', true],
  ['identity: { sources: [{ kind: tailscale, from_user: self }] }', true],
  ['identity: { sources: [{ kind: tailscale, from_user: self }] }\naudit: { enabled: false }', false],
  ['audit: { enabled: true }', true],
] as const) {
  test(`there ${expected ? 'is' : 'is not'} an audit log with ${section || 'nothing'}`, (t) => {
    const read = readPartialConfig(writeScratch(t, `providers: { b: { kind: echo } }\n${section}\n`), {})
    assert.ok(read.kind === 'read')
    assert.equal(read.config.isAudited, expected)
  })
}
