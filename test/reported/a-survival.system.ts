// A gateway that has no file descriptor left.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { suite, test } from 'node:test'

import { examineDescriptors } from '../../src/cli/doctor/descriptors.ts'
import { examineListener } from '../../src/cli/doctor/listener.ts'
import { whole } from '../support/chat-content.ts'
import { until } from '../support/deadline.ts'
import type { Setup } from '../support/gateway-config.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { missing } from '../support/needs.ts'
import { connectRaw, type RawClient, rawRequest } from '../support/raw-client.ts'
import type { ScriptedUpstream } from '../support/scripted-upstream.ts'
import { hang, streamHead } from '../support/upstream-script.ts'

const path = 'POST /v1/chat/completions'

/** Two providers for one model: the second is asked only where the first has failed. */
const twoTargets: Setup<'first' | 'second'> = {
  providers: { first: {}, second: {} },
  models: {
    plain: {
      targets: [
        { provider: 'first', model: 'm' },
        { provider: 'second', model: 'm', tier: 2 },
      ],
    },
  },
  routing: { retries: 0, cooldown_ms: 600_000 },
}

/** The first number that no descriptor of the process has: with this limit it can open no other. */
function freeDescriptor(pid: number): number {
  const open = new Set(readdirSync(`/proc/${pid}/fd`).map(Number))
  let free = 0
  while (open.has(free)) free += 1
  return free
}

/** Without the gateway's question at its start. */
function callsOf({ requests }: ScriptedUpstream): number {
  return requests.filter(({ method }) => method === 'POST').length
}

const statusOf = (client: RawClient) =>
  Promise.race([client.head().then(({ status }) => status), client.ended]).catch(() => 'reset' as const)

suite('Out of file descriptors,', { skip: missing('prlimit') }, () => {
  test('calls are refused with 503 and a log line, and none is left to a fallback', async (t) => {
    const { gateway, upstreams } = await startGatewayProcess(t, twoTargets, {}, { descriptors: 80 })
    upstreams.first.respondAlways([streamHead(), hang])
    const request = rawRequest(path, {}, '{"model":"plain","stream":true,"messages":[]}')
    const clients = await Promise.all(
      Array.from({ length: 120 }, () => connectRaw(t, gateway.url).catch(() => undefined)),
    )
    const connected = clients.filter((client) => client !== undefined)
    for (const client of connected) client.send(request)
    const statuses: unknown[] = []
    for (const client of connected) void statusOf(client).then((status) => statuses.push(status))
    const served = () => callsOf(upstreams.first)
    await until(
      () => statuses.length + served() >= connected.length,
      'an end of each call that is not served',
    )

    assert.ok(served() >= 5, `${served()} calls are served`)
    assert.ok(statuses.includes(503))
    await gateway.says(/"event":"overloaded".*file descriptors/)
    assert.equal(callsOf(upstreams.second), 0)

    for (const client of connected) client.leave()
    upstreams.first.respondAlways(whole())
    await until(async () => {
      const client = await connectRaw(t, gateway.url)
      client.send(rawRequest(path, {}, '{"model":"plain","messages":[]}'))
      return (await statusOf(client)) === 200
    }, 'a call that is served again')
  })

  test('a call that cannot connect is refused with 503, and its provider is not at fault', async (t) => {
    const { gateway, upstreams } = await startGatewayProcess(t, twoTargets)
    for (const upstream of Object.values(upstreams)) upstream.respondAlways(whole())
    const limitTo = (count: number) =>
      execFileSync('prlimit', ['--pid', String(gateway.pid), `--nofile=${count}:`])
    const request = rawRequest(path, {}, '{"model":"plain","messages":[]}')
    const client = await connectRaw(t, gateway.url)
    client.send(rawRequest('GET /healthz'))
    assert.equal((await client.response()).status, 200)

    limitTo(freeDescriptor(gateway.pid))
    client.send(request)
    const refused = await client.response()
    assert.equal(refused.status, 503)
    assert.equal(refused.header('x-llm-gateway-error'), 'overloaded')
    assert.equal(refused.header('retry-after'), '5')
    assert.match(refused.body().toString(), /no file descriptor/)

    limitTo(4_096)
    client.send(request)
    assert.equal((await client.response()).status, 200)
    assert.deepEqual([callsOf(upstreams.first), callsOf(upstreams.second)], [1, 0])
  })

  test('doctor warns of a limit that suffices for few calls', async (t) => {
    const { gateway } = await startGatewayProcess(t, twoTargets, {}, { descriptors: 80 })
    const port = Number(new URL(gateway.url).port)
    const place = { hosts: ['127.0.0.1'], unixSocket: undefined, waitingSockets: [], hasSockets: false }
    const [finding] = examineDescriptors(await examineListener({ ...place, port }, true))
    assert.equal(finding?.state, 'warn')
    assert.match(finding.detail, /the gateway has \d+ open, of at most 80/)
    assert.match(finding.fix!, /LimitNOFILE=/)
  })
})
