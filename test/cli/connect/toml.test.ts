// Codex's configuration is edited by statement: everything else keeps its bytes.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { codexSettings } from '../../../src/cli/connect/codex-settings.ts'
import { tomlStatements } from '../../../src/cli/connect/toml-statements.ts'
import { fc } from '../../support/properties.ts'

const to = { url: 'http://127.0.0.1:4000', model: 'qwen', needsKey: false }
const table = `[model_providers.gateway]
name = "llm-gateway"
base_url = "http://127.0.0.1:4000/v1"
wire_api = "responses"
`
const edited = (before: string) => {
  const outcome = codexSettings(before, to)
  assert.equal(outcome.kind, 'edited')
  return (outcome as { text: string }).text
}

suite('statements of TOML', () => {
  const rows: readonly (readonly [string, readonly string[] | undefined])[] = [
    ['', []],
    ['# a\n\n  # b', []],
    ['a = 1', ['a']],
    ['a = [\n  "]", # ]\n  [1],\n]\nb = 2\n', ['a', 'b']],
    ['a = """\n[no.table]\nx = "1"\n"""\n[t]\nb = 1', ['a', '[t]', 'b']],
    ["a = '''it''s\n[x]'''\nb=1", ['a', 'b']],
    ['a = """say ""hi"""""\nb = 1', ['a', 'b']],
    ['a = "\\"[" # "\n[[l]]\n', ['a', '[l]']],
    ['a . "b c" = 1\n["x" . y]\n', ['a.b c', '[x.y]']],
    ['"a=b" = 1\n', ['a=b']],
    ['a = { b = [1], c = "}" }\r\nd = 1\r\n', ['a', 'd']],
    ['a = "open\n', undefined],
    ['a = [1\n', undefined],
    ['a = 1]\n', undefined],
    ['just words\n', undefined],
    ['[open\n', undefined],
  ]
  for (const [text, names] of rows) {
    test(JSON.stringify(text), () => {
      const found = tomlStatements(text)?.map(({ kind, name }) => (kind === 'table' ? `[${name}]` : name))
      assert.deepEqual(found, names)
    })
  }

  test('any text ends, and statements stand in order', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('a', '=', '[', ']', '{', '}', '"', "'", '#', '\n', '\\', '.', ' '),
        }),
        (text) => {
          let last = 0
          for (const { start, end } of tomlStatements(text) ?? []) {
            assert.ok(start >= last && end > start && end <= text.length)
            last = end
          }
        },
      ),
    )
  })
})

suite("Codex's configuration", () => {
  test('a new one', () => {
    assert.equal(edited(''), `model = "qwen"\nmodel_provider = "gateway"\n\n${table}`)
  })

  test('keeps comments, other keys and other tables', () => {
    const before = `# mine
model = "gpt-5" # old
approval_policy = "never"

[projects."/home/me"]
trust_level = "trusted"
# the end`
    assert.equal(
      edited(before),
      `model_provider = "gateway"
# mine
model = "qwen"
approval_policy = "never"

[projects."/home/me"]
trust_level = "trusted"
# the end

${table}`,
    )
  })

  test('replaces the table of an earlier run, and nothing behind it', () => {
    const before = `model = "a"
model_provider = "gateway"

["model_providers".gateway]
base_url = "http://127.0.0.1:1/v1"

# of headers
[model_providers.gateway.http_headers]
x = "1"
`
    assert.equal(
      edited(before),
      `model = "qwen"
model_provider = "gateway"

${table}
# of headers
[model_providers.gateway.http_headers]
x = "1"
`,
    )
  })

  test('is left alone where the provider stands in another form', () => {
    for (const before of [
      'model_providers.gateway = { name = "x" }\n',
      'model_providers = { gateway = { name = "x" } }\n',
      'model_providers.gateway.name = "x"\n',
      '[model_providers]\ngateway = { name = "x" }\n',
    ])
      assert.equal(codexSettings(before, to).kind, 'refused', before)
    assert.equal(codexSettings('[model_providers]\nother = { name = "x" }\n', to).kind, 'edited')
  })

  test('a byte order mark stays at the beginning, where alone it is allowed', () => {
    const once = codexSettings('\uFEFF# mine\nmodel = "x"\n', to)
    assert.ok(once.kind === 'edited')
    assert.equal(once.text.lastIndexOf('\uFEFF'), 0)
    assert.match(once.text, /# mine\n/)
    assert.deepEqual(codexSettings(once.text, to), once)
  })

  test('a profile is pointed out', () => {
    const outcome = codexSettings('profile = "work"\n', to)
    assert.ok(outcome.kind === 'edited')
    assert.match(String(outcome.notes), /profile is chosen/)
  })

  test('a second edit changes nothing, and every other statement keeps its bytes', () => {
    const statement = fc.constantFrom(
      'model = "x"\n',
      'model_provider="y"\n',
      'a = [\n 1,\n]\n',
      '# c\n',
      '\n',
      '[t]\n',
      '[model_providers.gateway]\n',
      '[model_providers.other]\nname = "o"\n',
      's = """\n[x]\n"""\n',
    )
    fc.assert(
      fc.property(fc.array(statement, { maxLength: 8 }), (parts) => {
        const before = parts.join('')
        const once = codexSettings(before, to)
        if (once.kind === 'refused') return
        assert.deepEqual(codexSettings(once.text, to), once)
        for (const kept of ['a = [\n 1,\n]\n', '# c\n', 's = """\n[x]\n"""\n']) {
          const count = (text: string) => text.split(kept).length
          if (!before.includes('[model_providers.gateway]')) assert.equal(count(once.text), count(before))
        }
      }),
    )
  })
})
