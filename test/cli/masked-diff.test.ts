import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stringify } from 'yaml'

import { maskedDiff } from '../../src/cli/masked-diff.ts'
import { withMembers } from '../../src/cli/connect/json-settings.ts'
import { fc } from '../support/properties.ts'

const members = {
  model: 'gateway/m',
  provider: { gateway: { apiKey: 'none', baseURL: 'http://127.0.0.1:4000/v1' } },
}

function afterConnect(before: string): string {
  const edited = withMembers(before, members)
  assert.ok(edited.kind === 'edited')
  return edited.text
}

/** Begins and ends so that a part of it is found, too. */
const credential = fc.stringMatching(/^hunter[a-z]{3}-[A-Za-z0-9 "\\,:#]{0,12}z$/)
const plainName = fc.constantFrom('theme', 'list', 'servers', 'a b', 'hooks', 'x-y', '0')
const keyName = fc.constantFrom(
  'api_key',
  'apiKey',
  'API-KEY',
  'OPENAI_API_KEY',
  'authToken',
  'password',
  'clientSecret',
  'Authorization',
)
const holder = fc.constantFrom('env', 'headers', 'httpHeaders', 'args', 'extra_args', 'query')

type Tree = string | number | boolean | null | Tree[] | { [name: string]: Tree }

/** Credentials in every place where one can be told from its place. */
const secretTree: fc.Arbitrary<Tree> = fc.oneof(
  fc.tuple(keyName, credential).map(([name, text]): Tree => ({ [name]: text })),
  fc
    .tuple(keyName, fc.array(credential, { minLength: 1, maxLength: 3 }))
    .map(([name, texts]): Tree => ({ [name]: texts })),
  fc
    .tuple(keyName, plainName, credential)
    .map(([name, inner, text]): Tree => ({ [name]: { [inner]: [text] } })),
  fc.tuple(holder, plainName, credential).map(([name, inner, text]): Tree => ({ [name]: { [inner]: text } })),
  fc.tuple(holder, credential).map(([name, text]): Tree => ({ [name]: ['--verbose', text] })),
  fc.tuple(plainName, credential).map(([name, text]): Tree => ({ [name]: ['--api-key', text, 'last'] })),
  fc.tuple(keyName, credential, credential).map(([name, one, two]): Tree => ({ [name]: `${one}\n${two}\n` })),
  fc.tuple(plainName, credential).map(([name, text]): Tree => ({ [name]: `one\n  ${text}\n` })),
)
const plainTree: fc.Arbitrary<Tree> = fc.oneof(
  fc.constantFrom<Tree>('dark', 12, true, null, [], {}, ['a', 'b'], 'gateway/m'),
  plainName.map((name): Tree => ({ [name]: 'x' })),
)
const tree = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.oneof(secretTree, plainTree),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(plainName, tie('tree'), { maxKeys: 3 }),
  ),
})).tree
const document = fc.dictionary(fc.constantFrom('provider', 'model', 'one', 'two', 'three'), tree, {
  maxKeys: 5,
})

function assertNoKey(lines: readonly string[]): void {
  assert.doesNotMatch(lines.join('\n'), /hunter/)
}

