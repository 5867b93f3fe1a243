import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { isBuiltin } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, relative } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { stringify } from 'yaml'

import { codeCacheFile } from '../../src/cli/bundle.ts'
import { buildScript, checkout, isBuilt } from '../support/built-checkout.ts'
import { startOtlpReceiver } from '../support/otlp-receiver.ts'

const run = promisify(execFile)

const minimal = { providers: { echo: { kind: 'echo' } }, models: { echo: { provider: 'echo' } } }

/** Packages of the design, and the rooms that use each. The bundle has them from there. */
const packagesOf: Readonly<Record<string, readonly string[]>> = {
  cli: ['commander'],
  config: ['yaml', 'ajv'],
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
    if (!isBuilt()) await run(process.execPath, [buildScript])
    // As `npm pack` does it, but where no other test reads the manifest meanwhile.
    const copy = join(folder, 'copy')
    cpSync(checkout, copy, {
      recursive: true,
      filter: (path) => !['node_modules', '.git'].includes(relative(checkout, path)),
    })
    const manifest = readFileSync(join(copy, 'package.json'), 'utf8')
    const edit = (how: string) => run(process.execPath, [join(copy, 'scripts/packed-manifest.ts'), how])
    await edit('trim')
    await npm(['pack', '--ignore-scripts', '--pack-destination', folder], copy)
    await edit('restore')
    assert.equal(readFileSync(join(copy, 'package.json'), 'utf8'), manifest)
    tarball = join(
      folder,
      readdirSync(folder).find((name) => name.endsWith('.tgz'))!,
    )
  })
  after(() => rmSync(folder, { recursive: true }))

  /** npm waits for a registry that does not answer no longer than 10 s, and goes on without the optional package. */
  async function npm(args: readonly string[], cwd = checkout): Promise<void> {
    const bounds = [
      '--fetch-retries=0',
      '--fetch-timeout=10000',
      '--no-audit',
      '--no-fund',
      '--no-update-notifier',
    ]
    await run('npm', [...args, ...bounds], {
      cwd,
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
    assert.match((await gateway('complete', 'models', '--config', config)).stdout, /^echo$/m)
    assert.equal((await gateway('validate-config', '--config', config)).stderr, '')
    // Runs a program, for which the bundle loads its module only now. The status is 1: nothing is installed.
    const status = (await gateway('systemd', 'status', '--user').catch((error: unknown) => error)) as {
      stdout: string
      stderr: string
    }
    assert.match(status.stdout, /^units +missing: /)
    assert.equal(status.stderr, '')
  }

  test('runs on the Node that it brings', async (t) => {
    const prefix = await install('whole', '--prefer-offline')
    const pinned = join(prefix, 'lib/node_modules/llm-gateway/node_modules', `node-linux-${process.arch}`)
    const brings = existsSync(pinned)
    if (!brings) t.diagnostic('npm could not fetch the optional Node and went on without it')
    await assertWorks(prefix, brings ? withoutNode : withPinnedNode)
  })

  let bare: Promise<string> | undefined
  const installed = () =>
    (bare ??= install('bare', '--omit=optional', '--offline', '--cache', join(folder, 'empty cache')))

  test('installs without network and runs on the Node of the machine', async () => {
    await assertWorks(await installed(), withPinnedNode)
  })

  test('records calls, reports them, and exports their spans', async (t) => {
    const prefix = await installed()
    const receiver = await startOtlpReceiver(t)
    const home = mkdtempSync(join(folder, 'home-'))
    const config = join(home, 'llm-gateway.yaml')
    const tracing = { endpoint: receiver.url }
    const server = { hosts: ['127.0.0.1'], workers: 2 }
    const text = stringify({ ...minimal, server, tracing, logging: { format: 'json' } })
    writeFileSync(config, text, { mode: 0o600 })
    const env = { HOME: home, PATH: withPinnedNode, LLM_GATEWAY_PORT: '0' }
    const program = join(prefix, 'bin/llm-gateway')
    const gateway = spawn(program, ['serve', '--config', config], { env })
    t.after(() => gateway.kill('SIGKILL'))
    const [line] = (await once(gateway.stdout, 'data')) as [Buffer]
    let log = line.toString()
    gateway.stdout.on('data', (more: Buffer) => (log += more.toString()))
    const addressIn = () => /"addresses":\["([^"]+)"/.exec(log)?.[1]
    while (addressIn() === undefined) await once(gateway.stdout, 'data')
    const body = JSON.stringify({ model: 'echo', messages: [{ role: 'user', content: 'hello' }] })
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${addressIn()}/v1/chat/completions`, { method: 'POST', headers, body })
    assert.equal(response.status, 200)
    await response.arrayBuffer()
    gateway.kill('SIGTERM')
    await once(gateway, 'exit')

    assert.deepEqual(
      receiver.spans().map(({ name }) => name),
      ['POST /v1/chat/completions', 'chat echo'],
    )
    const { stdout } = await run(program, ['usage', '--by', 'model', '--format', 'csv'], { env })
    assert.match(stdout, /^echo,1,0,/m)
  })

  test('reports what is wrong with a configuration, which the schema in a file of its own knows', async () => {
    const prefix = await installed()
    const home = mkdtempSync(join(folder, 'home-'))
    const config = join(home, 'llm-gateway.yaml')
    writeFileSync(config, stringify({ ...minimal, server: { prot: 4001 } }), { mode: 0o600 })
    const env = { HOME: home, PATH: withPinnedNode }
    for (const command of ['serve', 'validate-config']) {
      const program = run(join(prefix, 'bin/llm-gateway'), [command, '--config', config], { env })
      await assert.rejects(program, (error: Error & { code: number; stderr: string }) => {
        assert.equal(error.code, 1)
        assert.match(error.stderr, /unknown key "prot" +hint: did you mean "port"\?|"prot".*"port"/s)
        return true
      })
    }
  })

  for (const [name, replace] of [
    ['gone', (file: string) => rmSync(file)],
    [
      'of another version',
      (file: string) => {
        const text = readFileSync(file, 'utf8').replace(/(schemaDigest\s*=\s*)(["'])[0-9a-f]{64}\2/, '$1""')
        writeFileSync(file, text)
      },
    ],
  ] as const) {
    test(`refuses a faulty configuration when its own files are ${name}, and goes on`, async (t) => {
      const program = join(folder, name)
      cpSync(join(checkout, 'dist'), join(program, 'dist'), { recursive: true })
      cpSync(join(checkout, 'package.json'), join(program, 'package.json'))
      const home = mkdtempSync(join(folder, 'home-'))
      const config = join(home, 'llm-gateway.yaml')
      const text = { ...minimal, server: { hosts: ['127.0.0.1'] }, logging: { format: 'json' } }
      writeFileSync(config, stringify(text), { mode: 0o600 })
      const env = { HOME: home, PATH: withPinnedNode, LLM_GATEWAY_PORT: '0' }
      const main = join(program, 'dist/main.cjs')
      const gateway = spawn(process.execPath, ['--disable-sigusr1', main, 'serve', '--config', config], {
        env,
      })
      t.after(() => gateway.kill('SIGKILL'))
      let log = ''
      gateway.stdout.on('data', (more: Buffer) => (log += more.toString()))
      const addressIn = () => /"addresses":\["([^"]+)"/.exec(log)?.[1]
      while (addressIn() === undefined) await once(gateway.stdout, 'data')
      const validator = join(program, 'dist/validator.cjs')
      const before = readFileSync(validator, 'utf8')
      replace(validator)
      assert.notEqual(existsSync(validator) && readFileSync(validator, 'utf8'), before)
      writeFileSync(config, stringify({ ...text, server: { hosts: ['127.0.0.1'], prot: 1 } }))
      gateway.kill('SIGHUP')
      while (!log.includes('"event":"reload_refused"')) await once(gateway.stdout, 'data')

      assert.match(log, /cannot be checked by the running program/)
      assert.equal((await fetch(`${addressIn()}/readyz`)).status, 200)
    })
  }

  for (const parser of [
    { UNDICI_NO_WASM_SIMD: '1' },
    { UNDICI_USE_MILO: '1' },
    { UNDICI_USE_MILO: '1', UNDICI_NO_WASM_SIMD: '1' },
  ]) {
    test(`reads responses with another parser of undici: ${JSON.stringify(parser)}`, async (t) => {
      const prefix = await installed()
      const home = mkdtempSync(join(folder, 'home-'))
      const config = join(home, 'llm-gateway.yaml')
      const provider = createServer((_, response) =>
        response.setHeader('content-type', 'application/json').end('{"object":"chat.completion"}'),
      ).listen(0, '127.0.0.1')
      t.after(() => provider.close())
      await once(provider, 'listening')
      const { port } = provider.address() as AddressInfo
      const providers = { local: { base_url: `http://127.0.0.1:${port}/v1` } }
      const logging = { format: 'json' }
      writeFileSync(config, stringify({ providers, models: { any: { provider: 'local' } }, logging }), {
        mode: 0o600,
      })
      const env = { HOME: home, PATH: withPinnedNode, LLM_GATEWAY_PORT: '0', ...parser }
      const gateway = spawn(join(prefix, 'bin/llm-gateway'), ['serve', '--config', config], { env })
      t.after(() => gateway.kill('SIGKILL'))
      let log = ''
      gateway.stdout.on('data', (more: Buffer) => (log += more.toString()))
      const addressIn = () => /"addresses":\["([^"]+)"/.exec(log)?.[1]
      while (addressIn() === undefined) await once(gateway.stdout, 'data')
      const body = JSON.stringify({ model: 'any', messages: [] })
      const headers = { 'content-type': 'application/json' }
      const response = await fetch(`${addressIn()}/v1/chat/completions`, { method: 'POST', headers, body })
      assert.equal(response.status, 200, await response.clone().text())
      assert.equal(await response.text(), '{"object":"chat.completion"}')
    })
  }

  for (const [name, target] of [
    ['its own', 'pino/file'],
    ["the operator's", './transport.mjs'],
  ] as const) {
    test(`sends its log through ${name} transport`, async (t) => {
      const prefix = await installed()
      const home = mkdtempSync(join(folder, 'home-'))
      const log = join(home, 'gateway.log')
      const config = join(home, 'llm-gateway.yaml')
      const transport = { target, options: { destination: log } }
      writeFileSync(config, stringify({ ...minimal, logging: { transport } }), { mode: 0o600 })
      writeFileSync(
        join(home, 'transport.mjs'),
        `import { createWriteStream } from 'node:fs'
         export default ({ destination }) => createWriteStream(destination)`,
        { mode: 0o600 },
      )
      const env = { HOME: home, PATH: withPinnedNode, LLM_GATEWAY_PORT: '0' }
      const gateway = spawn(join(prefix, 'bin/llm-gateway'), ['serve', '--config', config], { env })
      t.after(() => gateway.kill('SIGKILL'))
      const logged = (event: string) => readFileSync(log, { encoding: 'utf8', flag: 'a+' }).includes(event)
      while (!logged('"event":"listening"')) await setTimeout(20, undefined, { signal: t.signal })
      gateway.kill('SIGTERM')
      const [code] = (await once(gateway, 'exit')) as [number]
      assert.equal(code, 0)
      assert.ok(logged('"event":"stopped"'), 'no line is lost at the end')
    })
  }

  suite('is made of', () => {
    let metafile: Metafile
    before(() => {
      metafile = JSON.parse(readFileSync(join(checkout, 'dist/metafile.json'), 'utf8')) as Metafile
    })

    const inputsOf = (file: string) => Object.keys(metafile.outputs[`dist/${file}`]!.inputs)

    test('the packages of the design, each used by its room', () => {
      for (const [room, names] of Object.entries(packagesOf)) {
        const files = Object.entries(metafile.inputs).filter(([file]) => file.startsWith(`src/${room}/`))
        for (const name of names) {
          const imported = files
            .flatMap(([, { imports }]) => imports)
            .find(({ original }) => original === name || original?.startsWith(`${name}/`) === true)
          assert.ok(imported !== undefined, `${room} imports ${name}`)
          const file = room === 'cli' ? 'commands.cjs' : 'gateway.cjs'
          assert.ok(inputsOf(file).includes(imported.path), name)
        }
      }
    })

    test('what exports spans, in a file of its own', () => {
      const isTracing = (file: string) => file.startsWith('node_modules/@opentelemetry/')
      assert.ok(inputsOf('export-spans.cjs').some(isTracing))
      assert.deepEqual(inputsOf('gateway.cjs').filter(isTracing), [])
      assert.deepEqual(
        inputsOf('export-spans.cjs').filter((file) => file.includes('/undici/')),
        [],
      )
    })

    test('what serves, without the other commands', () => {
      const files = inputsOf('gateway.cjs')
      const rare = ['commander', 'json5', 'jose', 'age-encryption'].map((name) => `node_modules/${name}/`)
      assert.deepEqual(
        files.filter((file) => rare.some((folder) => file.startsWith(folder))),
        [],
      )
      assert.deepEqual(
        files.filter((file) => /^src\/cli\/(?:.*-commands|doctor|key-.*|import\/.*)\.ts$/.test(file)),
        [],
      )
      assert.equal(inputsOf('commands.cjs').includes('src/app/app.ts'), false)
      // Loaded for a configuration in which something is to be reported.
      assert.equal(inputsOf('validator.cjs').includes('src/config/schema/schema.ts'), true)
      for (const bundle of ['gateway.cjs', 'commands.cjs']) {
        assert.equal(inputsOf(bundle).includes('src/config/schema/schema.ts'), false, bundle)
      }
    })

    test('what completes names, in a file of its own, which has few packages', () => {
      const packages = Object.keys(metafile.outputs['dist/complete.cjs']!.inputs).flatMap(
        (file) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? [],
      )
      assert.deepEqual([...new Set(packages)].toSorted(), ['commander', 'yaml'])
    })

    test('the client of a shared store, in a file of its own', () => {
      const isOfClient = (file: string) => /^node_modules\/(?:ioredis|debug)\//.test(file)
      assert.ok(inputsOf('valkey-client.cjs').some(isOfClient))
      assert.deepEqual(inputsOf('gateway.cjs').filter(isOfClient), [])
      // A module of ours in both files would be two, each with a state and classes of its own.
      const isOurs = (file: string) => file.startsWith('src/')
      assert.deepEqual(inputsOf('valkey-client.cjs').filter(isOurs), [
        'src/admission/stores/valkey/client.ts',
      ])
    })

    test('files as they are on the disk', () => {
      for (const [file, { bytes }] of Object.entries(metafile.inputs)) {
        const [namespace, module] = file.split(':', 2)
        // A constant of the build that is more than a word.
        if (namespace === '<define') assert.equal(file, '<define:nodePins>')
        else if (namespace === 'seam')
          assert.match(file, /^seam:(gateway|commands|serve|program|worker|require-validator)$/)
        // Node's own modules, which the bundle loads later than the packages ask for them.
        else if (namespace === 'deferred') assert.ok(isBuiltin(module!), file)
        else assert.equal(bytes, statSync(join(checkout, file)).size, file)
      }
    })

    test('the day on which it was built, before which no right clock is', () => {
      const code = readFileSync(join(checkout, 'dist/gateway.cjs'), 'utf8')
      const [, day] = /Date\.parse\("(\d{4}-\d\d-\d\d)"\)/.exec(code) ?? []
      const agoMs = Date.now() - Date.parse(day ?? '')
      assert.ok(agoMs >= 0 && agoMs < 2 * 86_400_000, String(day))
    })

    test('code that V8 compiled at the build, which every thread of a process accepts', async () => {
      const bundle = JSON.stringify(join(checkout, 'src/cli/bundle.ts'))
      const load = `import(${bundle}).then(({ loadBundle }) =>
        console.log(...['gateway', 'commands'].map((name) =>
          loadBundle(${JSON.stringify(join(checkout, 'dist'))}, name).script.cachedDataRejected)))`
      const code = `${load}.then(() => new (require('node:worker_threads').Worker)(${JSON.stringify(load)}, { eval: true }))`
      const { stdout } = await run(process.execPath, ['--disable-sigusr1', '-e', code], { env })
      assert.equal(stdout, 'false false\nfalse false\n')
    })
  })

  test('has what it needs to run and nothing else', async () => {
    const { stdout } = await run('tar', ['-tzf', tarball], { maxBuffer: 16 * 1024 * 1024 })
    const names = stdout.split('\n').filter((name) => name !== '')
    const allowed =
      /^package\/(bin\/llm-gateway|config\/|docs\/|man\/llm-gateway[.a-z]*\.[15]$|systemd\/|dist\/.*\.cjs$|dist\/status-page\/|dist\/valkey\/[a-z-]+\.lua$|dist\/(gateway|commands)-v[\d.]+-linux-(x64|arm64)\.cache$|package\.json$|README\.md$|LICENSE$|(CHANGELOG|ARCHITECTURE)\.md$|bench\/results\/)/
    assert.deepEqual(
      names.filter((name) => !allowed.test(name)),
      [],
    )
    for (const name of [
      'bin/llm-gateway',
      'dist/main.cjs',
      'dist/gateway.cjs',
      'dist/commands.cjs',
      'dist/jose.cjs',
      'dist/age-encryption.cjs',
      'dist/validator.cjs',
      'dist/undici-llhttp.cjs',
      'dist/undici-milo.cjs',
      'dist/undici-milo-simd.cjs',
      'dist/worker.cjs',
      'dist/complete.cjs',
      'dist/export-spans.cjs',
      'dist/valkey-client.cjs',
      'dist/valkey/join.lua',
      'dist/ledger-writer.cjs',
      'dist/thread-stream-worker.cjs',
      'dist/pino-file.cjs',
      'dist/status-page/app.js',
      codeCacheFile('dist', 'gateway'),
      codeCacheFile('dist', 'commands'),
      'config/llm-gateway.yaml',
      'man/llm-gateway.1',
      'man/llm-gateway.yaml.5',
      'systemd/user/llm-gateway.service',
      'package.json',
    ]) {
      assert.ok(names.includes(`package/${name}`), name)
    }
  })
})
