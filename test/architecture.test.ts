// Holds the sources against the layout in ARCHITECTURE.md: who may import whom, which package belongs to which folder.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { errorTable } from '../src/errors.ts'
import { type Edge, findCycles, readImports, readSources, withoutComments } from './support/imports.ts'

const root = join(import.meta.dirname, '..')
const sources = readSources(join(root, 'src'))
// A bundle of sources that are read themselves.
sources.delete('status/built/app.js')
const edges = [...sources].flatMap(([file, text]) => readImports(file, text))

/**
 * Units from left to right: a unit may import what stands in a later row, and its own files. Units of one row never import
 * each other. A unit is a folder, a file at the root, or a single file of a folder that is listed here by its path.
 */
const rows: readonly (readonly string[])[] = [
  ['main.ts'],
  ['cli'],
  ['app'],
  ['config', 'systemd'],
  ['server'],
  ['call', 'status'],
  ['admission', 'clients', 'dialects', 'ledger', 'observe', 'routing', 'upstream'],
  ['bytes', 'config/types.ts', 'outbound', 'prices', 'vault'],
  ['config/observe-types.ts', 'config/provider-types.ts', 'config/store-types.ts'],
  ['config/secret.ts', 'config/service-types.ts'],
  ['http'],
  ['domain.ts', 'errors.ts', 'platform'],
]

const leaves = rows.slice(-5).flat()

/** Units that may import less than their row allows: these units and single files only. */
const narrowed: Readonly<Record<string, readonly string[]>> = {
  'main.ts': ['cli', 'platform'],
  cli: [
    'app',
    'config',
    'systemd',
    // key and usage show what is spent of budgets.
    'admission/budget.ts',
    'admission/budget-book.ts',
    'admission/budgets-file.ts',
    // doctor looks at the store of limits; key publishes to it.
    'admission/stores/valkey/list-access.ts',
    'admission/stores/valkey/probe.ts',
    'admission/stores/valkey/store-fault.ts',
    // explain reads the routes; doctor calls providers itself and reads their streams; key changes the keys of clients.
    'clients/keys/chosen-key.ts',
    'clients/keys/key-budgets.ts',
    'clients/keys/key-changes.ts',
    'clients/keys/key-file.ts',
    'clients/keys/key-format.ts',
    'clients/keys/key-record.ts',
    'clients/keys/key-table.ts',
    'clients/keys/keys-state.ts',
    'clients/keys/signed-keys.ts',
    'dialects/anthropic/message-stream.ts',
    'dialects/anthropic/model-pages.ts',
    'dialects/coverage.ts',
    'dialects/dialect.ts',
    'dialects/model-facts.ts',
    'dialects/openai/chat-stream.ts',
    'dialects/openai/errors.ts',
    'dialects/openai/model-list.ts',
    'dialects/openai/usage.ts',
    'dialects/stream-tail.ts',
    'dialects/table.ts',
    'dialects/usage.ts',
    // usage reads and mends the ledger itself.
    'ledger/call-times.ts',
    'ledger/ledger-name.ts',
    'ledger/question.ts',
    'ledger/read-calls.ts',
    'ledger/read-spend.ts',
    'ledger/reader.ts',
    'ledger/render.ts',
    'ledger/repair.ts',
    'ledger/report.ts',
    'ledger/secret-uses.ts',
    'ledger/service-steps.ts',
    'ledger/upkeep.ts',
    'ledger/verify.ts',
    // audit reads what the gateway has written; commands that change keys or secrets add to it while none runs.
    'observe/audit/audit-log.ts',
    'observe/audit/chain.ts',
    'observe/audit/command-events.ts',
    'observe/audit/names.ts',
    'observe/audit/verify.ts',
    // report names how calls ended as metrics do.
    'observe/outcome.ts',
    'routing/discovered-names.ts',
    'routing/route.ts',
    'routing/route-table.ts',
    'routing/server-kinds.ts',
    'routing/when-rules.ts',
    // calls and top show what the gateway reports.
    'status/open-call.ts',
    // status prints the report of the status page.
    'status/status-report.ts',
    'status/providers-text.ts',
    // machines shows what the gateway reports of them.
    'status/shared-store.ts',
    'status/shared-store-text.ts',
    'status/services-text.ts',
    'status/status-text.ts',
    'upstream/mask.ts',
    'upstream/probe.ts',
    'upstream/provider.ts',
    'upstream/providers/kinds.ts',
    'upstream/request-target.ts',
    ...leaves,
  ],
  config: leaves,
  systemd: leaves,
}

