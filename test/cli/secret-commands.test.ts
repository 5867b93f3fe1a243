// The commands of docs/secrets.md and of its row in docs/from-other-gateways.md, as they are typed.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { finished } from 'node:stream/promises'
import { suite, test, type TestContext } from 'node:test'

import { createProgram } from '../../src/cli/program.ts'
import type { SecretInput } from '../../src/cli/read-secret.ts'
import { secretScene } from './secret-scene.ts'

const page = (name: string) => readFileSync(join(import.meta.dirname, '../../docs', name), 'utf8')

/** Commands in a text, without brackets of what may be left out. */
function commandsIn(text: string): string[] {
  const shown = [...text.matchAll(/`(?:llm-gateway )?(secret [a-z-]+[^`]*)`/g)].map(([, command]) => command!)
  return [...new Set(shown.map((command) => command.replaceAll(/[[\]]/g, '')))]
}

function typed(t: TestContext) {
  const scene = secretScene(t, ['openai'])
  const run = async (command: string, input = '') => {
    const texts = { stdout: '', stderr: '' }
    const stdout = new PassThrough().on('data', (text: Buffer) => (texts.stdout += String(text)))
    const stderr = new PassThrough().on('data', (text: Buffer) => (texts.stderr += String(text)))
    const stdin = new PassThrough()
    stdin.end(input)
    const program = createProgram({
      stdout,
      stderr,
      stdin: stdin as unknown as SecretInput,
      env: { HOME: scene.home, PATH: process.env['PATH'], LLM_GATEWAY_CONFIG: scene.paths.configFile },
    })
    const status = await program.run(command.replace('NAME', 'openai').split(' '))
    await Promise.all([finished(stdout.end()), finished(stderr.end())])
    return { status, ...texts }
  }
  return { scene, run }
}

suite('what LITELLM_SALT_KEY did', () => {
  test('is done by the commands in its row', async (t) => {
    const row = page('from-other-gateways.md').match(/^\| LiteLLM: `LITELLM_SALT_KEY` .*$/m)![0]
    const commands = commandsIn(row)
    assert.deepEqual(commands, ['secret set NAME', 'secret rotate-identity', 'secret recovery'])
    const { scene, run } = typed(t)
    for (const command of commands) {
      const { status, stderr } = await run(`${command} --user`, 'sk-kept')
      assert.deepEqual([status, stderr], [0, ''], command)
      assert.deepEqual(await scene.load(), { openai: 'sk-kept' })
    }
  })
})

test('every command of docs/secrets.md runs', async (t) => {
  const { run } = typed(t)
  const paper = /AGE-SECRET-KEY-1\w+/.exec((await run('secret set openai --user', 'sk-1')).stdout)![0]
  const commands = commandsIn(page('secrets.md')).filter((command) => !command.includes('|'))
  // Recovery comes last: afterwards the paper is another one.
  const order = ['secret recovery', 'secret remove NAME']
  const sorted = commands.toSorted((a, b) => order.indexOf(a) - order.indexOf(b))
  assert.ok(sorted.length >= 8, String(sorted))
  for (const command of sorted) {
    const { status, stderr } = await run(`${command} --user`, paper)
    assert.deepEqual([status, stderr], [0, ''], command)
  }
})

test('a wrong command line is refused with status 2, and shows no key', async (t) => {
  const { run } = typed(t)
  for (const command of [
    'secret set',
    'secret set openai hush',
    'secret set openai --key=hush',
    'secret nothing',
  ]) {
    const { status, stderr } = await run(command)
    assert.equal(status, 2, command)
    assert.doesNotMatch(stderr, /hush/)
  }
})
