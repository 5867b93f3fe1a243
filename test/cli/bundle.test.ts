import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { codeCacheFile, loadBundle, moduleFunction } from '../../src/cli/bundle.ts'
import { scratchDirectory } from '../support/config-file.ts'

const module = join(import.meta.dirname, '../../src/cli/bundle.ts')

/** Tells by `program` how it was loaded. */
const source = `
const { basename } = require('node:path')
const near = require('./near.cjs')
function compiledLate() { return 'late' }
exports.program = () => [basename(__filename), basename(__dirname) !== '', module.exports === exports, near, compiledLate()]
exports.worker = () => 'worker'`

const loaded = ['gateway.cjs', true, true, 'near', 'late']

function bundleOf(t: TestContext): string {
  const folder = scratchDirectory(t)
  writeFileSync(join(folder, 'gateway.cjs'), moduleFunction(source))
  writeFileSync(join(folder, 'near.cjs'), "module.exports = 'near'")
  return folder
}

/** What the build does. */
function withCache(folder: string): string {
  const bundle = loadBundle(folder, 'gateway')
  bundle.run().program()
  writeFileSync(codeCacheFile(folder, 'gateway'), bundle.script.createCachedData())
  return folder
}

test('a bundle is evaluated as a CommonJS module, with a cache and without one', (t) => {
  const folder = bundleOf(t)
  assert.deepEqual(loadBundle(folder, 'gateway').run().program(), loaded)
  const bundle = loadBundle(withCache(folder), 'gateway').run()
  assert.deepEqual(bundle.program(), loaded)
  assert.equal(bundle.worker(), 'worker')
})

test('another process of the same Node takes the cache', (t) => {
  const code = `
    const { loadBundle } = await import(${JSON.stringify(module)})
    const { script, run } = loadBundle(${JSON.stringify(withCache(bundleOf(t)))}, 'gateway')
    console.log(script.cachedDataRejected, run().worker())`
  const args = ['--disable-sigusr1', '--input-type=module', '-e', code]
  assert.equal(spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout, 'false worker\n')
})

test('a cache that V8 does not take costs time and nothing else', (t) => {
  const folder = bundleOf(t)
  writeFileSync(codeCacheFile(folder, 'gateway'), 'what another V8 wrote')
  const bundle = loadBundle(folder, 'gateway')
  assert.equal(bundle.script.cachedDataRejected, true)
  assert.deepEqual(bundle.run().program(), loaded)
})

test('a cache of another source is not taken', (t) => {
  const folder = withCache(bundleOf(t))
  writeFileSync(join(folder, 'gateway.cjs'), moduleFunction("exports.program = () => 'newer'"))
  assert.equal(loadBundle(folder, 'gateway').run().program(), 'newer')
})
