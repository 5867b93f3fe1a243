// The script that makes a release the one that runs, in a shell, with programs that only leave a mark.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { offerScript, switchScript } from '../../../src/cli/deploy/box-scripts.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { missing } from '../../support/needs.ts'

const skip = missing('flock')
const other = 65_534

function switchTo(t: TestContext, scope: 'system' | 'user'): { output: string; hasRun: boolean } {
  const base = scratchDirectory(t)
  const release = join(base, 'releases', 'next')
  // Everybody's.
  chmodSync(base, 0o777)
  const mark = join(base, 'has-run')
  mkdirSync(join(release, 'bin'), { recursive: true })
  writeFileSync(join(release, 'bin/llm-gateway'), `#!/bin/sh\necho >'${mark}'\n`, { mode: 0o755 })
  const args = [scope, base, release, '', join(base, 'llm-gateway.yaml'), join(base, 'none')]
  const { stdout, stderr } = spawnSync('sh', ['-c', switchScript, 'sh', ...args], { encoding: 'utf8' })
  return { output: stdout + stderr, hasRun: existsSync(mark) }
}

test('a program that others can change is not run with the rights of root', { skip }, (t) => {
  const { output, hasRun } = switchTo(t, 'system')
  assert.equal(hasRun, false)
  assert.match(output, /is not run: others than root can change \//)
})

test('a user runs a program of their own', { skip }, (t) => {
  const { output, hasRun } = switchTo(t, 'user')
  assert.ok(hasRun, output)
})

/** A program that leaves a mark, in a folder that root alone can change. */
function rootsProgram(t: TestContext) {
  const base = mkdtempSync('/opt/llmgw-test-')
  t.after(() => rmSync(base, { recursive: true }))
  chmodSync(base, 0o755)
  const mark = join(base, 'has-run')
  mkdirSync(join(base, 'bin'), { mode: 0o755 })
  mkdirSync(join(base, 'dist'), { mode: 0o755 })
  writeFileSync(join(base, 'dist/main.cjs'), `echo >'${mark}'\n`, { mode: 0o644 })
  writeFileSync(join(base, 'bin/llm-gateway'), `#!/bin/sh\n. ${base}/dist/main.cjs\n`, { mode: 0o755 })
  symlinkSync('../dist/main.cjs', join(base, 'bin/inside'))
  const run = () => {
    const args = ['system', base, base, '', join(base, 'c.yaml'), join(base, 'none')]
    const { stdout } = spawnSync('sh', ['-c', switchScript, 'sh', ...args], { encoding: 'utf8' })
    return { hasRun: existsSync(mark), stdout }
  }
  return { base, run }
}

const rootOnly = skip || (process.getuid?.() === 0 ? false : 'needs root, whose files are trusted')

test('a program that root alone can change is run', { skip: rootOnly }, (t) => {
  const { hasRun, stdout } = rootsProgram(t).run()
  assert.ok(hasRun, stdout)
})

for (const [what, change] of [
  ['a file that another user owns', (base: string) => chownSync(join(base, 'dist/main.cjs'), other, other)],
  ['a folder that another user owns', (base: string) => chownSync(join(base, 'dist'), other, other)],
  ['a file that a group can change', (base: string) => chmodSync(join(base, 'dist/main.cjs'), 0o664)],
  ['a link that leads elsewhere', (base: string) => symlinkSync('/tmp/elsewhere', join(base, 'dist/lib'))],
] as const) {
  test(`a program is not run with the rights of root for ${what}`, { skip: rootOnly }, (t) => {
    const { base, run } = rootsProgram(t)
    change(base)
    const { hasRun, stdout } = run()
    assert.equal(hasRun, false)
    assert.match(stdout, /is not run: others than root can change \/opt\/llmgw-test-\w+\/dist/)
  })
}

/** A box whose configuration has a mode and, where the test may set it, a group of its own. */
function boxWith(t: TestContext, mode: number | undefined) {
  const base = scratchDirectory(t)
  const [config, next] = [join(base, 'etc/llm-gateway.yaml'), join(base, 'next.yaml')]
  if (mode !== undefined) {
    mkdirSync(join(base, 'etc'))
    writeFileSync(config, 'before\n')
    if (process.getuid?.() === 0) chownSync(config, 0, other)
    chmodSync(config, mode)
  }
  const addRelease = (name: string, text: string) => {
    const release = join(base, 'releases', name)
    mkdirSync(join(release, 'bin'), { recursive: true })
    writeFileSync(join(release, 'bin/llm-gateway'), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
    return release
  }
  const run = (script: string, args: readonly string[], input = '') =>
    spawnSync('sh', ['-c', script, 'sh', ...args], { encoding: 'utf8', input })
  const offer = (release: string, how: 'send' | 'before', text = '') =>
    run(offerScript, [release, base, config, how, String(text.length), 'user', next], text)
  const switchOver = (release: string, former: string) =>
    run(switchScript, ['user', base, release, former, config, next])
  const seen = (path: string) => {
    const { mode: bits, gid } = statSync(path)
    return { text: readFileSync(path, 'utf8'), mode: (bits & 0o777).toString(8), gid }
  }
  return { base, config, next, addRelease, offer, switchOver, seen }
}

test('the configuration that replaces one keeps its mode, owner and group, back and forth', { skip }, (t) => {
  const { base, config, next, addRelease, offer, switchOver, seen } = boxWith(t, 0o640)
  const { gid } = statSync(config)
  const [one, two] = [addRelease('one', ''), addRelease('two', '')]
  assert.equal(offer(two, 'send', 'after\n').status, 0)
  assert.equal(seen(next).mode, '600')
  const { status, stdout } = switchOver(two, one)
  assert.equal(status, 0, stdout)
  assert.deepEqual(seen(config), { text: 'after\n', mode: '640', gid })
  assert.deepEqual(seen(join(base, 'before.yaml')), { text: 'before\n', mode: '640', gid })

  assert.equal(offer(one, 'before').status, 0)
  assert.equal(switchOver(one, two).status, 0)
  assert.deepEqual(seen(config), { text: 'before\n', mode: '640', gid })
  assert.ok(!existsSync(next))
})

test('a version that does not run leaves the configuration with its mode, owner and group', { skip }, (t) => {
  const { config, addRelease, offer, switchOver, seen } = boxWith(t, 0o640)
  const { gid } = statSync(config)
  const [one, broken] = [addRelease('one', ''), addRelease('two', '[ "$1" = validate-config ]')]
  assert.equal(offer(broken, 'send', 'after\n').status, 0)
  assert.equal(switchOver(broken, one).status, 3)
  assert.deepEqual(seen(config), { text: 'before\n', mode: '640', gid })
})

test('the first configuration of an account is for it alone', { skip }, (t) => {
  const { config, addRelease, offer, switchOver, seen } = boxWith(t, undefined)
  const one = addRelease('one', '')
  assert.equal(offer(one, 'send', 'first\n').status, 0)
  assert.equal(switchOver(one, '').status, 0)
  assert.deepEqual([seen(config).text, seen(config).mode], ['first\n', '600'])
})

test('where neither version runs, that is what the exit status says', { skip }, (t) => {
  const { base, addRelease, offer, switchOver } = boxWith(t, 0o600)
  const broken = addRelease('two', '[ "$1" = validate-config ]')
  assert.equal(offer(broken, 'send', 'after\n').status, 0)
  const { status, stdout } = switchOver(broken, join(base, 'gone'))
  assert.equal(status, 5, stdout)
  assert.match(stdout, /The version before does not run either/)
})

test(
  'a configuration is not checked with the rights of root by a program that others can change',
  { skip },
  (t) => {
    const base = scratchDirectory(t)
    chmodSync(base, 0o777)
    const mark = join(base, 'has-run')
    mkdirSync(join(base, 'home/bin'), { recursive: true })
    writeFileSync(join(base, 'home/bin/llm-gateway'), `#!/bin/sh\necho >'${mark}'\n`, { mode: 0o755 })
    writeFileSync(join(base, 'llm-gateway.yaml'), '')
    const args = [
      join(base, 'home'),
      base,
      join(base, 'llm-gateway.yaml'),
      'before',
      '0',
      'system',
      join(base, 'next'),
    ]
    const { status, stderr } = spawnSync('sh', ['-c', offerScript, 'sh', ...args], { encoding: 'utf8' })
    assert.deepEqual([status, existsSync(mark)], [1, false])
    assert.match(stderr, /is not run: others than root can change/)
  },
)