/** Packages, and the units that import each; `node:` for modules of Node that only one unit may use. */
const packageUnits: Readonly<Record<string, string | readonly string[]>> = {
  '@fastify/cors': 'server',
  '@fastify/rate-limit': 'server',
  '@opentelemetry/api': 'observe',
  '@opentelemetry/otlp-transformer': 'observe',
  '@opentelemetry/resources': 'observe',
  '@opentelemetry/sdk-trace': 'observe',
  'age-encryption': 'vault',
  ajv: 'config',
  commander: 'cli',
  debug: 'admission',
  fastify: 'server',
  ioredis: 'admission',
  jose: 'clients',
  json5: 'config',
  'node:sqlite': 'ledger',
  pino: 'observe',
  preact: 'status',
  undici: ['upstream', 'outbound'],
  yaml: 'config',
}

/** Members, values and headers of wire formats, and codes and texts of servers. */
const wireMarks = [
  '[DONE]',
  '"choices"',
  "'choices'",
  '"delta"',
  '"usage"',
  "'max_tokens'",
  "'prompt_tokens'",
  'file_id',
  'finish_reason',
  'first_id',
  'has_more',
  'input_tokens',
  'owned_by',
  'stream_options',
  'x-ratelimit-',
  'invalid_request_error',
  'insufficient_quota',
  'Loading model',
  ': ping',
]

const readsEnvironment = new Set(['config', 'cli', 'systemd'])

/** Lines of a file: beyond the first number it is listed as a hint, beyond the second the test fails. */
const [longLines, maxLines] = [300, 500]

const generatedFiles = new Set(['config/schema/is-valid.js', 'config/schema/validator.js'])

/** Circles of imports, types included, that are known and are to go. A listed one that is gone fails the test. */
const knownCycles: readonly string[] = []

const rowOf = new Map(rows.flatMap((units, row) => units.map((unit) => [unit, row] as const)))

/** The listed file itself, else its folder or, at the root, its name. */
function unitOf(path: string): string {
  return rowOf.has(path) ? path : path.split('/', 1)[0]!
}

function mayImport(from: string, to: string): boolean {
  const [unit, target] = [unitOf(from), unitOf(to)]
  if (unit === target) return true
  if (narrowed[unit]?.some((each) => each === target || each === to) === false) return false
  return (rowOf.get(unit) ?? Infinity) < (rowOf.get(target) ?? -1)
}

