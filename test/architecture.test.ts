// Holds the sources against the layout in ARCHITECTURE.md: who may import whom, which package belongs to which folder.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { errorTable } from '../src/errors.ts'
import { readImports, readSources, withoutComments } from './support/imports.ts'
import type { Edge } from './support/imports.ts'

const root = join(import.meta.dirname, '..')
const sources = readSources(join(root, 'src'))
const edges = [...sources].flatMap(([file, text]) => readImports(file, text))

const parts = ['dialects', 'routing', 'admission', 'upstream', 'observe']
const leaves = ['config/types.ts', 'http', 'leaf']

/** Single files: `explain` reads the routes; `doctor` asks providers by itself and reads their streams. */
const readByCommands = [
  'dialects/chat-stream.ts',
  'dialects/dialect.ts',
  'dialects/usage.ts',
  'routing/route-table.ts',
  'upstream/probe.ts',
  'upstream/provider.ts',
]

/** What a unit may import besides itself: units, or single files of one. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  'main.ts': ['cli', ...leaves],
  cli: ['app', 'server', 'config', 'systemd', ...readByCommands, ...leaves],
  app: ['server', 'call', ...parts, 'config', 'systemd', ...leaves],
  server: ['call', ...parts, ...leaves],
  call: [...parts, ...leaves],
  ...Object.fromEntries(parts.map((part) => [part, leaves])),
  config: leaves,
  systemd: leaves,
  http: ['leaf'],
  leaf: ['leaf'],
}

/** Third-party packages and the one folder that imports each. */
const packageFolder: Readonly<Record<string, string>> = {
  '@fastify/cors': 'server',
  ajv: 'config',
  commander: 'cli',
  fastify: 'server',
  'prom-client': 'observe',
  undici: 'upstream',
  yaml: 'config',
}

const readsEnvironment = new Set(['config', 'cli', 'systemd'])

const maxLines = 300
/** Longer files, and why they are one thing. */
const longFiles: Readonly<Record<string, string>> = {}

/** Folder at the top, or one of the two kinds of files there: the root and leaves that everything may use. */
function unitOf(path: string): string {
  const folder = path.includes('/') ? path.slice(0, path.indexOf('/')) : undefined
  return folder ?? (path === 'main.ts' ? path : 'leaf')
}

/** What is wrong with an import; undefined when it is allowed. */
function complaint({ from, to }: Edge): string | undefined {
  const unit = unitOf(from)
  if (to.startsWith('node:')) return undefined
  if (to.startsWith('..')) return `${from} imports ${to}, which is outside of src/`
  if (to.endsWith('.ts')) {
    // The one file of config/ that all may see sees no more than other leaves do.
    const allowed = from === 'config/types.ts' ? ['leaf'] : [unit, ...(mayImport[unit] ?? [])]
    return allowed.includes(unitOf(to)) || allowed.includes(to) ? undefined : `${from} may not import ${to}`
  }
  const name = to.split('/', to.startsWith('@') ? 2 : 1).join('/')
  const folder = packageFolder[name]
  if (folder === undefined) return `${from} imports ${name}, which belongs to no folder`
  return folder === unit ? undefined : `${from} imports ${name}, which belongs to ${folder}/`
}

suite('the sources', () => {
  test('import only what is to the right of them', () => {
    assert.deepEqual(edges.map(complaint).filter(Boolean), [])
  })

  test('import files that exist', () => {
    const targets = edges.map((edge) => edge.to).filter((to) => to.endsWith('.ts'))
    assert.deepEqual(
      targets.filter((to) => !sources.has(to)),
      [],
    )
  })

  test('lie in units that the layout knows', () => {
    const units = new Set([...sources.keys()].map(unitOf))
    assert.deepEqual(
      [...units].filter((unit) => mayImport[unit] === undefined),
      [],
    )
  })

  test('read the environment only where settings come from', () => {
    const readers = [...sources]
      .filter(([, text]) =>
        /\bprocess\s*(\?\.|\.)\s*env\b|\{[^}]*\benv\b[^}]*\} (= process\b|from 'node:process')/.test(
          withoutComments(text),
        ),
      )
      .map(([file]) => file)
    assert.deepEqual(
      readers.filter((file) => !readsEnvironment.has(unitOf(file))),
      [],
    )
  })

  test('share nothing between threads but messages, and those in one room', () => {
    const withMemory = [...sources].filter(([, text]) =>
      /\b(SharedArrayBuffer|Atomics)\b/.test(withoutComments(text)),
    )
    assert.deepEqual(
      withMemory.map(([file]) => file),
      [],
    )
    const withThreads = edges.filter(({ to }) => to === 'node:worker_threads').map(({ from }) => from)
    assert.ok(withThreads.length > 0)
    assert.deepEqual(
      // The one file asks whether it runs in the main thread, nothing more.
      withThreads.filter((file) => !file.startsWith('app/workers/') && file !== 'server/unix-socket.ts'),
      [],
    )
  })

  test('make what calls share in the two places that own it', () => {
    const owned =
      /\bnew (Admission|Calibration|MemoryFloodWindows|MemoryStore|ProviderLoad|TargetHealth|UsageRefusals)\(/
    const owners = [...sources].filter(([, text]) => owned.test(withoutComments(text)))
    assert.deepEqual(
      owners.map(([file]) => file),
      ['app/shared-services.ts', 'call/local-coordinator.ts'],
    )
  })

  test('are not too long, but for the listed ones', () => {
    const isLong = (text: string) => text.trimEnd().split('\n').length > maxLines
    const unlisted = [...sources].filter(([file, text]) => isLong(text) && longFiles[file] === undefined)
    assert.deepEqual(
      unlisted.map(([file]) => file),
      [],
    )
    const shortened = Object.keys(longFiles).filter(
      (file) => sources.has(file) && !isLong(sources.get(file)!),
    )
    assert.deepEqual(shortened, [])
  })
})

