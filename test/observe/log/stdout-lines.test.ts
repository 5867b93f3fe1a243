import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { StdoutLines } from '../../../src/observe/log/stdout-lines.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { soon } from '../../support/deadline.ts'

const module = join(import.meta.dirname, '../../../src/observe/log/stdout-lines.ts')

test('the lines of a few milliseconds are one write, in their order', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const file = join(scratchDirectory(t), 'log')
  const fd = openSync(file, 'w')
  t.after(() => closeSync(fd))
  const lines = new StdoutLines(fd)
  lines.write('one\n')
  lines.write('two\n')
  assert.equal(readFileSync(file, 'utf8'), '')
  t.mock.timers.tick(5)
  assert.equal(readFileSync(file, 'utf8'), 'one\ntwo\n')
  lines.write('three\n')
  t.mock.timers.tick(5)
  assert.equal(readFileSync(file, 'utf8'), 'one\ntwo\nthree\n')
})

/** More than any pipe holds. */
const count = 20_000
const expected = Array.from({ length: count }, (_, index) => `${index} ${'é'.repeat(50)}\n`).join('')

/** A process that logs all lines, half of them after the first write has filled the pipe, and then does as it is told. */
function startWriter(t: TestContext, then: string): { child: ChildProcess; said: Promise<string> } {
  const code = `
    import { writeSync } from 'node:fs'
    import { StdoutLines } from ${JSON.stringify(module)}
    process.stdout.on('error', () => {})
    const lines = new StdoutLines()
    const write = (from, to) => { for (let i = from; i < to; i++) lines.write(i + ' ' + 'é'.repeat(50) + '\\n') }
    const say = (text) => writeSync(2, text)
    write(0, ${count / 2})
    setTimeout(() => { write(${count / 2}, ${count}); ${then} }, 20)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code])
  t.after(() => child.kill('SIGKILL'))
  const said = once(child.stderr, 'data').then(([text]) => String(text))
  return { child, said: soon(said, () => 'the process to say something') }
}

async function readAll(child: ChildProcess): Promise<{ text: string; status: unknown }> {
  let text = ''
  child.stdout!.setEncoding('utf8').on('data', (more: string) => (text += more))
  const [status] = (await soon(once(child, 'close'), () => 'the end of the process')) as [unknown]
  return { text, status }
}

test('a reader that takes nothing does not stop the process, and gets all lines when it reads', async (t) => {
  const { child, said } = startWriter(t, "setTimeout(() => say('on'), 20)")
  assert.equal(await said, 'on')
  assert.deepEqual(await readAll(child), { text: expected, status: 0 })
})

const ends: readonly (readonly [name: string, then: string, status: number])[] = [
  ['process.exit', "say('exit'); process.exit(3)", 3],
  [
    'an error that nobody caught',
    "say('error'); process.on('exit', () => {}); throw new Error('uncaught')",
    1,
  ],
]
for (const [name, then, status] of ends) {
  test(`no line is lost at ${name}, with a slow reader too`, async (t) => {
    const { child, said } = startWriter(t, then)
    await said
    assert.deepEqual(await readAll(child), { text: expected, status })
  })
}

test('a reader that is gone ends nothing', async (t) => {
  const { child, said } = startWriter(
    t,
    "setTimeout(() => { write(0, 10); setTimeout(() => say('on'), 20) }, 20)",
  )
  child.stdout!.destroy()
  assert.equal(await said, 'on')
  const [status] = (await soon(once(child, 'close'), () => 'the end of the process')) as [unknown]
  assert.equal(status, 0)
})