/** Why an import is refused; undefined when it is allowed. */
function complaint({ from, to }: Edge): string | undefined {
  if (to.startsWith('..')) return `${from} imports ${to}, which is outside src/`
  if (to.endsWith('.ts') || sources.has(to))
    return mayImport(from, to) ? undefined : `${from} may not import ${to}`
  const name = to.split('/', to.startsWith('@') ? 2 : 1).join('/')
  const owner = packageUnits[name]
  if (owner === undefined)
    return to.startsWith('node:') ? undefined : `${from} imports ${name}, which no unit owns`
  const units = [owner].flat()
  return units.includes(unitOf(from))
    ? undefined
    : `${from} imports ${name}, which belongs to ${units.join(', ')}`
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
      [...units].filter((unit) => !rowOf.has(unit)),
      [],
    )
  })

  test('emit events, and leave to the composition roots what becomes of them', () => {
    const roots = /^(app\/|observe\/)/
    assert.deepEqual(
      edges.filter(
        ({ from, to }) =>
          /^observe\/(?!events\.ts|events\/|audit\/|alerts\/attention\.ts|outcome\.ts|remedies\.ts)/.test(
            to,
          ) && !roots.test(from),
      ),
      [],
    )
  })

  test('have no circle of imports but the known ones', () => {
    assert.deepEqual(
      findCycles(edges).map((files) => files.join(', ')),
      knownCycles,
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

  // V8 allocates such a literal in its old space, where it keeps all that it captures until the next major collection.
  test('assign no function literal to a property on the way of a call', () => {
    const assignment = /\.\w+ = (async )?(\([^)]*\)|\w+) =>/
    const lines = [...sources]
      .filter(([file]) => file.startsWith('call/'))
      .flatMap(([, text]) => text.split('\n'))
    assert.deepEqual(
      lines.filter((line) => assignment.test(line)),
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
    // The first asks whether it runs in the main thread, the second ends the thread of pino's transport; the last two are
    // the ledger's end of its writer's thread, and the thread.
    const others = [
      'server/listeners/unix-socket.ts',
      'observe/log/transport.ts',
      'ledger/writer-thread.ts',
      'ledger/writer.ts',
    ]
    assert.deepEqual(
      withThreads.filter((file) => !file.startsWith('app/workers/') && !others.includes(file)),
      [],
    )
  })

  test('load SQLite, which blocks its thread, in the thread of the ledger and in commands only', () => {
    // What a file loads when it is loaded: without types, and without what is loaded later by import().
    const loadedBy = (file: string) =>
      readImports(
        file,
        withoutComments(sources.get(file) ?? '')
          .replaceAll(/^import type [^]*?from '.*'$/gm, '')
          .replaceAll(/import\('.*?'\)/g, ''),
      ).map(({ to }) => to)
    const seen = new Set([
      'main.ts',
      'cli/serve-program.ts',
      'cli/serve.ts',
      'app/app.ts',
      'app/workers/worker.ts',
    ])
    for (const file of seen) for (const to of loadedBy(file)) seen.add(to)
    assert.ok(seen.has('ledger/ledger.ts'))
    assert.equal(seen.has('node:sqlite'), false)
  })

  test('make what calls share in the two places that own it', () => {
    const owned =
      /\bnew (Admission|Calibration|MemoryFloodWindows|MemoryStore|Placer|TargetHealth|UsageWishes)\(/
    const owners = [...sources].filter(([, text]) => owned.test(withoutComments(text)))
    // What a gateway uses of limits that it shares with others is counted in its own memory.
    assert.deepEqual(
      owners.map(([file]) => file),
      [
        'admission/stores/valkey/shared-flood-windows.ts',
        'admission/stores/valkey/valkey-store.ts',
        'app/own-services.ts',
        'call/local-coordinator.ts',
      ],
    )
  })

  test('know what a wire format looks like in dialects/ only, and what a server writes in upstream/providers/', () => {
    // doctor examines providers by a call of its own; serve prints one as an example; the configuration names the members
    // in which servers differ, and prices and metrics a key and a name that are like one of them; OpenTelemetry has names of its own,
    // import reads settings of other gateways, and tables of the status page name members of its report that are like one of them.
    const mayKnow =
      /^(?:dialects|observe\/(?:metrics|tracing)|upstream\/providers|cli\/(?:doctor|import)|config|prices)\/|^cli\/(?:serve|price-text)\.ts$|^status\/page\/(?:calls|recent|usage)\.ts$/
    const found = [...sources]
      .filter(([file]) => !mayKnow.test(file))
      .flatMap(([file, text]) => {
        const code = withoutComments(text)
        return wireMarks.filter((mark) => code.includes(mark)).map((mark) => `${file}: ${mark}`)
      })
    assert.deepEqual(found, [])
  })

  test('have one rule in each file of server/guards/, and nothing but rules and their table', () => {
    const files = [...sources].filter(([file]) => /^server\/guards\/(?!(?:guard|table)\.ts)/.test(file))
    assert.ok(files.length > 8)
    for (const [file, text] of files) {
      const name = /([^/]+)\.ts$/
        .exec(file)![1]!
        .replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())
      const guards = text.match(/^export (?:const|function) \w+Guard\b.*(?:: Guard = |\): Guard \{$)/gm)
      assert.deepEqual(
        guards?.map((line) => / (\w+Guard)\b/.exec(line)![1]),
        [`${name}Guard`],
        file,
      )
    }
  })

  test("lean on Node's internals in platform/node/ only, where each file names its canary test", () => {
    const internals =
      /\.chunkedEncoding\b|\b_handle\b|\bprototype\.\w+\.call\b|process\.binding|\.listeners\('connection'\)/
    const folder = [...sources].filter(([file]) => file.startsWith('platform/node/'))
    assert.ok(folder.length >= 5)
    for (const [file, text] of folder) {
      assert.match(text, /^\/\/ Leans on: /m, file)
      assert.match(text, /\/\/ Buys: /, file)
      const canary = /Canary: (test\/platform\/node\/[\w-]+\.test\.ts)/.exec(text)?.[1]
      assert.ok(canary !== undefined && existsSync(join(root, canary)), file)
    }
    assert.deepEqual(
      [...sources]
        .filter(([file, text]) => !file.startsWith('platform/node/') && internals.test(withoutComments(text)))
        .map(([file]) => file),
      [],
    )
  })

  test('are not too long', (t) => {
    const lines = [...sources]
      .filter(([file]) => !generatedFiles.has(file))
      .map(([file, text]) => ({ file, count: text.trimEnd().split('\n').length }))
    for (const { file, count } of lines) {
      if (count > longLines) t.diagnostic(`${file} has ${count} lines: it may be two things`)
    }
    assert.deepEqual(
      lines.filter(({ count }) => count > maxLines),
      [],
    )
  })
})

test('the error table is sorted', () => {
  const codes = Object.keys(errorTable)
  assert.deepEqual(codes, codes.toSorted())
})

test('no source loads the compiler of schemas, only what it generated', () => {
  const loading = [...sources].filter(([, text]) => /^import (?!type\b).* from 'ajv'/m.test(text))
  assert.deepEqual(
    loading.map(([file]) => file),
    [],
  )
})

test('what few gateways need is loaded when it is first used', () => {
  const loading = [...sources].filter(([, text]) => /^import (?!type\b).* from 'jose'/m.test(text))
  assert.deepEqual(
    loading.map(([file]) => file),
    [],
  )
  // Only import() leads to these two.
  const ofTracing = /^import (?!type\b)[^]*? from '(?:@opentelemetry\/.*|.*\/(?:export-spans|spans)\.ts)'/m
  const tracing = [...sources].filter(([, text]) => ofTracing.test(text.replaceAll(/^import type .*$/gm, '')))
  assert.deepEqual(
    tracing.map(([file]) => file),
    ['observe/tracing/export-spans.ts', 'observe/tracing/spans.ts'],
  )
})

test('only a gateway with a store loads its client, which is optional', () => {
  const isOfClient = (to: string) =>
    ['debug', 'ioredis'].includes(to) || to === 'admission/stores/valkey/client.ts'
  const loading = edges.filter(({ to }) => isOfClient(to)).map(({ from, to }) => `${from} ${to}`)
  const folder = 'admission/stores/valkey'
  assert.deepEqual(
    loading.filter((edge) => !edge.startsWith(`${folder}/`)),
    [],
  )
  assert.ok(loading.includes(`${folder}/client.ts ioredis`))
  const ofClient = /^import (?!type\b)[^]*? from '(?:debug|ioredis|.*\/valkey\/client\.ts|\.\/client\.ts)'/m
  const files = [...sources].filter(
    ([file, text]) => file.startsWith(folder) && ofClient.test(text.replaceAll(/^import type .*$/gm, '')),
  )
  assert.deepEqual(
    files.map(([file]) => file),
    [`${folder}/client.ts`],
  )
})

test('every package of the table is a dependency', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, object>
  assert.deepEqual(
    Object.keys(packageUnits).filter(
      (name) =>
        !name.startsWith('node:') &&
        !(name in manifest['dependencies']!) &&
        !(name in manifest['optionalDependencies']!),
    ),
    [],
  )
})

