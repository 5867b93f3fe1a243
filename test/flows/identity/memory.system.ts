// What many distinct identities take of the gateway's memory.
import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { suite, test, type TestContext } from 'node:test'

import { echo, type Setup } from '../../support/gateway-config.ts'
import { type GatewayProcess, startGatewayProcess } from '../../support/gateway-process.ts'
import { heldMemory, heldMemoryOptions } from '../../support/held-memory.ts'
import { signingKey, signToken, startIssuer } from '../../support/issuer.ts'

const header = 'x-proxy-token'
const mebibyte = 2 ** 20

interface Started {
  readonly gateway: GatewayProcess
  /** Sends one call for each of these people, eight at a time. */
  readonly callAs: (people: readonly string[]) => Promise<void>
}

async function start(t: TestContext, more: Setup = {}): Promise<Started> {
  const key = signingKey('k')
  const issuer = await startIssuer(t, key)
  const source = {
    kind: 'jwt' as const,
    header,
    issuer: 'https://id.example',
    audience: 'llm',
    jwks_url: issuer.url,
    algorithms: ['ES256' as const],
  }
  const setup: Setup = { ...echo, identity: { required: true, sources: [source] }, ...more }
  const { gateway } = await startGatewayProcess(t, setup, {}, { options: heldMemoryOptions })
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  t.after(() => agent.destroy())
  const exp = Math.floor(Date.now() / 1000) + 3_000
  const call = (person: string) => {
    const claims = {
      iss: 'https://id.example',
      aud: 'llm',
      email: `${person}@example.org`,
      exp,
      pad: 'x'.repeat(4_000),
    }
    const headers = { [header]: signToken(key, claims), 'content-type': 'application/json' }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const sent = request(`${gateway.url}/v1/chat/completions`, { method: 'POST', agent, headers })
    sent.once('error', reject).once('response', (response) => {
      if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode} for ${person}`))
      response.resume().once('end', resolve)
    })
    sent.end('{"model":"plain","messages":[]}')
    return promise
  }
  const callAs = async (people: readonly string[]) => {
    const rest = people.values()
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (const person of rest) await call(person)
      }),
    )
  }
  return { gateway, callAs }
}

const people = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)

suite('the memory of many identities', () => {
  test('tokens are not kept: 2,000 of 5 KiB take less than 4 MiB', async (t) => {
    const { gateway, callAs } = await start(t)
    await callAs(people('first', 100))
    const before = await heldMemory(gateway)
    await callAs(people('next', 2_000))
    const { heapUsed, external } = await heldMemory(gateway)
    const taken = heapUsed + external - before.heapUsed - before.external
    assert.ok(taken < 4 * mebibyte, `${taken} bytes`)
  })

  test('a client whose tokens are limited takes less than 8 KiB while it calls rarely', async (t) => {
    const { gateway, callAs } = await start(t, { clients: { 'mail:*': { tpm: 100_000 } } })
    await callAs(people('first', 100))
    const before = await heldMemory(gateway)
    await callAs(people('next', 500))
    const { heapUsed, external } = await heldMemory(gateway)
    const taken = heapUsed + external - before.heapUsed - before.external
    assert.ok(taken < 500 * 8_192, `${taken} bytes`)
  })
})
