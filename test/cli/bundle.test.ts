import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { codeCacheFile, compileBundle, readBundle, requireBundle } from '../../src/cli/bundle.ts'
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
  writeFileSync(join(folder, 'gateway.cjs'), source)
  writeFileSync(join(folder, 'near.cjs'), "module.exports = 'near'")
  return folder
}

/** What the build does. */
function withCache(folder: string): string {
  const compiled = compileBundle(folder)
  compiled.run().program()
  writeFileSync(codeCacheFile(folder), compiled.script.createCachedData())
  return folder
}

test('a bundle is evaluated as a CommonJS module, with a cache and without one', (t) => {
  const folder = bundleOf(t)
  assert.deepEqual(requireBundle(folder).program(), loaded)
  assert.deepEqual(compileBundle(folder).run().program(), loaded)
  const bundle = readBundle(withCache(folder))!.run()
  assert.deepEqual(bundle.program(), loaded)
  assert.equal(bundle.worker(), 'worker')
})

test('another process of the same Node takes the cache', (t) => {
  const code = `
    const { readBundle } = await import(${JSON.stringify(module)})
    const { script, run } = readBundle(${JSON.stringify(withCache(bundleOf(t)))})
    console.log(script.cachedDataRejected, run().worker())`
  const args = ['--disable-sigusr1', '--input-type=module', '-e', code]
  assert.equal(spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout, 'false worker\n')
})

test('without a cache for this Node the bundle is left to the loader', (t) => {
  assert.equal(readBundle(bundleOf(t)), undefined)
})

test('a cache that V8 does not take costs time and nothing else', (t) => {
  const folder = bundleOf(t)
  writeFileSync(codeCacheFile(folder), 'what another V8 wrote')
  const compiled = readBundle(folder)!
  assert.equal(compiled.script.cachedDataRejected, true)
  assert.deepEqual(compiled.run().program(), loaded)
})

test('a cache of another source is not taken', (t) => {
  const folder = withCache(bundleOf(t))
  writeFileSync(join(folder, 'gateway.cjs'), "exports.program = () => 'newer'")
  assert.equal(readBundle(folder)!.run().program(), 'newer')
})
