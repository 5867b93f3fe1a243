import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'

import { forEachLine, waitForLine } from '../../../src/cli/deploy/bounded-lines.ts'

async function linesOf(...pieces: readonly Buffer[]): Promise<string[]> {
  const stream = new PassThrough()
  const lines: string[] = []
  forEachLine(stream, (line) => lines.push(line))
  for (const piece of pieces) {
    stream.write(piece)
    await setImmediate()
  }
  stream.end()
  await new Promise((resolve) => stream.once('close', resolve))
  return lines
}

test('lines arrive whole, however they are cut', async () => {
  const bytes = Buffer.from('één\r\n\nlast')
  assert.deepEqual(await linesOf(...Array.from(bytes, (byte) => Buffer.of(byte))), ['één', '', 'last'])
})

test('a line without an end is not kept, and not all of many lines are handed on', async () => {
  const [line = '', ...others] = await linesOf(Buffer.alloc(100_000, 'x'), Buffer.from('\nnext\n'))
  assert.deepEqual([line.length, others], [4_096, ['next']])
  const lines = await linesOf(Buffer.from('a\n'.repeat(30_000)))
  assert.deepEqual([lines.length, lines.at(-1)], [20_001, '… further lines are left out'])
})

test('a line that never comes is not waited for behind the end', async () => {
  const [ended, found] = [new PassThrough(), new PassThrough()]
  const outcomes = [waitForLine(ended, 'ready'), waitForLine(found, 'ready')]
  ended.end('not ready\n')
  found.write('hello\nready\n')
  assert.deepEqual(await Promise.all(outcomes), [false, true])
})
