import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'

import fc from 'fast-check'

import { loadConfig, type LoadedConfig } from '../../src/config/load.ts'
import { loadText, ownAccounts, problemsOf, scratchDirectory, writeScratch } from '../support/config-file.ts'

const good = `providers:
  local: { base_url: "http://127.0.0.1:11434/v1" }
models:
  llama: { provider: local }
`

/** A text and each problem that it has, with its place. */
const cases: [name: string, text: string, problems: string[]][] = [
  ['an unknown key', `server: { prot: 1 }\n${good}`, ['1:11 server.prot: unknown key "prot"']],
  [
    'a text for a number',
    `server: { port: "80" }\n${good}`,
    ['1:17 server.port: must be a whole number, not "80"'],
  ],
  ['a port of 0', `server: { port: 0 }\n${good}`, ['1:17 server.port: must be from 1 to 65535, not 0']],
  ['an empty section', `cors:\n${good}`, ['1:6 cors: must be a mapping, not nothing']],
  [
    'a value outside of a list of values',
    `logging: { level: inof }\n${good}`,
    ['1:19 logging.level: must be one of error, warn, info, debug, not "inof"'],
  ],
  [
    'a key that stands twice',
    `${good}  llama: { provider: local }\n`,
    ['5:3 models.llama: the key "llama" stands here twice'],
  ],
  [
    '__proto__ as a key',
    `${good}  __proto__: { provider: local }\n`,
    ['5:3 models.__proto__: the key "__proto__" is not allowed'],
  ],
  [
    'constructor as a key',
    `constructor: 1\n${good}`,
    ['1:1 constructor: the key "constructor" is not allowed'],
  ],
  [
    'a tag of another language',
    `logging: !!js/function "x"\n${good}`,
    ['1:24 logging: the tag "tag:yaml.org,2002:js/function" is not understood here'],
  ],
  [
    'an alias without an anchor',
    `logging: *nowhere\n${good}`,
    ['1:10 logging: the alias "*nowhere" has no anchor before it'],
  ],
  [
    'an alias within its own anchor',
    `logging: &a { level: *a }\n${good}`,
    ['1:22 logging.level: the alias "*a" stands within its own anchor'],
  ],
  ['a second document', `${good}---\n${good}`, ['5:1 : a second document begins here']],
  ['wrong indentation', `server:\n  port: 1\n hosts: []\n${good}`, ['3:1 : is indented wrongly']],
  ['a list that is not closed', `foo: [\n${good}`, ['1:6 : the list that begins here is not closed']],
  [
    'a list that is not closed, at the end',
    `${good}\nfoo: [\n\n`,
    ['6:6 : the list that begins here is not closed'],
  ],
  [
    'a brace that closes no bracket',
    'foo: [{ a: [1, 2}, 3]\n',
    ['1:12 : the list that begins here is not closed'],
  ],
  [
    'a mapping that is not closed',
    `${good}server: { port: 1\n`,
    ['5:9 : the mapping that begins here is not closed'],
  ],
  ['a text that is not closed', 'foo: [1, "a\\"]\n', ['1:10 : the text that begins here is not closed']],
  [
    'something wrong before a list that is not closed',
    'foo: @a\nbar: [1\nbaz: @b\n',
    ['1:6 : this character can not begin a plain text', '2:6 : the list that begins here is not closed'],
  ],
  ['a list in place of the whole', '- 1\n', ['1:1 : must be a mapping, not a list']],
  ['missing sections', 'server: {}\n', ['1:1 : needs the key "providers"', '1:1 : needs the key "models"']],
  [
    'a variable that is not set',
    `server: { unix_socket: "/run/\${NOPE}" }\n${good}`,
    ['1:24 server.unix_socket: the environment variable NOPE is not set'],
  ],
  [
    'a brace that names no variable',
    `server: { unix_socket: "/run/\${a-b" }\n${good}`,
    ['1:24 server.unix_socket: ${…} does not name a variable'],
  ],
  [
    'all at once, in the order of the file',
    `server:\n  port: 0\n  x: 1\n${good}  gpt: { provider: lokal }\n`,
    [
      '2:9 server.port: must be from 1 to 65535, not 0',
      '3:3 server.x: unknown key "x"',
      '8:20 models.gpt.provider: there is no provider "lokal"',
    ],
  ],
]