suite('the tests', () => {
  test('look for programs of the machine in *.system.ts, and never in what `npm test` runs', () => {
    const looks = /\bimport \{[^}]*\b(?:missing|findProgram|noUserManager|hostsMissing)\b[^}]*\} from /
    const found = [...readSources(join(root, 'test'))]
      .filter(([, text]) => looks.test(text))
      .map(([file]) => file)
    assert.ok(found.filter((file) => file.endsWith('.system.ts')).length > 40)
    assert.deepEqual(
      found.filter((file) => file.endsWith('.test.ts')),
      [],
    )
  })
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

  test('there are many edges, between units too', () => {
    const crossing = edges.filter(({ from, to }) => to.endsWith('.ts') && unitOf(from) !== unitOf(to))
    assert.ok(edges.length >= 4 * sources.size, `${edges.length} edges of ${sources.size} files`)
    assert.ok(crossing.length >= sources.size, `${crossing.length} edges between units`)
  })

  test('a circle is found', () => {
    const pairs = ['a b', 'b c', 'c b', 'c d', 'd e', 'e d', 'f f']
    const circle = pairs.map((pair) => pair.split(' ') as [string, string])
    assert.deepEqual(findCycles(circle.map(([from, to]) => ({ from, to }))), [
      ['b', 'c'],
      ['d', 'e'],
    ])
  })

  test('every mark of a wire format is one that its owners write', () => {
    const owners = [...sources].filter(([file]) => /^(?:dialects|upstream\/providers|cli)\//.test(file))
    const code = owners.map(([, text]) => withoutComments(text)).join('\n')
    assert.deepEqual(
      wireMarks.filter((mark) => !code.includes(mark)),
      [],
    )
  })

  test('all ways to write an import are read', () => {
    const text = [
      "import a, { b } from 'fastify'",
      "import type { C } from '../domain.ts'",
      'import {',
      '  d,',
      "} from './respond.ts'",
      "import '../x.ts'",
      "export { e } from 'node:net'",
      "const f = await import('../app/app.ts')",
      "type G = import('undici').Pool",
      "// import h from 'commented'",
    ].join('\n')
    assert.deepEqual(
      readImports('call/x.ts', text).map((edge) => edge.to),
      ['fastify', 'domain.ts', 'call/respond.ts', 'x.ts', 'node:net', 'app/app.ts', 'undici'],
    )
  })

  const forbidden: readonly (readonly [from: string, to: string])[] = [
    ['admission/sliding-window.ts', 'node:sqlite'],
    ['admission/sliding-window.ts', 'routing/route-table.ts'],
    ['call/respond.ts', 'server/reply.ts'],
    ['call/respond.ts', 'config/load.ts'],
    ['cli/doctor/provider.ts', 'upstream/http-provider.ts'],
    ['cli/serve.ts', 'routing/pick-target.ts'],
    ['config/load.ts', 'server/server.ts'],
    ['config/types.ts', 'config/load.ts'],
    ['domain.ts', 'bytes/sse.ts'],
    ['bytes/sse.ts', 'config/types.ts'],
    ['platform/clock.ts', 'errors.ts'],
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
    ['call/respond.ts', 'config/types.ts'],
    ['cli/doctor/provider.ts', 'upstream/probe.ts'],
    ['cli/explain.ts', 'routing/route-table.ts'],
    ['config/types.ts', 'domain.ts'],
    ['ledger/writer.ts', 'node:sqlite'],
    ['server/guards/host.ts', 'server/guards/guard.ts'],
    ['server/server.ts', '@fastify/cors'],
    ['upstream/http-provider.ts', 'undici/types/pool'],
  ]
  for (const [from, to] of allowed) {
    test(`${from} → ${to} is allowed`, () => assert.equal(complaint({ from, to }), undefined))
  }
})
