// Providers as operators write them down, and what becomes of the calls.
import assert from 'node:assert/strict'
import dns from 'node:dns'
import { suite, test, type TestContext } from 'node:test'

import { startGateway } from '../support/app.ts'
import { chat } from '../support/calls.ts'
import { loadText, problemsOf } from '../support/config-file.ts'
import { configText } from '../support/gateway-config.ts'
import { type ScriptedUpstream, startUpstream } from '../support/scripted-upstream.ts'
import { json } from '../support/upstream-script.ts'

const completion = json(200, { id: 'x', object: 'chat.completion', choices: [] })

async function startModelServer(t: TestContext): Promise<ScriptedUpstream> {
  const upstream = await startUpstream(t)
  upstream.respondAlways(completion)
  return upstream
}

/** Every name has these addresses, from the next look-up on. */
function resolveTo(t: TestContext, ...addresses: readonly string[]): void {
  t.mock.restoreAll()
  const all = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  const lookup = (_: string, __: object, callback: (error: null, found: dns.LookupAddress[]) => void) =>
    callback(null, all)
  t.mock.method(dns, 'lookup', lookup as unknown as typeof dns.lookup)
}

suite('providers', () => {
  test('the query of a base URL goes with every request', async (t) => {
    const azure = await startModelServer(t)
    const health_check = { path: '/models?limit=1' }
    const base_url = `${azure.url}/openai?api-version=2024-10-21`
    const { gateway } = await startGateway(t, { providers: { azure: { base_url, health_check } } })
    await azure.nextRequest()
    assert.equal((await chat(gateway, 'plain')).status, 200)
    assert.deepEqual(
      azure.requests.map(({ target }) => target),
      ['/openai/models?limit=1&api-version=2024-10-21', '/openai/chat/completions?api-version=2024-10-21'],
    )
  })

  test('a name over plain http is asked only while all of its addresses are loopback or private', async (t) => {
    const nas = await startModelServer(t)
    const { port } = new URL(nas.url)
    const base_url = `http://nas.example:${port}/v1`
    const { gateway } = await startGateway(t, { providers: { nas: { base_url } } })

    resolveTo(t, '127.0.0.1')
    assert.equal((await chat(gateway, 'plain')).status, 200)
    assert.equal(nas.requests[0]?.header('host'), `nas.example:${port}`)

    for (const other of ['93.184.216.34', '169.254.169.254', '::ffff:8.8.8.8', '0.0.0.0']) {
      resolveTo(t, '127.0.0.1', other)
      // The connection that was kept has to be made anew.
      await gateway.reload({ providers: { nas: { base_url, headers: { 'x-try': other } } } })
      const refused = await chat(gateway, 'plain')
      assert.equal(refused.status, 502)
      assert.match(refused.body, new RegExp(`nas.example resolves to ${other}, which is not a loopback`))
    }
    assert.equal(nas.requests.length, 1)
  })

  test('a key goes over plain http to a name only if the file says so, with a warning', (t) => {
    const of = (more: object) => {
      const nas = { base_url: 'http://nas.local:8000/v1', api_key: { env: 'KEY' }, ...more }
      return problemsOf(t, configText({ providers: { nas } }), { env: { KEY: 'sk-nas-4711' } })
    }
    assert.match(of({})[0] ?? '', /would send the key unencrypted, to whatever address the name has/)
    const [warning, ...more] = of({ allow_http: true })
    assert.match(warning ?? '', /http:\/\/ sends the key, prompts and responses unencrypted to "nas.local"/)
    assert.deepEqual(more, [])
    const allowed = { base_url: 'http://8.8.8.8/v1', allow_http: true }
    assert.ok(loadText(t, configText({ providers: { allowed } })).ok)
  })
})
