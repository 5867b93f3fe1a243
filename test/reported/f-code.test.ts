// Faults that a reading of the code found: each test is one of them.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { suite, test } from 'node:test'

import { readSecret, type SecretInput } from '../../src/cli/read-secret.ts'
import { startModelServer } from '../flows/model-servers.ts'
import { startGateway } from '../support/app.ts'
import { chat, used } from '../support/calls.ts'
import { at, echo } from '../support/gateway-config.ts'
import { json } from '../support/upstream-script.ts'

const root = join(import.meta.dirname, '../..')

suite('the code, as reported', () => {
  test('as many names of a provider are taken as the documents say', async (t) => {
    const names = Array.from({ length: 2_100 }, (_, index) => `model-${index}`)
    const server = at(await startModelServer(t, ...names), { discover_models: true })
    const { gateway } = await startGateway(t, { providers: { ...echo.providers, server } })
    const { count, skipped } = await gateway.logged({ event: 'models_discovered', provider: 'server' })
    assert.deepEqual([count, skipped], [2_000, 100])
    for (const file of ['docs/security.md', 'docs/config.md']) {
      const text = readFileSync(join(root, file), 'utf8')
      assert.match(text, /2,000\s(?:names|of one provider)/, file)
      assert.doesNotMatch(text, /10,000 (?:models|names)/, file)
    }
  })

  test('one bound says which count of tokens is plausible, wherever one is read or charged', async (t) => {
    const limits = { small: { tpm: 200_000_000 } }
    const { gateway, upstream } = await startGateway(t, {
      models: { small: { provider: 'scripted' } },
      rate_limit_settings: { per_client: {}, limits },
    })
    const call = async (prompt: number, completion: number) => {
      const before = (await used(gateway)).tokens
      const usage = { prompt_tokens: prompt, completion_tokens: completion }
      upstream.respond(json(200, { choices: [], usage }))
      assert.equal((await chat(gateway, 'small')).status, 200)
      return (await used(gateway)).tokens - before
    }
    assert.ok((await call(100_000_001, 0)) < 1_000_000, 'a count above the bound is not read')
    assert.ok((await call(60_000_000, 60_000_000)) < 1_000_000, 'a sum above the bound is not charged')
    assert.equal(await call(60_000_000, 40_000_000), 100_000_000)
  })

  test('no request carries a cap of its output that nobody reads', () => {
    const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    const sources = files.filter((file) => file.endsWith('.ts'))
    assert.ok(sources.length > 100)
    const holders = sources.filter((file) =>
      /\boutputCap\b/.test(readFileSync(join(root, 'src', file), 'utf8')),
    )
    assert.deepEqual(holders, [])
  })

  test('backspace in the secret prompt takes a whole character outside of the BMP', async () => {
    const stream = new PassThrough()
    const terminal = Object.assign(stream, {
      isTTY: true,
      setRawMode: () => terminal,
    }) as unknown as SecretInput
    const secret = readSecret(terminal, () => {})
    stream.write('sk-1\u{1f511}\x7f2\r')
    assert.equal(await secret, 'sk-12')
  })
})
