import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'

import { codeCacheFile } from '../../src/cli/bundle.ts'

const repository = join(import.meta.dirname, '../..')
const run = promisify(execFile)

/** Packages of the design, and the rooms that use each. The bundle has them from there. */
const packagesOf: Readonly<Record<string, readonly string[]>> = {
  cli: ['commander'],
  config: ['yaml'],
  observe: ['pino'],
  server: ['fastify', '@fastify/cors', '@fastify/rate-limit'],
  upstream: ['undici'],
}

interface Metafile {
  readonly inputs: Readonly<
    Record<
      string,
      { readonly bytes: number; readonly imports: readonly { path: string; original?: string }[] }
    >
  >
  readonly outputs: Readonly<Record<string, { readonly inputs: Readonly<Record<string, unknown>> }>>
}

// Without these npm passes its own settings, of the run that started the tests, on to the npm started here.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)))
const withPinnedNode = [dirname(process.execPath), env['PATH']].join(delimiter)
const withoutNode = '/usr/bin:/bin'

suite('the package', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'package '))
  let tarball: string

  before(async () => {
    await npm(['pack', '--pack-destination', folder])
    tarball = join(
      folder,
      readdirSync(folder).find((name) => name.endsWith('.tgz'))!,
    )
  })
  after(() => rmSync(folder, { recursive: true }))

  /** npm waits for a registry that does not answer no longer than 10 s, and goes on without the optional package. */
  async function npm(args: readonly string[]): Promise<void> {
    const bounds = [
      '--fetch-retries=0',
      '--fetch-timeout=10000',
      '--no-audit',
      '--no-fund',
      '--no-update-notifier',
    ]
    await run('npm', [...args, ...bounds], {
      cwd: repository,
      env: { ...env, PATH: withPinnedNode },
      timeout: 90_000,
    })
  }

  async function install(name: string, ...options: readonly string[]): Promise<string> {
    const prefix = join(folder, name)
    await npm(['install', '--global', '--ignore-scripts', '--prefix', prefix, ...options, tarball])
    return prefix
  }

  /** Runs what npm linked into the prefix, from a folder that has nothing to do with it. */
  async function assertWorks(prefix: string, path: string): Promise<void> {
    const gateway = async (...args: readonly string[]) =>
      run(join(prefix, 'bin/llm-gateway'), args, {
        cwd: folder,
        env: { HOME: folder, PATH: path },
        timeout: 20_000,
      })
    const config = join(prefix, 'lib/node_modules/llm-gateway/config/llm-gateway.yaml')

    const version = await gateway('--version')
    assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/)
    assert.equal(version.stderr, '')
    assert.match((await gateway('--help')).stdout, /serve[^]*validate-config/)
    assert.equal((await gateway('validate-config', '--config', config)).stderr, '')
  }

  test('runs on the Node that it brings', async (t) => {
    const prefix = await install('whole', '--prefer-offline')
    const pinned = join(prefix, 'lib/node_modules/llm-gateway/node_modules', `node-linux-${process.arch}`)
    const brings = existsSync(pinned)
    if (!brings) t.diagnostic('npm could not fetch the optional Node and went on without it')
    await assertWorks(prefix, brings ? withoutNode : withPinnedNode)
  })

  test('installs without network and runs on the Node of the machine', async () => {
    const cache = join(folder, 'empty cache')
    const prefix = await install('bare', '--omit=optional', '--offline', '--cache', cache)
    await assertWorks(prefix, withPinnedNode)
  })

  test('runs a log transport, of the operator and its own', async () => {
    const dist = join(
      await install('transport', '--omit=optional', '--offline'),
      'lib/node_modules/llm-gateway/dist',
    )
    const target = join(folder, 'transport.mjs')
    writeFileSync(
      target,
      "import { createWriteStream } from 'node:fs'\nexport default ({ path }) => createWriteStream(path)",
    )
    const source = (path: string) => JSON.stringify(join(repository, 'src', path))
    // Evaluating the bundle points pino to the files beside it.
    const code = `
      import { readFileSync } from 'node:fs'
      import { setTimeout as sleep } from 'node:timers/promises'
      import { loadBundle } from ${source('cli/bundle.ts')}
      import { LogTransport } from ${source('observe/log-transport.ts')}
      loadBundle(${JSON.stringify(dist)}).run()
      const log = (target, options) => new LogTransport({ target, options }, process.stderr, (cause) => { throw cause })
      log('pino/file', { destination: 'own' }).write('line\\n')
      log(${JSON.stringify(target)}, { path: 'other' }).write('line\\n')
      const read = (file) => readFileSync(file, { encoding: 'utf8', flag: 'a+' })
      while (read('own') + read('other') !== 'line\\nline\\n') await sleep(10)
      console.log(JSON.stringify(globalThis.__bundlerPathsOverrides))`
    const options = { cwd: folder, timeout: 20_000 }
    const ran = await run(process.execPath, ['--input-type=module', '-e', code], options)
    assert.equal(ran.stderr, '')
    assert.deepEqual(JSON.parse(ran.stdout), {
      'thread-stream-worker': join(dist, 'thread-stream-worker.cjs'),
      'pino/file': join(dist, 'pino-file.cjs'),
    })
  })

  suite('is made of', () => {
    let metafile: Metafile
    before(() => {
      metafile = JSON.parse(readFileSync(join(repository, 'dist/metafile.json'), 'utf8')) as Metafile
    })

    test('the packages of the design, each used by its room', () => {
      const bundled = Object.keys(metafile.outputs['dist/gateway.cjs']!.inputs)
      for (const [room, names] of Object.entries(packagesOf)) {
        const files = Object.entries(metafile.inputs).filter(([file]) => file.startsWith(`src/${room}/`))
        for (const name of names) {
          const imported = files
            .flatMap(([, { imports }]) => imports)
            .find(({ original }) => original === name)
          assert.ok(imported !== undefined, `${room} imports ${name}`)
          assert.ok(bundled.includes(imported.path), name)
        }
      }
    })

    test('files as they are on the disk', () => {
      for (const [file, { bytes }] of Object.entries(metafile.inputs)) {
        if (file.startsWith('seam:')) assert.match(file, /^seam:(gateway|program|worker)$/)
        else assert.equal(bytes, statSync(join(repository, file)).size, file)
      }
    })
  })

  test('has what it needs to run and nothing else', async () => {
    const { stdout } = await run('tar', ['-tzf', tarball], { maxBuffer: 16 * 1024 * 1024 })
    const names = stdout
      .split('\n')
      .filter((name) => name !== '' && !name.startsWith('package/node_modules/'))
    const allowed =
      /^package\/(bin\/llm-gateway|config\/|docs\/|systemd\/|dist\/.*\.cjs$|dist\/gateway-v[\d.]+-linux-(x64|arm64)\.cache$|package\.json$|README\.md$|LICENSE$|CHANGELOG\.md$)/
    assert.deepEqual(
      names.filter((name) => !allowed.test(name)),
      [],
    )
    for (const name of [
      'bin/llm-gateway',
      'dist/main.cjs',
      'dist/gateway.cjs',
      'dist/worker.cjs',
      'dist/thread-stream-worker.cjs',
      'dist/pino-file.cjs',
      codeCacheFile('dist'),
      'config/llm-gateway.yaml',
      'systemd/user/llm-gateway.service',
      'package.json',
    ]) {
      assert.ok(names.includes(`package/${name}`), name)
    }
    assert.ok(stdout.includes('package/node_modules/fastify/'))
    assert.ok(!/package\/node_modules\/(node-linux-|typescript\/|@types\/)/.test(stdout))
  })
})
