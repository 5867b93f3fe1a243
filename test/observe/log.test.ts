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
  log.debug({ event: 'd' })
  log.info({ event: 'i' })
  log.warn({ event: 'w' })
  log.error({ event: 'e' })
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

test('lines for people keep their priority in the journal', () => {
  const lines: string[] = []
  const log = createLog(
    { level: 'info', format: 'pretty' },
    { stream: { write: (text: string) => lines.push(text) }, isJournal: true },
  )
  log.warn({ event: 'w', count: 1 })
  assert.match(lines.join(''), /^<4>[\d:.]+ WARN {2}w count=1\n$/)
})

test('lines below the level are not written', () => {
  const lines: string[] = []
  const log = createLog(
    { level: 'warn', format: 'json' },
    { stream: { write: (text: string) => lines.push(text) } },
  )
  log.info({ event: 'i' })
  log.warn({ event: 'w', absent: undefined })
  assert.deepEqual(
    lines.map((line) => Object.keys(JSON.parse(line) as object)),
    [['level', 'time', 'event']],
  )
})
