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
 * compiled at the build, or turn the compile cache on first where that is for another Node.
 */
const entries = { main: 'src/main.ts', worker: 'src/app/workers/worker.ts', gateway: 'bundle' }

const bundleStart = `
  exports.program = () => require('./src/cli/program.ts')
  exports.worker = () => require('./src/app/workers/worker.ts')`

const loadBundle = `
  const { readBundle, requireBundle } = require('./src/cli/bundle.ts')
  function load() {
    const compiled = readBundle(__dirname)
    if (compiled !== undefined) return compiled.run()
    require('./src/cli/compile-cache.ts').useCompileCache(process)
    return requireBundle(__dirname)
  }`

/** What stands in the place of sources: of those that the bundle has, and of what is done before it is loaded. */
const stubs: Readonly<Record<string, string>> = {
  bundle: bundleStart,
  program: `${loadBundle}\nmodule.exports = load().program()`,
  worker: `${loadBundle}\nload().worker()`,
  'compile-cache': 'exports.useCompileCache = () => {}',
}

const oneBundle: Plugin = {
  name: 'one-bundle',
  setup(build) {
    const stub = (path: string) => ({ path, namespace: 'stub' })
    build.onResolve({ filter: /^bundle$/ }, () => stub('bundle'))
    build.onResolve({ filter: /\/cli\/program\.ts$/ }, ({ kind }) =>
      kind === 'dynamic-import' ? stub('program') : undefined,
    )
    build.onResolve({ filter: /\/workers\/worker\.ts$/ }, ({ kind }) =>
      kind === 'entry-point' ? stub('worker') : undefined,
    )
    build.onResolve({ filter: /\/cli\/compile-cache\.ts$/ }, ({ importer }) =>
      importer.endsWith('/src/main.ts') ? stub('compile-cache') : undefined,
    )
    build.onLoad({ filter: /.*/, namespace: 'stub' }, ({ path }) => ({
      contents: stubs[path]!,
      resolveDir: root,
    }))
  },
}

/**
 * What packages load at their start and nothing here uses: undici's fetch, caches and mocks, its HTTP/2 (which no
 * connection offers), fastify's secure servers; node:http2 and node:tls take a tenth of a start. Whether its plugins
 * are for this fastify is known, too.
 */
const unusedParts: Plugin = {
  name: 'unused-parts',
  setup(build) {
    build.onLoad({ filter: /node_modules\/undici\/index\.js$/ }, () => ({
      contents: `
        exports.Client = require('./lib/dispatcher/client.js')
        exports.buildConnector = require('./lib/core/connect.js')`,
    }))
    build.onLoad({ filter: /node_modules\/undici\/lib\/dispatcher\/client-h2\.js$/ }, () => ({
      contents: "module.exports = () => { throw new Error('HTTP/2 was not offered') }",
    }))
    build.onResolve({ filter: /^node:(https|http2)$/ }, ({ importer }) => {
      return importer.includes('/fastify/') ? { path: 'secure server', namespace: 'unused' } : undefined
    })
    build.onResolve({ filter: /^semver$/ }, ({ importer }) => {
      return importer.includes('/fastify/') ? { path: 'semver', namespace: 'unused' } : undefined
    })
    build.onLoad({ filter: /.*/, namespace: 'unused' }, ({ path }) => ({
      contents: path === 'semver' ? 'exports.satisfies = () => true' : 'module.exports = {}',
    }))
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
