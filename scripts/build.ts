// Emits dist/, which is what the package runs: Node strips no types from files under node_modules. The gateway with all of
// its dependencies, as they are, becomes one file of CommonJS: a start reads that instead of 500 files, and `require`
// leaves the lazy exports of Node's modules alone, where `import` evaluates each of them (those of node:http load fetch).
import { build as bundle, type Plugin, stop } from 'esbuild-wasm'
import * as child_process from 'node:child_process'
import * as http2 from 'node:http2'
import * as https from 'node:https'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { type BundleName, bundleNames, moduleFunction } from '../src/cli/bundle.ts'
import { pinsOf } from '../src/cli/deploy/node-package.ts'
import { computeDigest, digestFile, packaged } from '../src/cli/program-digest.ts'
import { buildStatusPage } from './status-page.ts'

const root = join(import.meta.dirname, '..')
/**
 * Seconds since 1970, in place of the time of the build: two builds are then equal, byte for byte. They have no code cache,
 * because what V8 writes differs each time.
 */
const sourceDate = process.env['SOURCE_DATE_EPOCH']
const builtAt = sourceDate === undefined ? new Date() : new Date(Number(sourceDate) * 1000)
/** `node scripts/build.ts DIRECTORY` builds into another one than dist/. */
const dist = process.argv[2] ?? join(root, 'dist')
/** Laid out like the package, because the program that is built reads files beside its folder while its code cache is made. */
const workspace = `${dist}.${process.pid}`
const draft = join(workspace, 'dist')
process.once('exit', () => rmSync(workspace, { recursive: true, force: true }))

/**
 * gateway.cjs has what serves but the exporter of spans, which only a gateway with `tracing.endpoint` loads, and the client of
 * a shared store. commands.cjs has the other commands; complete.cjs is what a process loads at a shell's Tab. A process and a
 * worker thread begin with small files that load one of them (src/cli/bundle.ts). ledger-writer.cjs, thread-stream-worker.cjs and
 * pino-file.cjs run in the threads of the ledger and of a log transport: threads begin with a file. The others are loaded when
 * they are first used.
 */
const entryPoints = {
  gateway: 'gateway',
  commands: 'commands',
  main: 'src/main.ts',
  worker: 'worker',
  complete: 'src/cli/completion/complete-program.ts',
  'export-spans': 'src/observe/tracing/export-spans.ts',
  'valkey-client': 'src/admission/stores/valkey/client.ts',
  jose: 'jose',
  'age-encryption': 'age-encryption',
  validator: 'src/config/schema/validator.js',
  'undici-llhttp': 'undici/lib/llhttp/llhttp-wasm.js',
  'undici-milo': 'undici/lib/milo/no-simd.js',
  'undici-milo-simd': 'undici/lib/milo/simd.js',
  'ledger-writer': 'src/ledger/writer.ts',
  'thread-stream-worker': 'thread-stream/lib/worker.js',
  'pino-file': 'pino/file.js',
}

const load = (name: BundleName) => `require('./src/cli/bundle.ts').loadBundle(__dirname, '${name}').run()`

/** Where the parts meet. `__bundlerPathsOverrides` is how pino and thread-stream are told where bundled files lie. */
const seams: Readonly<Record<string, string>> = {
  gateway: `
    const { join } = require('node:path')
    globalThis.__bundlerPathsOverrides = {
      'thread-stream-worker': join(__dirname, 'thread-stream-worker.cjs'),
      'pino/file': join(__dirname, 'pino-file.cjs'),
    }
    exports.program = () => require('./src/cli/serve-program.ts')
    exports.worker = () => require('./src/app/workers/worker.ts')`,
  commands: "exports.program = () => require('./src/cli/program.ts')",
  serve: `module.exports = ${load('gateway')}.program()`,
  program: `module.exports = ${load('commands')}.program()`,
  worker: `${load('gateway')}.worker()`,
  'require-validator': "exports.requireValidator = () => require('./validator.cjs')",
}

const joinAtSeams: Plugin = {
  name: 'join-at-seams',
  setup(build) {
    const seam = (path: string) => ({ path, namespace: 'seam' })
    build.onResolve({ filter: /^(gateway|commands|worker)$/ }, ({ path }) => seam(path))
    build.onResolve({ filter: /\/program\.ts$/ }, ({ importer }) =>
      importer.endsWith('/src/main.ts') ? seam('program') : undefined,
    )
    build.onResolve({ filter: /\/require-validator\.ts$/ }, () => seam('require-validator'))
    build.onResolve({ filter: /\/validator\.cjs$/ }, ({ path }) => ({ path, external: true }))
    // The seam that asks for it is the bundle itself. A command that turns out to be `serve` loads that bundle, too.
    build.onResolve({ filter: /\/serve-program\.ts$/ }, ({ namespace }) =>
      namespace === 'seam' ? undefined : seam('serve'),
    )
    build.onLoad({ filter: /.*/, namespace: 'seam' }, ({ path }) => ({
      contents: seams[path]!,
      resolveDir: root,
    }))
  },
}

