import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { holdLock, lockHolder } from '../../src/platform/process-lock.ts'
import { scratchDirectory } from '../support/config-file.ts'

const module = join(import.meta.dirname, '../../src/platform/process-lock.ts')

/** Another process that tries to hold the lock, and lives until the test ends. */
async function startHolder(t: TestContext, path: string): Promise<{ pid: number; result: unknown }> {
  const code = `import { holdLock, lockHolder } from ${JSON.stringify(module)}
    const { kind, pid } = holdLock(process.argv[1])
    console.log(JSON.stringify({ kind, pid }))
    process.stdin.resume()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code, path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return { pid: child.pid!, result: JSON.parse(line.toString()) }
}

const held = { kind: 'held' }

suite('A lock', { skip: process.platform === 'linux' ? false : 'only Linux shows start times' }, () => {
  test('is held by one process, in a directory of its user alone, until it is released', async (t) => {
    const directory = join(scratchDirectory(t), 'a', 'b')
    const path = join(directory, 'x.lock')
    const mine = holdLock(path)
    assert.ok(mine.kind === 'held')
    assert.deepEqual((await startHolder(t, path)).result, { kind: 'taken', pid: process.pid })
    assert.deepEqual(readdirSync(directory), ['x.lock'])

    mine.lock.release()

    assert.deepEqual(readdirSync(directory), [])
    const other = await startHolder(t, path)
    assert.deepEqual(other.result, held)
    assert.deepEqual(holdLock(path), { kind: 'taken', pid: other.pid })
  })

  test('is held by one of many that want it at once, also where one has died', async (t) => {
    const path = join(scratchDirectory(t), 'x.lock')
    writeFileSync(path, deadHolder())
    const results = await Promise.all(Array.from({ length: 8 }, () => startHolder(t, path)))
    const kinds = results.map(({ result }) => (result as { kind: string }).kind)
    assert.equal(kinds.filter((kind) => kind === 'held').length, 1, kinds.join())
    assert.equal(kinds.filter((kind) => kind === 'taken').length, 7, kinds.join())
  })

  test('is seen to be held by others as long as the holder lives', async (t) => {
    const path = join(scratchDirectory(t), 'x.lock')
    assert.equal(lockHolder(path), undefined)
    const held = holdLock(path)
    assert.ok(held.kind === 'held')
    assert.equal(lockHolder(path), process.pid)
    held.lock.release()
    assert.equal(lockHolder(path), undefined)
    writeFileSync(path, deadHolder())
    assert.equal(lockHolder(path), undefined)
  })

  for (const [what, text] of [
    ['a process that has ended', deadHolder()],
    ['the pid of a process that started at another time', `${process.pid} 1 held node\n`],
    ['nothing', ''],
    ['something else', '{"pid":1}'],
  ] as const) {
    test(`that names ${what} is replaced`, (t) => {
      const path = join(scratchDirectory(t), 'x.lock')
      writeFileSync(path, text)
      assert.equal(holdLock(path).kind, 'held')
      assert.match(readFileSync(path, 'utf8'), new RegExp(`^${process.pid} \\d+ held `))
    })
  }

  test('that is offered is taken at once, and its first holder leaves it alone from then on', async (t) => {
    const path = join(scratchDirectory(t), 'x.lock')
    const mine = holdLock(path)
    assert.ok(mine.kind === 'held')
    mine.lock.offer()
    assert.equal(mine.lock.isTaken, false)

    const other = await startHolder(t, path)

    assert.deepEqual(other.result, held)
    assert.equal(mine.lock.isTaken, true)
    mine.lock.offer()
    mine.lock.release()
    assert.deepEqual(holdLock(path), { kind: 'taken', pid: other.pid })
  })

  test('is not to be had where nothing can be written', (t) => {
    const directory = scratchDirectory(t)
    writeFileSync(join(directory, 'file'), '')
    assert.deepEqual(holdLock(join(directory, 'file', 'x.lock')), { kind: 'unavailable' })
    if (process.getuid?.() === 0) return
    chmodSync(directory, 0o500)
    assert.deepEqual(holdLock(join(directory, 'x.lock')), { kind: 'unavailable' })
  })
})

/** As a process that has ended since has left it. */
function deadHolder(): string {
  const { pid } = spawnSync('true')
  return `${pid} 1 held node\n`
}
