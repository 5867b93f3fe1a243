import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { ownCommand } from '../../src/cli/invocation.ts'
import { scratchDirectory } from '../support/config-file.ts'

/** A package in `D/package`, and folders that a PATH may name. */
function scene(t: TestContext) {
  const folder = scratchDirectory(t)
  const directory = (...names: string[]) => {
    const path = join(folder, ...names)
    mkdirSync(path, { recursive: true })
    return path
  }
  const launcher = join(directory('package', 'bin'), 'llm-gateway')
  writeFileSync(launcher, '')
  return { folder, launcher, directory }
}

test('a package whose launcher is on the PATH is called by its name', (t) => {
  const { folder, launcher, directory } = scene(t)
  const programs = directory('programs')
  symlinkSync(launcher, join(programs, 'llm-gateway'))
  assert.equal(ownCommand({ PATH: `/nowhere:${programs}` }, folder, launcher), 'llm-gateway')
})

test('another one on the PATH is not meant', (t) => {
  const { folder, launcher, directory } = scene(t)
  const programs = directory('programs')
  writeFileSync(join(programs, 'llm-gateway'), '')
  assert.equal(ownCommand({ PATH: programs }, folder, launcher), 'package/bin/llm-gateway')
})

test('a checkout is called by its path, from where one stands or from the root', (t) => {
  const { folder, launcher, directory } = scene(t)
  assert.equal(ownCommand({}, join(folder, 'package'), launcher), 'bin/llm-gateway')
  assert.equal(ownCommand({}, join(folder, 'package', 'bin'), launcher), './llm-gateway')
  assert.equal(ownCommand({}, directory('elsewhere'), launcher), launcher)
})

test('a path with a blank stays one word', () => {
  assert.equal(ownCommand({}, '/a b', '/c d/bin/llm-gateway'), "'/c d/bin/llm-gateway'")
})
