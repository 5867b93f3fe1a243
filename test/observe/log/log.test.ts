import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'

import { createLog } from '../../../src/observe/log/log.ts'
import { openLogOutput } from '../../../src/observe/log/output.ts'

const onTransportFailure = assert.fail
import type { LoggingConfig } from '../../../src/config/observe-types.ts'

function linesOf(logging: LoggingConfig, isJournal = false): string[] {
  let text = ''
  const stdout = new Writable({
    write(chunk, _, done) {
      text += String(chunk)
      done()
    },
  })
  const log = createLog(logging.level, openLogOutput(logging, { stdout, isJournal, onTransportFailure }))
  log.debug({ event: 'd' })
  log.info({ event: 'i', absent: undefined })
  log.warn({ event: 'w', count: 1 })
  log.error({ event: 'e' })
  return text.trim().split('\n')
}

test("lines for the journal begin with syslog's priorities", () => {
  const lines = linesOf({ level: 'debug', format: 'json' }, true)
  assert.deepEqual(
    lines.map((line) => line.slice(0, 4)),
    ['<7>{', '<6>{', '<4>{', '<3>{'],
  )
})

test('other lines are JSON and nothing else, with the level as a word', () => {
  const lines = linesOf({ level: 'debug', format: 'json' })
  const levels = lines.map((line) => (JSON.parse(line) as { level: string }).level)
  assert.deepEqual(levels, ['DEBUG', 'INFO', 'WARN', 'ERROR'])
})

test('lines for people keep their priority in the journal', () => {
  assert.match(linesOf({ level: 'warn', format: 'pretty' }, true)[0]!, /^<4>[\d:.]+ WARN {2}w count=1$/)
})

test('lines below the level are not written, nor facts that are undefined', () => {
  const lines = linesOf({ level: 'info', format: 'json' })
  assert.deepEqual(Object.keys(JSON.parse(lines[0]!) as object), ['level', 'time', 'event'])
  assert.equal(lines.length, 3)
})

test('several lines at once are rendered each', () => {
  let text = ''
  const stdout = { write: (more: string) => (text += more) } as unknown as NodeJS.WritableStream
  const output = openLogOutput({ format: 'json' }, { stdout, isJournal: true, onTransportFailure })
  output.write('{"level":"WARN","n":1}\n{"level":"INFO","n":2}\n')
  assert.equal(text, '<4>{"level":"WARN","n":1}\n<6>{"level":"INFO","n":2}\n')
})

test('a secret that got into the facts by mistake stays out of the log', () => {
  let text = ''
  const log = createLog('info', { write: (line) => (text += line) })
  log.info({ event: 'e', authorization: 'Bearer s3cret', headers: { 'x-api-key': 's3cret' }, reason: 'r' })
  assert.doesNotMatch(text, /s3cret/)
  assert.match(text, /"reason":"r"/)
})

test('text of others can neither control a terminal nor forge a line, in any format', () => {
  for (const format of ['json', 'pretty'] as const) {
    let text = ''
    const stdout = { write: (more: string) => (text += more) } as unknown as NodeJS.WritableStream
    const log = createLog('info', openLogOutput({ format }, { stdout, onTransportFailure }))
    log.info({ event: 'e', model: 'm\u009b2J\u007f\u202e\u200e', message: 'x\u0085y\nz' })
    assert.match(text, /m\\u009b2J\\u007f\\u202e\\u200e/)
    assert.match(text, /x\\u0085y(?:\\n|\\u000a)z/)
    assert.doesNotMatch(text.trimEnd(), /[\p{Cc}\p{Bidi_Control}]/u)
  }
})
