import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { scratchDirectory } from '../support/config-file.ts'

const module = join(import.meta.dirname, '../../src/cli/compile-cache.ts')

/** The directory that a process uses which asks for the cache like this; empty for none. */
function directoryUsed(state: string, command: string): string {
  const code = `
    const { useCompileCache } = await import(${JSON.stringify(module)})
    const { getCompileCacheDir } = await import('node:module')
    useCompileCache({ env: { STATE_DIRECTORY: ${JSON.stringify(state)} }, argv: ['', '', ${JSON.stringify(command)}] })
    process.stdout.write(getCompileCacheDir() ?? '')`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
    env: {},
  })
  assert.equal(stderr, '')
  return stdout
}

function stateOf(t: TestContext): { state: string; cache: string } {
  const state = scratchDirectory(t)
  return { state, cache: join(state, 'compile-cache') }
}

test('a gateway that serves begins a cache for its user alone', (t) => {
  const { state, cache } = stateOf(t)
  assert.ok(directoryUsed(state, 'serve').startsWith(cache))
  assert.ok(existsSync(cache))
})

test('other commands use one that is there, and begin none', (t) => {
  const { state, cache } = stateOf(t)
  assert.equal(directoryUsed(state, 'explain'), '')
  assert.deepEqual(readdirSync(state), [])
  mkdirSync(cache, { mode: 0o700 })
  assert.ok(directoryUsed(state, 'explain').startsWith(cache))
})

test('code that others could have put there is not run', (t) => {
  const { state, cache } = stateOf(t)
  mkdirSync(cache)
  chmodSync(cache, 0o770)
  assert.equal(directoryUsed(state, 'serve'), '')
})

test('a place that is no directory, or a link to one, is left alone', (t) => {
  const { state, cache } = stateOf(t)
  symlinkSync(scratchDirectory(t), cache)
  assert.equal(directoryUsed(state, 'serve'), '')
  assert.equal(directoryUsed('/dev/null', 'serve'), '')
})
