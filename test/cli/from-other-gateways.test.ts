// Every command of docs/from-other-gateways.md, and what the setting of the other gateway would have done.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { parseKeyFile } from '../../src/clients/keys/key-file.ts'
import { digestOf, parseKey } from '../../src/clients/keys/key-format.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { runCommand } from '../support/run-command.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/from-other-gateways.md'), 'utf8')

/** The commands beside the setting of another gateway. */
function commandsFor(setting: string): string[] {
  const row = page.split('\n').find((line) => line.startsWith('|') && line.includes(setting))
  assert.ok(row !== undefined, `${setting} has a row`)
  const [, here = ''] = row.split(' | ')
  return [...here.matchAll(/`llm-gateway ([^`]+)`/g)].map(([, command = '']) => command)
}

function machine(t: Parameters<typeof scratchDirectory>[0]) {
  const folder = scratchDirectory(t)
  const config = join(folder, 'llm-gateway.yaml')
  writeFileSync(config, 'providers: { echo: { kind: echo } }\nserver: { port: 1 }\n', { mode: 0o600 })
  const env = { HOME: folder, PATH: '/nowhere', XDG_RUNTIME_DIR: '' }
  return {
    folder,
    async run(command: string, input = '') {
      const args = [...command.replace('NAME', 'ann').split(' '), '--config', config]
      const ended = await runCommand(args, { env, input })
      assert.equal(ended.status, 0, `${command}: ${ended.stderr}`)
      return ended.stdout
    },
    keys() {
      const parsed = parseKeyFile(readFileSync(join(folder, 'keys.json'), 'utf8'))
      assert.ok(parsed.kind === 'parsed')
      return parsed.file.keys
    },
  }
}

/** Prefix, public id, `_`, the secret part and a checksum of 6. */
const textOf = (secret: number) => new RegExp(`^gw_[0-9A-Za-z]{12}_[0-9A-Za-z]{${secret + 6}}\n$`)

test('a generated master key', async (t) => {
  const at = machine(t)
  const commands = commandsFor('--operation=set-master-key --generate-master-key=true')
  assert.equal(commands.length, 1)
  const text = await at.run(commands[0]!)
  assert.match(text, textOf(43))
  const [master] = at.keys()
  assert.deepEqual([master!.role, master!.secrets[0]!.sha256], ['master', digestOf(text.trim())])
})

test('a key of this length and prefix', async (t) => {
  const at = machine(t)
  const commands = commandsFor('worker-key --master-key-length=64 --master-key-prefix=gw_')
  assert.equal(commands.length, 2)
  for (const command of commands) {
    const text = await at.run(command)
    assert.match(text, textOf(64))
    assert.ok(parseKey(text.trim()) !== undefined)
  }
  assert.deepEqual(
    at.keys().map(({ role }) => role),
    ['master', 'client'],
  )
})

test('what a salt key was for: keys of providers that are encrypted at rest', async (t) => {
  const at = machine(t)
  const commands = commandsFor('LITELLM_SALT_KEY')
  assert.deepEqual(
    commands.map((command) => command.split(' ')[1]),
    ['set', 'rotate-identity', 'recovery'],
  )
  for (const command of commands) await at.run(command, 'sk-Vb7Qe2RtYk90Lm\n')
  const stored = join(at.folder, 'secrets/ann.age')
  assert.ok(existsSync(stored))
  assert.ok(!readFileSync(stored, 'latin1').includes('Vb7Qe2RtYk90Lm'))
  assert.match(await at.run('secret verify'), /ann {2}ok/)
})
