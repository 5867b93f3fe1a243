// Emits dist/, which is what the package runs: Node strips no types from files under node_modules. All of the gateway,
// its dependencies included, becomes one file of CommonJS. A start reads and compiles that instead of 500 files, and
// `require` leaves the lazy exports of Node's modules alone, where `import` evaluates each of them (those of node:http
// load a whole fetch).
import { build as bundle, type Plugin, stop } from 'esbuild-wasm'
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')

/**
 * gateway.cjs has everything. The other two are where a process and a worker thread begin: they load it with what V8
 * compiled at the build, or turn the compile cache on first.
 */
const entries = { main: 'src/main.ts', worker: 'src/fleet/worker.ts', gateway: 'bundle' }

const oneBundle: Plugin = {
  name: 'one-bundle',
  setup(build) {
    const from = (contents: string) => () => ({ contents, resolveDir: root })
    build.onResolve({ filter: /^bundle$/ }, () => ({ path: 'bundle', namespace: 'bundle' }))
    build.onLoad(
      { filter: /.*/, namespace: 'bundle' },
      from(`
        exports.program = () => require('./src/cli/program.ts')
        exports.worker = () => require('./src/fleet/worker.ts')`),
    )
    build.onResolve({ filter: /\/cli\/program\.ts$/ }, ({ kind }) => {
      return kind === 'dynamic-import' ? { path: 'program', namespace: 'stub' } : undefined
    })
    build.onResolve({ filter: /\/fleet\/worker\.ts$/ }, ({ kind }) => {
      return kind === 'entry-point' ? { path: 'worker', namespace: 'stub' } : undefined
    })
    build.onLoad({ filter: /.*/, namespace: 'stub' }, ({ path }) => ({
      contents: `
        const { readBundle, requireBundle } = require('./src/cli/bundle.ts')
        module.exports = (readBundle(__dirname)?.run() ?? requireBundle(__dirname)).${path}()`,
      resolveDir: root,
    }))
  },
}

/**
 * What packages load at their start and nothing here uses: undici's fetch, caches and mocks, its HTTP/2 (which no
 * connection offers) and with it node:http2, fastify's secure servers. node:http2 and node:tls take a tenth of a start.
 */
const unusedParts: Plugin = {
  name: 'unused-parts',
  setup(build) {
    build.onLoad({ filter: /node_modules\/undici\/index\.js$/ }, () => ({
      contents: `
        exports.Pool = require('./lib/dispatcher/pool.js')
        exports.buildConnector = require('./lib/core/connect.js')`,
    }))
    build.onLoad({ filter: /node_modules\/undici\/lib\/dispatcher\/client-h2\.js$/ }, () => ({
      contents: "module.exports = () => { throw new Error('HTTP/2 was not offered') }",
    }))
    build.onResolve({ filter: /^node:(https|http2)$/ }, ({ importer }) => {
      return importer.includes('/fastify/') ? { path: 'secure server', namespace: 'unused' } : undefined
    })
    build.onLoad({ filter: /.*/, namespace: 'unused' }, () => ({ contents: 'module.exports = {}' }))
  },
}

rmSync(join(root, 'dist'), { recursive: true, force: true })
await bundle({
  absWorkingDir: root,
  entryPoints: entries,
  outdir: 'dist',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'cjs',
  // An import() would go through Node's module loader, which parses the whole file for the names that it exports.
  supported: { 'dynamic-import': false },
  // fastify loads these for schemas and for tests; no route has a schema, and nothing is injected.
  external: ['@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler', 'light-my-request'],
  define: { 'import.meta.url': 'fileUrl' },
  banner: { js: "const fileUrl = require('node:url').pathToFileURL(__filename).href;" },
  legalComments: 'inline',
  logLevel: 'warning',
  plugins: [oneBundle, unusedParts],
})
await stop()

// Regular expressions and comments are what esbuild leaves as they are.
const gateway = join(root, 'dist/gateway.cjs')
const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
writeFileSync(gateway, readFileSync(gateway, 'utf8').replaceAll(/[\u0080-\uFFFF]/g, escaped))
execFileSync(process.execPath, [join(root, 'scripts/code-cache.ts'), join(root, 'dist')], {
  stdio: 'inherit',
})