describe('no key of either text is in the difference', () => {
  test('of settings in JSON, in any layout, before and after connect', () => {
    fc.assert(
      fc.property(document, fc.constantFrom(0, 1, 2, '\t'), (value, indent) => {
        const before = JSON.stringify(value, undefined, indent)
        assertNoKey(maskedDiff(before, afterConnect(before), 'json-or-yaml', JSON.stringify(members)))
        assertNoKey(maskedDiff(afterConnect(before), before, 'json-or-yaml'))
      }),
    )
  })

  test('of settings in YAML', () => {
    const style = fc.record({
      defaultStringType: fc.constantFrom(
        'PLAIN',
        'QUOTE_DOUBLE',
        'QUOTE_SINGLE',
        'BLOCK_LITERAL',
        'BLOCK_FOLDED',
      ),
      collectionStyle: fc.constantFrom('any', 'block', 'flow'),
      lineWidth: fc.constantFrom(0, 20, 80),
    } as const)
    fc.assert(
      fc.property(document, document, style, (one, other, options) => {
        assertNoKey(maskedDiff(stringify(one, options), stringify(other, options), 'json-or-yaml'))
      }),
    )
  })

  test('of texts that do not parse', () => {
    fc.assert(
      fc.property(
        document,
        fc.nat(),
        fc.constantFrom('json-or-yaml', 'config', 'toml'),
        (value, cut, kind) => {
          const text = JSON.stringify(value, undefined, 2)
          const spoiled = `${text.slice(0, cut % text.length)}\n]}"`
          assertNoKey(maskedDiff(spoiled, '', kind))
          assertNoKey(maskedDiff(text, spoiled, kind))
        },
      ),
    )
  })

  const texts: [kind: 'config' | 'json-or-yaml' | 'toml', name: string, text: string][] = [
    ['json-or-yaml', 'behind an alias', 'x: &k hunter2secret\napi_key: *k\n'],
    ['json-or-yaml', 'as an escape', '{"api_key":\n"hunter2\\u0041"}'],
    ['json-or-yaml', 'on the line behind its name', '{"password":\n"hunter2"}'],
    ['json-or-yaml', 'in a comment', 'a: 1\n# api_key:\n#   hunter2\n#   - hunter3\n\n# plain\n'],
    ['json-or-yaml', 'as a name', '{"sk-hunter2222222": 1}'],
    ['json-or-yaml', 'in a URL', 'proxy: http://you:hunter2@proxy\n'],
    ['json-or-yaml', 'also where it does not look like one', 'theme: [hunter2x]\npassword: hunter2x\n'],
    [
      'toml',
      'in a table of variables',
      '[mcp_servers.a.env]\nFOO = "hunter2" # hunter\n'.replace(' # hunter', ''),
    ],
    ['toml', 'in an inline table', 'a = { env = { FOO = "hunter2" }, b = 1 }\n'],
    ['toml', 'in a list of several lines', '[mcp_servers.a]\nargs = [\n  "--x",\n  "hunter2", # one\n]\n'],
    ['toml', 'behind an option', 'list = [\n "--api-key",\n "hunter2",\n]\n'],
    ['toml', 'in several lines', 'api_key = """\nhunter2\nhunter3"""\n'],
    ['toml', 'in several plain lines', "note = '''\nhunter2\nhunter3'''\n"],
    ['toml', 'under a quoted name', '"api_key" = "hunter2"\n'],
    ['toml', 'in a comment', '# api_key =\n# "hunter2"\nx = 1\n'],
    ['config', 'as a literal below', 'providers:\n  a:\n    api_key:\n      hunter2\n'],
    ['config', 'in a list', 'providers:\n  a:\n    api_key:\n      - hunter2\n      - hunter3\n'],
    ['config', 'under a name that is not known', 'providers:\n  a:\n    apikey:\n      - x: [hunter2]\n'],
    ['config', 'in a header', 'providers:\n  a:\n    headers:\n      x-team:\n        hunter2\n'],
    [
      'config',
      'in the environment of a service',
      'providers:\n  a:\n    service:\n      environment:\n        HF_TOKEN:\n          hunter2\n',
    ],
    [
      'config',
      'behind an option of a service',
      'providers:\n  a:\n    service:\n      run:\n        - llama-server\n        - --api-key\n        - hunter2\n',
    ],
    ['config', 'in a block', 'providers:\n  a:\n    api_key: |\n      hunter2\n      hunter3\n'],
  ]
  for (const [kind, name, text] of texts) {
    test(`${kind}: ${name}`, () => {
      assertNoKey(maskedDiff(text, '', kind))
      assertNoKey(maskedDiff('', text, kind))
      const changed = text.replaceAll('hunter2', 'hunter9')
      const lines = maskedDiff(text, changed, kind)
      assertNoKey(lines)
      if (changed !== text)
        assert.ok(
          lines.some((line) => line.startsWith('-')),
          'a changed key is a change',
        )
    })
  }
})

test('what connect writes is shown, and so is all that is no key', () => {
  const before = '{\n  "theme": "dark",\n  "env": {\n    "OTHER": "hunter2"\n  }\n}\n'
  const own = { env: { ANTHROPIC_AUTH_TOKEN: 'none', ANTHROPIC_MODEL: 'qwen3:8b' } }
  const edited = withMembers(before, own)
  assert.ok(edited.kind === 'edited')
  assert.deepEqual(maskedDiff(before, edited.text, 'json-or-yaml', JSON.stringify(own)), [
    ' {',
    '   "theme": "dark",',
    '   "env": {',
    '-    "OTHER": *********',
    '+    "OTHER": *********,',
    '+    "ANTHROPIC_AUTH_TOKEN": "none",',
    '+    "ANTHROPIC_MODEL": "qwen3:8b"',
    '   }',
    ' }',
    ' ',
  ])
})

test('references to keys and the rest of a configuration are shown', () => {
  const before = `keys: { mode: required }
secrets: { identity: { credential: own_identity } }
providers:
  a: { base_url: "http://127.0.0.1:1/v1", api_key: { credential: a_key, env: A_KEY } }
  b: { base_url: "http://127.0.0.1:1/v1", api_key: { file: /etc/keys/b }, max_parallel_requests: 2 }
models:
  a: { provider: a }
`
  const lines = maskedDiff(before, '', 'config')
  assert.deepEqual(lines, [
    ...before
      .trimEnd()
      .split('\n')
      .map((line) => `-${line}`),
    ' ',
  ])
})
