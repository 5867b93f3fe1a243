// Emits dist/, which is what the package runs: Node strips no types from files under node_modules. All of the gateway,
// its dependencies included, becomes one file of CommonJS. A start reads and compiles that instead of 500 files, and
// `require` leaves the lazy exports of Node's modules alone, where `import` evaluates each of them (those of node:http
// load a whole fetch).
import { build as bundle, type Plugin, stop } from 'esbuild-wasm'
import { rmSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')

/** main.cjs turns the compile cache on before what is to be cached is loaded. */
const entries = { main: 'src/main.ts', gateway: 'src/cli/program.ts', worker: 'src/fleet/worker.ts' }

const gatewayApart: Plugin = {
  name: 'gateway-apart',
  setup(build) {
    build.onResolve({ filter: /\/cli\/program\.ts$/ }, ({ kind }) => {
      return kind === 'dynamic-import' ? { path: './gateway.cjs', external: true } : undefined
    })
  },
}

/** undici's index loads its fetch, caches and mocks too. */
const usedOfUndici: Plugin = {
  name: 'used-of-undici',
  setup(build) {
    build.onLoad({ filter: /node_modules\/undici\/index\.js$/ }, () => ({
      contents: `
        exports.Client = require('./lib/dispatcher/client.js')
        exports.buildConnector = require('./lib/core/connect.js')`,
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
  plugins: [gatewayApart, usedOfUndici],
})
await stop()
