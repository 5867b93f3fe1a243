import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'

import { createLog } from '../../src/observe/log.ts'

function linesOf(isJournal: boolean): string[] {
  let text = ''
  const stream = new Writable({
    write(chunk, _, done) {
      text += String(chunk)
      done()
    },
  })
  const log = createLog({ level: 'debug', format: 'json' }, { stream, isJournal })
  log.debug('d')
  log.info('i')
  log.warn('w')
  log.error('e')
  return text.trim().split('\n')
}

test("lines for the journal begin with syslog's priorities", () => {
  assert.deepEqual(
    linesOf(true).map((line) => line.slice(0, 4)),
    ['<7>{', '<6>{', '<4>{', '<3>{'],
  )
})

test('other lines are JSON and nothing else, with the level as a word', () => {
  const levels = linesOf(false).map((line) => (JSON.parse(line) as { level: string }).level)
  assert.deepEqual(levels, ['DEBUG', 'INFO', 'WARN', 'ERROR'])
})
