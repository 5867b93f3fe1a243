import assert from 'node:assert/strict'
import { test } from 'node:test'

import { outlineConfig } from '../../src/config/partial-config.ts'
import { writeScratch } from '../support/config-file.ts'

test('providers and their credentials are read though the keys are not there', (t) => {
  const file = writeScratch(
    t,
    'server: { port: 4711 }\nproviders:\n  a: { base_url: "http://x/v1", api_key: { credential: a_key } }\n  b: { kind: echo }\n',
  )
  const read = outlineConfig(file, {})
  assert.ok(read.kind === 'read')
  assert.deepEqual(
    [...read.outline.providers],
    [
      ['a', 'a_key'],
      ['b', undefined],
    ],
  )
  assert.deepEqual([read.outline.hosts, read.outline.port], [['127.0.0.1', '::1'], 4711])
})

test('what has another shape than it should is left out', (t) => {
  const read = outlineConfig(
    writeScratch(t, 'server: 1\nproviders: { a: [1], b: { api_key: { credential: [] } } }\n'),
    {},
  )
  assert.ok(read.kind === 'read')
  assert.deepEqual([...read.outline.providers.values()], [undefined, undefined])
})

test('a file that is no YAML, or not there, is said to be so', (t) => {
  assert.equal(outlineConfig(writeScratch(t, 'a: [\n'), {}).kind, 'unreadable')
  assert.deepEqual(outlineConfig('/nonexistent/x.yaml', {}), {
    kind: 'unreadable',
    message: 'there is no such file',
  })
})
