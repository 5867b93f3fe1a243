import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'

import { scratchDirectory } from './config-file.ts'
import { divide } from './test-groups.ts'

const loader = pathToFileURL(join(import.meta.dirname, 'test-groups.ts')).href
const passing = (name: string) => `import { test } from 'node:test'\ntest('${name}', () => {})\n`

/** Runs test files of these texts as one group. */
function runGroup(t: TestContext, texts: readonly string[]) {
  const folder = scratchDirectory(t)
  const files = texts.map((text, index) => {
    const file = join(folder, `${index}.mjs`)
    writeFileSync(file, text)
    return file
  })
  const group = join(folder, 'group.test.mjs')
  writeFileSync(
    group,
    `import { load } from ${JSON.stringify(loader)}\nawait load(${JSON.stringify(files)})\n`,
  )
  // With it, a runner takes itself for one that another has started.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const args = ['--test', '--test-reporter=tap', group]
  const { status, stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  return { status, stdout }
}

test('files are divided in their order, none left out', () => {
  const files = Array.from({ length: 17 }, (_, index) => String(index))
  const groups = divide(files, 8)
  assert.deepEqual(
    groups.map((group) => group.length),
    [6, 5, 6],
  )
  assert.deepEqual(groups.flat(), files)
  assert.deepEqual(divide([], 8), [])
})

test('the tests of all files of a group run', (t) => {
  const { status, stdout } = runGroup(t, [passing('one'), passing('two')])
  assert.match(stdout, /^ok 1 - one$[^]*^ok 2 - two$/m)
  assert.equal(status, 0)
})

test('a file that cannot be loaded is a failed test, and the others run', (t) => {
  const { status, stdout } = runGroup(t, [passing('one'), "import 'not-there'", passing('three')])
  assert.match(stdout, /^ok 1 - one$[^]*^not ok 2 - .*1\.mjs$[^]*not-there[^]*^ok 3 - three$/m)
  assert.equal(status, 1)
})

for (const [when, text] of [
  ['in a test', "import { test } from 'node:test'\ntest('ends', () => process.exit(0))\n"],
  ['while they are loaded', 'process.exit(0)\n'],
] as const) {
  test(`a process that ends ${when} fails, with a good status too`, (t) => {
    const { status, stdout } = runGroup(t, [passing('one'), text, passing('three')])
    assert.match(stdout, /^# The process of these files ended before their tests:$/m)
    assert.equal(status, 1)
  })
}
