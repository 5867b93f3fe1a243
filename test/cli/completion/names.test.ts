import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { describeCommand, everyCommand, usableAt } from '../../../src/cli/command-tree.ts'
import { createProgram } from '../../../src/cli/program.ts'
import { runCommand } from '../../support/run-command.ts'

function folderWith(
  t: TestContext,
  text: string,
): { folder: string; complete: (kind: string) => Promise<string[]> } {
  const folder = mkdtempSync(join(tmpdir(), 'names-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const config = join(folder, 'llm-gateway.yaml')
  writeFileSync(config, text, { mode: 0o600 })
  return {
    folder,
    async complete(kind) {
      const env = { HOME: folder }
      const { status, stdout, stderr } = await runCommand(['complete', kind, '--config', config], { env })
      assert.equal(status, 0)
      assert.equal(stderr, '')
      return stdout.split('\n').slice(0, -1)
    },
  }
}

test('names come from a configuration that has problems, and that lacks its variables', async (t) => {
  const { complete } = folderWith(
    t,
    `
unknown: 1
server: { port: "\${NOWHERE}" }
providers:
  b: { base_url: "\${NOWHERE}", service: { unit: b.service }, api_key: { secret: stored } }
  a: { kind: nonsense, api_key: "sk-literal-key" }
models: { "z:1": {}, "x/*": {}, y: [] }
notify: { sinks: { chat: {} } }
usage: { client_names: pseudonym }
`,
  )
  assert.deepEqual(await complete('models'), ['y', 'z:1'])
  assert.deepEqual(await complete('providers'), ['a', 'b'])
  assert.deepEqual(await complete('credentials'), ['a', 'b'])
  assert.deepEqual(await complete('services'), ['b'])
  assert.deepEqual(await complete('sinks'), ['chat'])
  const units = ['b.service', 'llm-gateway-services.service', 'llm-gateway.service']
  assert.deepEqual(await complete('units'), units)
  assert.ok((await complete('secrets')).includes('stored'))
  assert.deepEqual(await complete('keys'), [])
})

test('names that would begin a line or move the cursor are left out', async (t) => {
  const { complete } = folderWith(
    t,
    'models: { "a\\nb": {}, "c\\u001b[2J": {}, "d\\u202ee": {}, fine: {} }\n',
  )
  assert.deepEqual(await complete('models'), ['fine'])
})

test('what cannot be read completes nothing', async (t) => {
  for (const text of ['{', '- a', 'models: 7', '']) {
    const { complete } = folderWith(t, text)
    for (const kind of ['models', 'providers', 'keys', 'secrets', 'sinks']) {
      assert.deepEqual(await complete(kind), [], `${text} ${kind}`)
    }
  }
  const { status, stdout } = await runCommand(['complete', 'models', '--config', '/nonexistent/x.yaml'])
  assert.deepEqual({ status, stdout }, { status: 0, stdout: '' })
})

test('stored keys are completed by their names alone', async (t) => {
  const { folder, complete } = folderWith(t, 'providers: { a: { kind: echo } }\n')
  mkdirSync(join(folder, 'secrets'), { mode: 0o700 })
  // No age file at all: nothing opens it.
  writeFileSync(join(folder, 'secrets/kept.age'), 'sk-not-encrypted', { mode: 0o000 })
  mkdirSync(join(folder, '.config/llm-gateway/credentials'), { recursive: true, mode: 0o700 })
  assert.deepEqual(await complete('secrets'), ['kept'])
})

test('--help does not list the command of the scripts, and refuses another kind', async () => {
  const help = await runCommand(['--help'])
  assert.match(help.stdout, /^ {2}completion /m)
  assert.doesNotMatch(help.stdout, /^ {2}complete /m)
  const refused = await runCommand(['complete', 'passwords'])
  assert.equal(refused.status, 2)
  assert.match(refused.stderr, /Allowed choices are credentials, keys, models/)
})

test('operands are completed by what they name', () => {
  const io = { stdout: process.stdout, stderr: process.stderr, env: {} }
  const kinds: Record<string, unknown> = {}
  for (const command of everyCommand(describeCommand(createProgram(io).command))) {
    for (const { name, completes } of usableAt(command).operands) {
      kinds[`${command.path.join(' ')} ${name}`] = completes
    }
  }
  assert.equal(kinds['explain model'], 'models')
  assert.equal(kinds['services name'], 'services')
  assert.equal(kinds['credential remove provider'], 'credentials')
  assert.equal(kinds['key rotate name'], 'keys')
  assert.equal(kinds['key create name'], undefined)
  assert.equal(kinds['notify unit-failed unit'], 'units')
  assert.equal(kinds['validate-config file'], 'files')
  assert.deepEqual(kinds['completion shell'], ['bash', 'zsh', 'fish'])
})
