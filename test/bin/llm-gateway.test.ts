import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'

const launcher = join(import.meta.dirname, '../../bin/llm-gateway')
const installed = 'lib/node_modules/llm-gateway'
const pinned = `node-linux-${process.arch}`

/** A package without anything but the launcher, in a folder with a space in its name. */
function makePackage(t: TestContext, files: Record<string, string> = {}, folder = installed) {
  const root = mkdtempSync(join(tmpdir(), 'launcher '))
  t.after(() => rmSync(root, { recursive: true }))
  const home = join(root, folder)
  mkdirSync(join(home, 'bin'), { recursive: true })
  copyFileSync(launcher, join(home, 'bin/llm-gateway'))
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    chmodSync(path, 0o755)
  }
  const run = (program = join(home, 'bin/llm-gateway'), args = ['a b', '']) => {
    const { status, stdout, stderr } = spawnSync(program, args, {
      cwd: '/',
      encoding: 'utf8',
      env: { PATH: `${join(root, 'path')}:${join(root, 'tools')}` },
    })
    return { status, stdout: stdout.replaceAll(root, 'ROOT'), stderr: stderr.replaceAll(root, 'ROOT') }
  }
  // The few tools that the launcher uses, without whatever node lies next to them.
  mkdirSync(join(root, 'tools'))
  for (const tool of ['readlink', 'dirname', 'uname', 'cat'])
    symlinkSync(findTool(tool), join(root, 'tools', tool))
  return { root, home, run }
}

function findTool(name: string): string {
  return spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim()
}

/** Prints who it is and what it was given. */
function fakeNode(name: string, version: string): string {
  return `#!/bin/sh\nif [ "$1" = --version ]; then echo ${version}; else printf '%s' '${name}'; printf ' [%s]' "$@"; fi\n`
}

test('the pinned Node comes before the one on the PATH', (t) => {
  const { run } = makePackage(t, {
    [`${installed}/node_modules/${pinned}/bin/node`]: fakeNode('pinned', 'v26.10.0'),
    'path/node': fakeNode('own', 'v26.0.0'),
  })
  assert.equal(run().stdout, `pinned [--disable-sigusr1] [ROOT/${installed}/dist/main.cjs] [a b] []`)
})

test('the pinned Node is found where npm put it next to the package', (t) => {
  const { run } = makePackage(t, { [`lib/node_modules/${pinned}/bin/node`]: fakeNode('hoisted', 'v26.10.0') })
  assert.match(run().stdout, /^hoisted /)
})

test("without it the machine's own Node serves, from 24 on", (t) => {
  const { run } = makePackage(t, { 'path/node': fakeNode('own', 'v24.0.0') })
  assert.match(run().stdout, /^own /)
})

test('a pinned Node that does not run on this system is passed over', (t) => {
  const { run } = makePackage(t, {
    [`${installed}/node_modules/${pinned}/bin/node`]: '#!/no/such/loader\n',
    'path/node': fakeNode('own', 'v24.0.0'),
  })
  assert.match(run().stdout, /^own /)
})

test('a pinned Node whose libraries are not here is passed over', (t) => {
  const { root, run } = makePackage(t, {
    [`${installed}/node_modules/${pinned}/bin/node`]: '',
    'path/node': fakeNode('own', 'v24.0.0'),
  })
  const program = readFileSync(findTool('uname'), 'latin1')
  assert.ok(program.includes('libc.so.6'))
  writeFileSync(
    join(root, installed, 'node_modules', pinned, 'bin/node'),
    program.replaceAll('libc.so.6', 'libc.so.0'),
    'latin1',
  )
  assert.match(run().stdout, /^own /)
})

test('without a Node that runs on this system it names what it found', (t) => {
  const node = `${installed}/node_modules/${pinned}/bin/node`
  const { status, stderr } = makePackage(t, { [node]: '#!/no/such/loader\n' }).run()
  assert.equal(status, 1)
  assert.ok(stderr.includes(`ROOT/${node}, which does not run on this system\n`))
})

test('a Node that is too old is named, with how to fix that', (t) => {
  const { status, stdout, stderr } = makePackage(t, { 'path/node': fakeNode('own', 'v20.20.2') }).run()
  assert.deepEqual([status, stdout], [1, ''])
  assert.match(stderr, /requires Node\.js 24 or newer\n.*ROOT\/path\/node, which is v20\.20\.2\n.*install/)
})

test('without any Node it prints why it cannot start', (t) => {
  const { status, stderr } = makePackage(t).run()
  assert.equal(status, 1)
  assert.match(stderr, /requires Node\.js 24 or newer\n.*found no node on PATH\n.*install/)
})

test('links lead to the package, relative and absolute, one behind the other', (t) => {
  const { root, run } = makePackage(t, { 'path/node': fakeNode('own', 'v24.0.0'), 'bin/.keep': '' })
  symlinkSync(`../${installed}/bin/llm-gateway`, join(root, 'bin/relative'))
  symlinkSync(join(root, 'bin/relative'), join(root, 'absolute link'))
  assert.equal(
    run(join(root, 'absolute link')).stdout,
    `own [--disable-sigusr1] [ROOT/${installed}/dist/main.cjs] [a b] []`,
  )
})

for (const version of ['v20.1.0', 'v24.0.0', 'v26.10.0']) {
  test(`a checkout without its packages asks for npm ci, whatever the arguments, on Node ${version}`, (t) => {
    const { run } = makePackage(
      t,
      {
        'checkout/src/main.ts': '',
        // What an installation leaves that was ended early.
        'checkout/node_modules/.keep': '',
        'path/node': fakeNode('own', version),
      },
      'checkout',
    )
    for (const args of [['--help'], ['serve'], []]) {
      assert.deepEqual(run(undefined, args), {
        status: 1,
        stdout: '',
        stderr:
          "llm-gateway: its packages are not installed; run: (cd 'ROOT/checkout' && npm ci), which also installs Node.js\n",
      })
    }
  })
}

test('a checkout runs from its sources', (t) => {
  const { run } = makePackage(t, {
    'path/node': fakeNode('own', 'v24.0.0'),
    [`${installed}/src/main.ts`]: '',
    'lib/node_modules/commander/.keep': '',
  })
  assert.match(run().stdout, /llm-gateway\/src\/main\.ts\]/)
})

test('Node runs without a warning, in the place of the shell, and with its own exit code', async (t) => {
  const source = [
    'const pid: number = process.pid',
    'process.on("SIGTERM", () => process.exit(7))',
    'setInterval(() => {}, 1000)',
    // Node would open a debugger on this.
    'process.kill(pid, "SIGUSR1")',
    'console.log(pid)',
  ]
  // Not below node_modules: Node strips no types there, and a checkout is not there either.
  const { root, home } = makePackage(
    t,
    {
      'checkout/src/main.ts': source.join('\n'),
      'checkout/package.json': '{"type":"module"}',
      'checkout/node_modules/commander/.keep': '',
      'path/.keep': '',
    },
    'checkout',
  )
  symlinkSync(process.execPath, join(root, 'path/node'))
  const env = { PATH: `${join(root, 'path')}:${join(root, 'tools')}` }
  const child = spawn(join(home, 'bin/llm-gateway'), { env })
  t.after(() => child.kill('SIGKILL'))
  const errors: string[] = []
  child.stderr.on('data', (data) => errors.push(String(data)))
  child.stdout.on('data', () => child.kill('SIGTERM'))
  const output = once(child.stdout, 'data')
  assert.deepEqual(await once(child, 'close'), [7, null], errors.join(''))
  assert.equal(Number(String((await output)[0])), child.pid)
  assert.deepEqual(errors, [])
})