describe('a configuration file is refused with the place of', () => {
  for (const [name, text, problems] of cases) {
    test(name, (t) => assert.deepEqual(problemsOf(t, text), problems))
  }
})

test('a problem within an anchored value is at the anchor, for each alias of it', (t) => {
  const text = `providers:
  a: { base_url: "http://127.0.0.1:1/v1", timeouts: &patient { idle_ms: -1 } }
  b: { base_url: "http://127.0.0.1:2/v1", timeouts: *patient }
models: { m: { provider: a } }
`
  assert.deepEqual(problemsOf(t, text), [
    '2:73 providers.a.timeouts.idle_ms: must be from 0 to 86400000, not -1',
    '2:73 providers.b.timeouts.idle_ms: must be from 0 to 86400000, not -1',
  ])
})

test('a hint names the key that was meant', (t) => {
  const loaded = loadText(t, `server: { prot: 1 }\n${good}`)
  assert.equal(!loaded.ok && loaded.problems[0]?.hint, 'did you mean "port"?')
})

test('a good file gives its configuration without warnings', (t) => {
  const loaded = loadText(t, good)
  assert.ok(loaded.ok)
  assert.deepEqual(loaded.warnings, [])
  assert.deepEqual([...loaded.config.models.keys()], ['llama'])
})

test('a byte order mark and Windows line ends are no problem', (t) => {
  assert.deepEqual(problemsOf(t, `\ufeff${good.replaceAll('\n', '\r\n')}`), [])
})

test('a variable is replaced in values, and $${ stands for itself', (t) => {
  const text = `server: { unix_socket: "/$\${x}" }\n${good.replace('11434', () => '${PORT}')}`
  const loaded = loadText(t, text, { env: { PORT: '9' } })
  assert.ok(loaded.ok)
  assert.equal(loaded.config.server.unixSocket, '/${x}')
  const provider = loaded.config.providers.get('local')
  assert.equal(provider?.kind === 'openai' && provider.origin, 'http://127.0.0.1:9')
})

test('a variable is not replaced in keys, and what it holds is not replaced again', (t) => {
  const text = `${good}  "\${A}": { provider: local, model: "\${A}" }\n`
  const loaded = loadText(t, text, { env: { A: '${B}', B: 'b' } })
  assert.ok(loaded.ok)
  assert.equal(loaded.config.models.get('${A}')?.targets[0]?.model, '${B}')
})

describe('texts made to exhaust the reader are refused:', () => {
  const mebibyte = 1024 * 1024
  const bomb = Array.from('abcdefghi').map((name, index, all) => {
    const inner = index === 0 ? 'x' : `*${all[index - 1]}`
    return `${name}: &${name} [${Array(9).fill(inner).join(',')}]\n`
  })
  const attacks: [name: string, text: string, message: RegExp][] = [
    ['aliases of aliases', bomb.join(''), /aliases stand for more than 10000 values/],
    ['a bracket a thousand levels deep', '['.repeat(5000), /nested too deeply|is missing|not expected/],
    ['mappings a hundred levels deep', `${'{ a: '.repeat(100)}1${' }'.repeat(100)}`, /nested too deeply/],
    ['a file over 1 MiB', '#'.repeat(mebibyte + 1), /has 1048577 bytes, more than the 1048576/],
    ['a file of aliases', `a: &a 1\nb: [${'*a ,'.repeat(20_000)}]`, /aliases stand for more than/],
    ['a file of one key', 'a: 1\n'.repeat(10_000), /stands here twice/],
    ['a file of blank lines', '\n'.repeat(100_000), /is empty/],
  ]
  for (const [name, text, message] of attacks) {
    test(name, (t) => {
      const loaded = loadText(t, text)
      assert.ok(!loaded.ok)
      assert.match(loaded.problems.map((problem) => problem.message).join('\n'), message)
    })
  }
})

