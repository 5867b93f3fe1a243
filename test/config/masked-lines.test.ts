import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { maskedLines } from '../../src/config/masked-lines.ts'
import { loadText } from '../support/config-file.ts'

test('a masked range keeps its columns and line ends', () => {
  assert.deepEqual(
    maskedLines('a: key\r\nb: c', [
      [3, 6],
      [4, 5],
    ]),
    ['a: ***', 'b: c'],
  )
})

describe('no line shows a key that stands', () => {
  const texts: [name: string, text: string][] = [
    ['as a literal', 'providers:\n  a: { api_key: hunter2 }'],
    ['in quotes', 'providers:\n  a: { api_key: "hunter2" }'],
    ['in a list', 'providers:\n  a: { api_key: [hunter2] }'],
    ['on a line of its own', 'providers:\n  a:\n    api_key:\n      hunter2'],
    ['in a block', 'providers:\n  a:\n    api_key: |\n      hunter2\n      hunter2\n  b: 1'],
    ['under a mistyped key', 'providers:\n  a: { apikey: hunter2 }'],
    ['under an unknown key of a reference', 'providers:\n  a: { api_key: { value: hunter2 } }'],
    ['as the name of a variable that is none', 'providers:\n  a: { api_key: { env: hunter2-x } }'],
    ['in a header', 'providers:\n  a: { headers: { x: hunter2 } }'],
    ['under a key that stands twice', 'providers:\n  a: { api_key: {}, api_key: hunter2 }'],
    ['under a provider that stands twice', 'providers:\n  a: {}\n  a: { api_key: hunter2 }'],
    ['behind an anchor', 'x: &k hunter2\nproviders:\n  a: { api_key: *k }'],
    ['at the top', 'hunter2-api: hunter2x'.replace('hunter2-api', 'api_key')],
    ['in the URL', 'providers:\n  a: { base_url: "http://user:hunter2@a.example" }'],
    ['in a file that YAML can not read', 'providers:\n  a: { api_key: hunter2\n b: ]'],
    ['under a header in a file that YAML can not read', 'headers:\n  Authorization: Bearer hunter2\n b: ]'],
    [
      'in a URL before a keyword in a file that YAML can not read',
      'a: http://user:hunter2-secret@proxy.example\n b: ]',
    ],
    ['in the shape of a key in a file that YAML can not read', 'a: sk-hunter2-and-more\n b: ]'],
  ]
  for (const [name, text] of texts) {
    test(name, (t) => {
      const loaded = loadText(t, text)
      assert.ok(!loaded.ok)
      assert.doesNotMatch(JSON.stringify(loaded), /hunter2/)
    })
  }
})

test('a long line is shown in part', () => {
  assert.equal(maskedLines('a'.repeat(5000), [])[0]?.length, 1000)
})
