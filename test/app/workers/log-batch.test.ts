import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LogBatch } from '../../../src/app/workers/log-batch.ts'

test('lines of one turn of the event loop go together, in order, and each once', async () => {
  const sent: string[] = []
  const log = new LogBatch(false, (text) => sent.push(text))
  log.write('a\n')
  log.write('b\n')
  await new Promise(setImmediate)
  log.write('c\n')
  log.flush()
  await new Promise(setImmediate)
  assert.deepEqual(sent, ['a\nb\n', 'c\n'])
})
