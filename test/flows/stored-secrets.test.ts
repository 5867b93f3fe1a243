// Providers whose keys `secret set` has stored: what reaches them at the start, after a reload, and with another identity.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test, type TestContext } from 'node:test'

import { generateIdentity, recipientOf } from '../../src/vault/age.ts'
import { secretScene, type SecretScene } from '../cli/secret-scene.ts'
import { findKey } from '../support/key-forms.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import { json } from '../support/upstream-script.ts'

const keys = ['sk-Vb7Qe2RtYk90Lm', 'sk-Hn3Wd8XcPz61Ks'] as const

async function start(t: TestContext, scene: SecretScene, workers = 1, more: object = {}) {
  const secrets = { dir: scene.directory, identity: { file: scene.identityFile } }
  const providers = { scripted: { api_key: { secret: 'cloud' } } }
  const started = await startGatewayProcess(t, { server: { workers, ...more }, providers, secrets })
  started.upstream.respondAlways(json(200, {}))
  return started
}

async function reload(gateway: GatewayProcess): Promise<Record<string, unknown>> {
  const from = gateway.stdout().length
  process.kill(gateway.pid, 'SIGHUP')
  return JSON.parse(await gateway.says(/^.*"event":"reload.*$/m, from)) as Record<string, unknown>
}

for (const workers of [1, 2]) {
  test(`a stored key is sent, and another one from the next reload on (${workers} threads)`, async (t) => {
    const scene = secretScene(t, ['cloud'])
    await scene.set('cloud', keys[0])
    const { gateway, upstream } = await start(t, scene, workers)
    const sent = async () => {
      const call = rawRequest('POST /v1/chat/completions', {}, JSON.stringify({ model: 'plain' }))
      assert.equal((await exchange(t, gateway.url, call)).status, 200)
      return upstream.requests
        .filter(({ method }) => method === 'POST')
        .at(-1)!
        .header('authorization')
    }
    assert.equal(await sent(), `Bearer ${keys[0]}`)

    await scene.set('cloud', keys[1])
    assert.equal(await sent(), `Bearer ${keys[0]}`)
    assert.equal((await reload(gateway))['event'], 'reloaded')
    assert.equal(await sent(), `Bearer ${keys[1]}`)

    await scene.rotate()
    assert.equal((await reload(gateway))['event'], 'reloaded')
    assert.equal(await sent(), `Bearer ${keys[1]}`)

    const stranger = await generateIdentity()
    const wanted = /^age1\w+$/m.exec(scene.recipients())![0]
    writeFileSync(scene.identityFile, stranger)
    const refused = await reload(gateway)
    assert.equal(refused['event'], 'reload_refused')
    for (const id of [wanted, (await recipientOf(stranger))!]) {
      assert.ok(JSON.stringify(refused['problems']).includes(id), id)
    }
    assert.equal(await sent(), `Bearer ${keys[1]}`)
    for (const key of keys) assert.deepEqual(findKey(gateway.stdout() + gateway.stderr(), key), [])
  })
}

test('with watch_config another key is sent without a signal, and one that does not open changes nothing', async (t) => {
  const scene = secretScene(t, ['cloud'], { section: 'server: { watch_config: true }' })
  await scene.set('cloud', keys[0])
  const { gateway, upstream } = await start(t, scene, 1, { watch_config: true })
  const sent = async () => {
    const call = rawRequest('POST /v1/chat/completions', {}, JSON.stringify({ model: 'plain' }))
    await exchange(t, gateway.url, call)
    return upstream.requests.at(-1)!.header('authorization')
  }
  assert.equal(await sent(), `Bearer ${keys[0]}`)
  let from = gateway.stdout().length
  const { stdout } = await scene.set('cloud', keys[1])
  assert.match(stdout, /A running gateway uses it within a few seconds/)
  await gateway.says(/"event":"reloaded"/, from)
  assert.equal(await sent(), `Bearer ${keys[1]}`)

  from = gateway.stdout().length
  writeFileSync(scene.file('cloud'), 'spoiled')
  await gateway.says(/"event":"reload_refused"/, from)
  assert.equal(await sent(), `Bearer ${keys[1]}`)
  from = gateway.stdout().length
  await scene.set('cloud', keys[0])
  await gateway.says(/"event":"reloaded"/, from)
  assert.equal(await sent(), `Bearer ${keys[0]}`)
})

test('with a wrong identity, or none, the gateway does not start, and says which it wants and has', async (t) => {
  const scene = secretScene(t, ['cloud'])
  await scene.set('cloud', keys[0])
  const stranger = await generateIdentity()
  const [wanted, given] = [/^age1\w+$/m.exec(scene.recipients())![0], (await recipientOf(stranger))!]
  writeFileSync(scene.identityFile, stranger)
  await assert.rejects(start(t, scene), ({ message }: Error) => {
    assert.match(message, /the secret cloud cannot be opened/)
    return message.includes(wanted) && message.includes(given) && !message.includes(stranger)
  })
  assert.equal(readFileSync(scene.identityFile, 'utf8'), stranger)
})