describe('a file is refused that', () => {
  const refused: [name: string, text: string | Buffer, message: string, line: number][] = [
    ['is empty', '', 'is empty', 1],
    ['holds comments only', '# nothing\n', 'is empty', 1],
    ['is not UTF-8', Buffer.from('a: 1\nb: \xff\n', 'latin1'), 'is not valid UTF-8', 2],
  ]
  for (const [name, text, message, line] of refused) {
    test(name, (t) => {
      const loaded = loadText(t, text)
      assert.ok(!loaded.ok)
      assert.deepEqual(
        loaded.problems.map((problem) => [problem.line, problem.message]),
        [[line, message]],
      )
    })
  }

  test('is not there', (t) => {
    const loaded = loadConfig(join(scratchDirectory(t), 'none.yaml'), { env: {} })
    assert.equal(!loaded.ok && loaded.problems[0]?.message, 'there is no such file')
  })

  test('is a directory', (t) => {
    const path = join(scratchDirectory(t), 'directory')
    mkdirSync(path)
    const loaded = loadConfig(path, { env: {}, accounts: ownAccounts })
    assert.equal(!loaded.ok && loaded.problems[0]?.message, 'is a directory')
  })

  test('everybody may write', (t) => {
    const loaded = loadConfig(writeScratch(t, good, { mode: 0o646 }), { env: {}, accounts: ownAccounts })
    assert.equal(!loaded.ok && loaded.problems[0]?.message, 'may be written by everybody (mode 646)')
  })
})

/** Loads text after text from one file. */
function loaderOf(t: TestContext): (text: string) => LoadedConfig {
  const path = writeScratch(t, '')
  return (text) => {
    writeFileSync(path, text)
    return loadConfig(path, { env: {}, accounts: ownAccounts })
  }
}

test('no text makes the loader throw, and every refusal has a reason', (t) => {
  const load = loaderOf(t)
  const marks = [
    'a',
    ':',
    ' ',
    '\n',
    '  ',
    '- ',
    '{',
    '}',
    '[',
    ']',
    ',',
    '"',
    "'",
    '&a ',
    '*a',
    '!t ',
    '|',
    '>',
    '#',
  ]
  const words = [
    '${',
    '---\n',
    'providers',
    'models',
    'server',
    'port',
    '<<',
    '? ',
    '\t',
    '\u0000',
    '1',
    '~',
    '\ud800',
  ]
  const piece = fc.constantFrom(...marks, ...words)
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const loaded = load(pieces.join(''))
      assert.ok(loaded.ok || loaded.problems.length > 0)
    }),
    { numRuns: 400 },
  )
})

test('a fault anywhere in a good file has a place', (t) => {
  const load = loaderOf(t)
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom('http://[', 'ftp://x', '*', '${A}', -1),
  )
  const section = fc.constantFrom('server', 'access', 'cors', 'rate_limit_settings', 'routing', 'logging')
  const base = { providers: { a: { base_url: 'http://127.0.0.1:1' } }, models: { m: { provider: 'a' } } }
  const mutation = fc.oneof(
    fc.tuple(section, value).map(([key, inner]) => ({ ...base, [key]: inner })),
    fc
      .tuple(fc.constantFrom('base_url', 'api_key', 'auth', 'headers', 'timeouts', 'kind'), value)
      .map(([key, inner]) => ({
        ...base,
        providers: { a: { base_url: 'http://127.0.0.1:1', [key]: inner } },
      })),
    fc
      .tuple(fc.constantFrom('provider', 'model', 'targets', 'aliases', 'fallbacks'), value)
      .map(([key, inner]) => ({
        ...base,
        models: { m: { provider: 'a', [key]: inner } },
      })),
  )
  fc.assert(
    fc.property(mutation, (config) => {
      const loaded = load(JSON.stringify(config))
      const problems = loaded.ok ? [] : loaded.problems
      assert.ok(problems.every((problem) => problem.line >= 1 && problem.column >= 1))
    }),
    { numRuns: 400 },
  )
})

test('without secrets a key that is not there is no problem, and other problems still are', (t) => {
  const text =
    'providers: { a: { base_url: "http://x.example/v1", api_key: { credential: a_key } } }\nmodels: { m: { provider: a } }\n'
  const secure = text.replace('http:', 'https:')
  assert.equal(loadText(t, secure).ok, false)
  assert.equal(loadText(t, secure, { withoutSecrets: true }).ok, true)
  assert.equal(loadText(t, `${secure}nonsense: 1\n`, { withoutSecrets: true }).ok, false)
})
