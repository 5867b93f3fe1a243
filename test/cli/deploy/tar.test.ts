import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { tarOf } from '../../../src/cli/deploy/tar.ts'
import { scratchDirectory } from '../../support/config-file.ts'

test('tar unpacks files of every size, with their modes', (t) => {
  const sizes = [0, 1, 511, 512, 513, 70_000]
  const files = sizes.map((size, index) => ({
    path: `a folder/${'deep/'.repeat(index)}file-${size}`,
    isExecutable: index % 2 === 1,
    bytes: Buffer.alloc(size, `${size} `),
  }))
  const folder = scratchDirectory(t)
  const { status, stderr } = spawnSync('tar', ['-xof', '-', '-C', folder], { input: tarOf(files) })
  assert.deepEqual([status, stderr.toString()], [0, ''])
  for (const { path, isExecutable, bytes } of files) {
    assert.deepEqual(readFileSync(join(folder, path)), bytes)
    assert.equal((statSync(join(folder, path)).mode & 0o100) !== 0, isExecutable)
  }
  assert.deepEqual(tarOf(files), tarOf(files))
})

test('a path that a header cannot hold is an error', () => {
  assert.throws(
    () => tarOf([{ path: 'x'.repeat(101), isExecutable: false, bytes: Buffer.alloc(0) }]),
    /too long/,
  )
})
