import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'

import { fc } from '../support/properties.ts'

import { loadConfig, type LoadedConfig } from '../../src/config/load.ts'
import { loadText, ownAccounts, problemsOf, scratchDirectory, writeScratch } from '../support/config-file.ts'

const good = `providers:
  local: { base_url: "http://127.0.0.1:11434/v1" }
models:
  llama: { provider: local }
`

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
    ['aliases of aliases', bomb.join(''), /aliases expand to more than 10000 values/],
    ['a bracket a thousand levels deep', '['.repeat(5000), /nested too deeply|is missing|not expected/],
    ['mappings a hundred levels deep', `${'{ a: '.repeat(100)}1${' }'.repeat(100)}`, /nested too deeply/],
    ['a file over 1 MiB', '#'.repeat(mebibyte + 1), /1048577 bytes; at most 1048576/],
    ['a file of aliases', `a: &a 1\nb: [${'*a ,'.repeat(20_000)}]`, /aliases expand to more than/],
    ['a file of one key', 'a: 1\n'.repeat(10_000), /occurs twice/],
    [
      'a text that a pattern could read in many ways',
      `${good}  "m*": { provider: local, model: "${'a'.repeat(mebibyte / 2)}*b*" }\n`,
      /at most 256 characters/,
    ],
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

test('a key that occurs twice is reported with the line of the first one', (t) => {
  const loaded = loadText(t, `# one\n${good}\n# two\nproviders: {}\n`)
  assert.ok(!loaded.ok)
  const line = `# one\n${good}`.split('\n').indexOf('providers:') + 1
  assert.ok(line > 0)
  const [problem] = loaded.problems
  assert.equal(problem!.message, `the key "providers" occurs twice: it is in line ${line} already`)
  assert.ok(problem!.line > line)
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
    assert.equal(!loaded.ok && loaded.problems[0]?.message, 'is writable by everybody (mode 646)')
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
