// What a killed deploy leaves in the directory of temporary files.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { makeTemporaryFolder } from '../../../src/cli/deploy/temporary-folder.ts'
import { scratchDirectory } from '../../support/config-file.ts'

function inScratch(t: TestContext): string {
  const directory = scratchDirectory(t)
  const { TMPDIR: before } = process.env
  process.env['TMPDIR'] = directory
  t.after(() => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
  })
  assert.equal(tmpdir(), directory)
  return directory
}

test('a deploy removes the folders of earlier ones that were killed, and no others', (t) => {
  const directory = inScratch(t)
  const { pid: ended } = spawnSync('true')
  const old = new Date(Date.now() - 2 * 3_600_000)
  const folder = (name: string, time: Date) => {
    const path = join(directory, name)
    mkdirSync(join(path, 'dist'), { recursive: true })
    utimesSync(path, time, time)
    return path
  }
  const abandoned = folder(`llmgw-${ended}-aaaaaa`, old)
  const kept = [
    folder(`llmgw-${process.pid}-aaaaaa`, old),
    folder(`llmgw-${ended}-bbbbbb`, new Date()),
    folder(`llmgw-test-${ended}-aaaaaa`, old),
  ]
  const made = makeTemporaryFolder()
  assert.deepEqual(
    [abandoned, ...kept, made].map((each) => existsSync(each)),
    [false, true, true, true, true],
  )
})
