// A first configuration that is asked for in a terminal.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { loadConfig } from '../../src/config/load.ts'
import { programFile } from '../support/built-checkout.ts'
import { until } from '../support/deadline.ts'
import { missing } from '../support/needs.ts'
import { startInTerminal } from '../support/pseudo-terminal.ts'
import { cloudKey, scene } from './init/scene.ts'

suite('init in a terminal', { skip: missing('script', 'stty', 'bash') }, () => {
  async function start(t: TestContext, models?: readonly string[]) {
    const found = await scene(t, models)
    const args = ['init', '--user', '--port', String(found.port), '--no-service']
    const command = [process.execPath, programFile, ...args]
    const env = { ...found.env, PATH: process.env['PATH']!, OPENROUTER_API_KEY: cloudKey }
    const terminal = await startInTerminal(t, { command, env, columns: 200 })
    const shows = (text: string) =>
      until(() => terminal.output().includes(text), `${text}; came: ${terminal.output()}`)
    return { ...found, terminal, shows }
  }

  test('asks for the servers, the model and the file', async (t) => {
    const { terminal, shows, file, home } = await start(t, ['llama3.1:8b', 'nomic-embed-text', 'qwen3:8b'])
    await shows('Use these? [Y/n]')
    terminal.type('y\n')
    await shows('Which one do clients call unless they name another? [1]')
    assert.doesNotMatch(terminal.output(), /\d {2}nomic/)
    terminal.type('2\n')
    await shows(`Write ${file}? [Y/n]`)
    assert.ok(!existsSync(file))
    terminal.type('\n')
    assert.equal(await terminal.ended(), 0)
    const text = readFileSync(file, 'utf8')
    assert.match(text, /^ {2}"qwen3:8b": \{ provider: ollama \}$/m)
    assert.match(text, /api_key: \{ env: OPENROUTER_API_KEY \}/)
    assert.ok(!existsSync(join(home, '.config/llm-gateway/credentials')))
    assert.doesNotMatch(terminal.output(), /of-a-cloud/)
    assert.ok(loadConfig(file, { env: { OPENROUTER_API_KEY: cloudKey } }).ok)
  })

  for (const [what, keys] of [
    ['no', 'n\n'],
    ['the end of the input', '\u0004'],
  ] as const) {
    test(`${what} at the last question changes nothing`, async (t) => {
      const { terminal, shows, home, file } = await start(t, ['qwen3:8b'])
      await shows('Use these?')
      terminal.type('\n')
      await shows(`Write ${file}?`)
      terminal.type(keys)
      await shows('Nothing was changed.')
      assert.equal(await terminal.ended(), 1)
      assert.deepEqual(readdirSync(home), ['bin'])
    })
  }
})