const separateFiles: Plugin = {
  name: 'separate-files',
  setup(build) {
    const outputs = [
      [/\/complete-program\.ts$/, '/src/main.ts', './complete.cjs'],
      [/\/export-spans\.ts$/, '/tracing/', './export-spans.cjs'],
      [/^\.\/client\.ts$/, '/stores/valkey/', './valkey-client.cjs'],
      [/^jose$/, '/src/clients/', './jose.cjs'],
      [/^age-encryption$/, '/src/vault/', './age-encryption.cjs'],
      [/\/llhttp-wasm\.js$/, '/undici/', './undici-llhttp.cjs'],
      [/\/milo\/no-simd\.js$/, '/undici/', './undici-milo.cjs'],
      [/\/milo\/simd\.js$/, '/undici/', './undici-milo-simd.cjs'],
    ] as const
    for (const [filter, from, path] of outputs) {
      build.onResolve({ filter }, ({ kind, importer }) =>
        kind !== 'entry-point' && importer.includes(from) ? { path, external: true } : undefined,
      )
    }
  },
}

/**
 * Modules of Node that packages load at their start and need in rare cases: TLS and HTTP/2 servers, HTTP/2 connections,
 * child processes. Each is loaded when one of its exports is first used; plain data is written into the bundle.
 */
const deferredModules: Readonly<Record<string, object>> = { child_process, http2, https }

const deferModules: Plugin = {
  name: 'defer-modules',
  setup(build) {
    build.onResolve({ filter: /^(node:)?(child_process|http2|https)$/ }, ({ path, namespace }) =>
      namespace === 'deferred' ? undefined : { path: path.replace('node:', ''), namespace: 'deferred' },
    )
    build.onLoad({ filter: /.*/, namespace: 'deferred' }, ({ path }) => ({
      contents: Object.entries(deferredModules[path]!)
        .filter(([name]) => name !== 'default')
        .map(([name, value]) => deferredExport(path, name, value))
        .join('\n'),
    }))
  },
}

function deferredExport(module: string, name: string, value: unknown): string {
  if (name === 'constants') return `exports.${name} = ${JSON.stringify(value)}`
  return `Object.defineProperty(exports, '${name}', { enumerable: true, get: () => require('node:${module}').${name} })`
}

const { metafile } = await bundle({
  absWorkingDir: root,
  entryPoints,
  outdir: draft,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'cjs',
  // An import() would go through Node's module loader, which parses the whole file for the names that it exports.
  supported: { 'dynamic-import': false },
  // fastify loads these for schemas and for tests; no route has a schema, and nothing is injected.
  external: ['@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler', 'light-my-request'],
  define: {
    'import.meta.url': 'fileUrl',
    buildDay: JSON.stringify(builtAt.toISOString().slice(0, 10)),
    nodePins: JSON.stringify(pinsOf(join(root, 'package-lock.json'))),
  },
  banner: { js: "const fileUrl = require('node:url').pathToFileURL(__filename).href;" },
  legalComments: 'inline',
  // The source stays in memory. Names and lines of stack traces remain.
  minifyWhitespace: true,
  lineLimit: 160,
  logLevel: 'warning',
  metafile: true,
  plugins: [joinAtSeams, separateFiles, deferModules],
})
await stop()
for (const name of packaged) symlinkSync(join(root, name), join(workspace, name))
mkdirSync(join(draft, 'status-page'))
for (const [name, text] of Object.entries(buildStatusPage())) {
  writeFileSync(join(draft, 'status-page', name), text)
}
const scripts = join(root, 'src/admission/stores/valkey')
cpSync(scripts, join(draft, 'valkey'), {
  recursive: true,
  filter: (path) => path === scripts || path.endsWith('.lua'),
})
// What each file was made of, for a test. The package leaves it out.
const inDist = JSON.stringify(metafile).replaceAll(`"${relative(root, draft)}/`, '"dist/')
writeFileSync(join(draft, 'metafile.json'), inDist)

// Regular expressions and comments are what esbuild leaves as they are.
const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
for (const name of bundleNames) {
  const file = join(draft, `${name}.cjs`)
  const code = readFileSync(file, 'utf8').replaceAll(/[\u0080-\uFFFF]/g, escaped)
  writeFileSync(file, moduleFunction(code))
}
if (sourceDate === undefined) {
  const command = [join(root, 'scripts/code-cache.ts'), draft]
  child_process.execFileSync(process.execPath, command, { stdio: 'inherit' })
}
writeFileSync(join(draft, digestFile), computeDigest(root))

// Whoever reads dist/ meanwhile, or builds it too, finds one of the builds in it.
for (let isPlaced = false; !isPlaced;) {
  const old = join(workspace, 'old')
  try {
    if (existsSync(dist)) renameSync(dist, old)
    renameSync(draft, dist)
    isPlaced = true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOTEMPTY' && code !== 'ENOENT') throw error
  }
  rmSync(old, { recursive: true, force: true })
}