test('the error table is sorted', () => {
  const codes = Object.keys(errorTable)
  assert.deepEqual(codes, codes.toSorted())
})

test('every dependency belongs to a folder', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: object }
  assert.deepEqual(
    Object.keys(manifest.dependencies).filter((name) => packageFolder[name] === undefined),
    [],
  )
})

suite('these tests are not blind', () => {
  test('every import line of the sources is seen', () => {
    for (const [file, text] of sources) {
      const lines = withoutComments(text).match(/^import\b|^export .*\bfrom '|(?<=\s)import\('/gm) ?? []
      assert.ok(edges.filter((edge) => edge.from === file).length >= lines.length, file)
    }
  })

  test('every unit with more than one file has an import to or from it', () => {
    const files = [...sources.keys()]
    assert.ok(files.includes('errors.ts') && files.includes('domain.ts'))
    for (const unit of new Set(files.map(unitOf))) {
      if (files.filter((file) => unitOf(file) === unit).length < 2) continue
      assert.ok(
        edges.some((edge) => unitOf(edge.from) === unit || unitOf(edge.to) === unit),
        unit,
      )
    }
  })

  test('all ways to write an import are read', () => {
    const text = [
      "import a, { b } from 'fastify'",
      "import type { C } from '../domain.ts'",
      'import {',
      '  d,',
      "} from './relay.ts'",
      "import '../x.ts'",
      "export { e } from 'node:net'",
      "const f = await import('../app/app.ts')",
      "type G = import('undici').Pool",
      "// import h from 'commented'",
    ].join('\n')
    assert.deepEqual(
      readImports('call/x.ts', text).map((edge) => edge.to),
      ['fastify', 'domain.ts', 'call/relay.ts', 'x.ts', 'node:net', 'app/app.ts', 'undici'],
    )
  })

  const forbidden: readonly (readonly [from: string, to: string])[] = [
    ['admission/sliding-window.ts', 'routing/route-table.ts'],
    ['call/relay.ts', 'server/reply.ts'],
    ['call/relay.ts', 'config/load.ts'],
    ['cli/doctor/provider.ts', 'upstream/send.ts'],
    ['cli/serve.ts', 'routing/pick-target.ts'],
    ['config/types.ts', 'config/load.ts'],
    ['domain.ts', 'http/sse.ts'],
    ['http/sse.ts', 'config/types.ts'],
    ['main.ts', 'app/app.ts'],
    ['server/server.ts', '../test/support/needs.ts'],
    ['server/server.ts', 'undici'],
    ['server/server.ts', 'left-pad'],
    ['server/server.ts', '@fastify/static/x'],
  ]
  for (const [from, to] of forbidden) {
    test(`${from} → ${to} is refused`, () => assert.ok(complaint({ from, to })))
  }

  const allowed: readonly (readonly [from: string, to: string])[] = [
    ['app/app.ts', 'config/load.ts'],
    ['call/relay.ts', 'config/types.ts'],
    ['cli/doctor/provider.ts', 'upstream/probe.ts'],
    ['cli/explain.ts', 'routing/route-table.ts'],
    ['config/types.ts', 'domain.ts'],
    ['server/guards/host.ts', 'server/guards/guard.ts'],
    ['server/server.ts', '@fastify/cors'],
    ['upstream/send.ts', 'undici/types/pool'],
  ]
  for (const [from, to] of allowed) {
    test(`${from} → ${to} is allowed`, () => assert.equal(complaint({ from, to }), undefined))
  }
})
