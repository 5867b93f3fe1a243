import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { parse } from 'yaml'

import { departures } from '../../src/config/conform.ts'
import { notSupportedFindings, notSupportedYet } from '../../src/config/not-supported.ts'
import { formatPath } from '../../src/config/problems.ts'
import { configSchema, type Schema } from '../../src/config/schema.ts'
import { loadText } from '../support/config-file.ts'

const table = [
  { path: 'models.*.targets.*.weight', inert: 1 },
  { path: 'models.*.targets.1' },
  { path: 'server.unix_socket', inert: null },
]

function refusedPaths(text: string): string[] {
  return [...notSupportedFindings(parse(text), table)].map(({ path }) => formatPath(path))
}

describe('a key of the table is', () => {
  test('refused wherever it stands', () => {
    const text =
      'models: { a: { targets: [{ weight: 2 }] }, b: { targets: [{}, {}] } }\nserver: { unix_socket: /x }'
    assert.deepEqual(refusedPaths(text), [
      'models.a.targets[0].weight',
      'models.b.targets[1]',
      'server.unix_socket',
    ])
  })

  test('accepted with the value that asks for nothing', () => {
    assert.deepEqual(
      refusedPaths('models: { a: { targets: [{ weight: 1 }] } }\nserver: { unix_socket: null }'),
      [],
    )
  })
})

test('a refused key has its place and says so', (t) => {
  const text =
    'server: { unix_socket: /x }\nproviders: { e: { kind: echo } }\nmodels: { m: { provider: e } }\n'
  const loaded = loadText(t, text, { notSupported: table })
  assert.ok(!loaded.ok)
  assert.deepEqual(
    loaded.problems.map(({ line, column, message }) => [line, column, message]),
    [[1, 11, 'not supported yet']],
  )
  assert.ok(loadText(t, text).ok)
})

test('the table is sorted, and every path of it is in the schema, with an inert value that fits', () => {
  const paths = notSupportedYet.map(({ path }) => path)
  assert.deepEqual(paths, paths.toSorted())
  for (const { path, inert } of notSupportedYet) {
    let schema: Schema | undefined = configSchema
    for (const step of path.split('.')) {
      const { items, properties, additionalProperties: others }: Schema = schema
      schema = items ?? properties?.[step] ?? (typeof others === 'object' ? others : undefined)
      assert.ok(schema, `${path} is not in the schema`)
    }
    if (inert !== undefined) assert.deepEqual([...departures(schema, inert)], [], path)
  }
})
