// The commands of keys that several machines share, where no gateway runs: what they sign, publish and refuse.
import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { maxSignedBytes, parseSignedKeys, verifySigned } from '../../src/clients/keys/signed-keys.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { missing } from '../support/needs.ts'
import { redisProgram, startRedis } from '../support/redis.ts'
import { runCommand } from '../support/run-command.ts'
import { keyListOf, newPair, prefix } from '../support/shared-keys.ts'

/** A folder with a configuration, whose store is what `store` returns. */
function machine(t: TestContext, url: string) {
  const folder = scratchDirectory(t)
  const file = join(folder, 'llm-gateway.yaml')
  const env = { HOME: folder, XDG_RUNTIME_DIR: '', PATH: '', STORE_URL: url }
  const run = (...args: readonly string[]) => runCommand(['key', ...args, '--config', file], { env })
  const write = (store: string) =>
    writeFileSync(
      file,
      `providers: { echo: { kind: echo } }
models: { m: { provider: echo } }
keys: { mode: required }
server: { port: 1 }
rate_limit_settings: { store: ${store} }
`,
      { mode: 0o600 },
    )
  const base = `kind: valkey, url: { env: STORE_URL }, members: 2, prefix: ${prefix}`
  return { folder, file, run, write, base }
}

suite('keys that machines share', { skip: missing(redisProgram) }, () => {
  test('are signed with what `key publisher create` makes, and published with each change', async (t) => {
    const server = await startRedis(t)
    const { folder, run, write, base } = machine(t, server.url)
    write('{ kind: memory }')
    const made = await run('publisher', 'create')
    assert.equal(made.status, 0, made.stderr)
    const path = join(folder, 'keys-signer.key')
    assert.equal(statSync(path).mode & 0o777, 0o600)
    const secret = readFileSync(path, 'utf8').trim()
    assert.equal(`${made.stdout}${made.stderr}`.includes(secret), false)
    const [, trusted] = /keys_signed_by: \[(\S+)\]/.exec(made.stdout)!
    const [, reference] = /sign_keys_with: (\{.*\})/.exec(made.stdout)!
    assert.equal((await run('publisher', 'create')).status, 1, 'a second one would replace the first')

    write(`{ ${base}, keys_signed_by: [${trusted}], sign_keys_with: ${reference} }`)
    const { list } = await keyListOf(t, server.url)
    for (const [generation, args] of [['create', 'ann'], ['disable', 'ann'], ['publish']].entries()) {
      const done = await run(...args)
      assert.equal(done.status, 0, done.stderr)
      assert.match(
        `${done.stdout}${done.stderr}`,
        new RegExp(`Published as generation ${generation + 1}\\. No gateway runs`),
      )
      const found = await list.look(0)
      assert.equal(found.generation, generation + 1)
      const read = await list.read(found, 0, maxSignedBytes)
      assert.ok(read !== undefined && 'text' in read)
      const signed = parseSignedKeys(read.text)!
      assert.equal(signed.file, readFileSync(join(folder, 'keys.json'), 'utf8'))
      assert.equal(verifySigned(signed, { prefix, trusted: [trusted!] }).kind, 'valid')
    }

    // An older file was put back: what is published is later than what the store has.
    const older = { version: 1, generation: 1, keys: [] }
    writeFileSync(join(folder, 'keys.json'), JSON.stringify(older))
    const again = await run('publish')
    assert.equal(again.status, 0, again.stderr)
    assert.equal((await list.look(0)).generation, 4)
    assert.match(readFileSync(join(folder, 'keys.json'), 'utf8'), /"generation": 4/)
  })

  test('are written and not published, with the reason, by a wrong key, and without the store', async (t) => {
    const server = await startRedis(t)
    const { folder, run, write, base } = machine(t, server.url)
    write('{ kind: memory }')
    const made = await run('publisher', 'create')
    const [, trusted] = /keys_signed_by: \[(\S+)\]/.exec(made.stdout)!
    const signer = `sign_keys_with: { file: ${join(folder, 'keys-signer.key')} }`
    write(`{ ${base}, keys_signed_by: [${newPair().publicKey}], ${signer} }`)
    const wrong = await run('create', 'ann')
    assert.equal(wrong.status, 2)
    assert.match(wrong.stderr, /not published: keys_signed_by does not have the public key .*: add MCow/)
    assert.equal(wrong.stderr.includes(trusted!), true)
    write(`{ ${base}, keys_signed_by: [${trusted}], sign_keys_with: { file: ${join(folder, 'none')} } }`)
    const without = await run('publish')
    assert.equal(without.status, 2)
    assert.match(without.stderr, /the key that signs \(sign_keys_with\) cannot be read: /)
    await server.kill()
    write(`{ ${base}, keys_signed_by: [${trusted}], ${signer} }`)
    const away = await run('revoke', 'ann')
    assert.equal(away.status, 2)
    assert.match(
      away.stderr,
      /not published: the store cannot be used: .*ECONNREFUSED.*; then run .* key publish/,
    )
  })

  test('are changed and published by the machine alone that signs them', async (t) => {
    const { run, write, base } = machine(t, 'redis://127.0.0.1:1')
    write('{ kind: memory }')
    const alone = await run('publish')
    assert.equal(alone.status, 1)
    assert.match(alone.stderr, /keys are of this machine alone/)
    write(`{ ${base}, keys_signed_by: [${newPair().publicKey}] }`)
    for (const args of [['publish'], ['create', 'ann'], ['master', 'set', '--generate']]) {
      const refused = await run(...args)
      assert.equal(refused.status, 1)
      assert.match(refused.stderr, /sign_keys_with/)
      assert.equal(refused.stdout, '')
    }
    const listed = await run('list')
    assert.equal(listed.status, 0, listed.stderr)
  })
})
