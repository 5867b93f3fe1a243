import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'

import { BatchedLines } from '../../src/observe/batched-lines.ts'

test('the lines of one turn of the event loop are one write, in their order', async () => {
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
  await turn()
  lines.write('three\n')
  await turn()
  assert.deepEqual(writes, ['one\ntwo\n', 'three\n'])
})
