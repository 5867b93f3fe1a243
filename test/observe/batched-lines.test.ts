import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'

import { BatchedLines } from '../../src/observe/batched-lines.ts'

test('the lines of a few milliseconds are one write, in their order', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const writes: string[] = []
  const stream = new Writable({
    write(chunk, _, done) {
      writes.push(String(chunk))
      done()
    },
  })
  const lines = new BatchedLines(stream)
  lines.write('one\n')
  lines.write('two\n')
  assert.deepEqual(writes, [])
  t.mock.timers.tick(5)
  lines.write('three\n')
  t.mock.timers.tick(5)
  assert.deepEqual(writes, ['one\ntwo\n', 'three\n'])
})
