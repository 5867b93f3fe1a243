// `llm-gateway calls`, against gateways in processes of their own.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { readCalls, shortDuration, shortIds } from '../../src/cli/running-calls.ts'
import { messages } from '../support/chat-content.ts'
import { until } from '../support/deadline.ts'
import { firstEvents } from '../support/first-events.ts'
import { writeScratch } from '../support/config-file.ts'
import { defaultEnv } from '../support/gateway-config.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { connectRaw, rawRequest, type RawClient } from '../support/raw-client.ts'
import { runCommand } from '../support/run-command.ts'
import { chunk, hang, streamHead } from '../support/upstream-script.ts'

function run({ folder }: Pick<GatewayProcess, 'folder'>, ...args: readonly string[]) {
  return runCommand(args, { env: { HOME: folder, ...defaultEnv } })
}

async function openStream(t: TestContext, { url }: GatewayProcess, id: string): Promise<RawClient> {
  const client = await connectRaw(t, url)
  const body = JSON.stringify({ model: 'plain', messages, stream: true })
  client.send(rawRequest('POST /v1/chat/completions', { 'x-request-id': id }, body))
  await client.seen('first')
  return client
}

async function startStreaming(t: TestContext, workers = 1) {
  const running = await startGatewayProcess(t, { server: { workers } })
  running.upstream.respondAlways([streamHead(), chunk(firstEvents['/v1/chat/completions']!), hang])
  return running
}

for (const workers of [1, 2]) {
  test(`with ${workers} threads, what runs is listed, and what is cancelled ends`, async (t) => {
    const { gateway, upstream } = await startStreaming(t, workers)
    assert.deepEqual(await run(gateway, 'calls'), {
      status: 0,
      stdout: 'No call is under way.\n',
      stderr: '',
    })
    const clients = await Promise.all(['job-1', 'job-2', 'other'].map((id) => openStream(t, gateway, id)))
    const { status, stdout } = await run(gateway, 'calls', 'list')
    assert.equal(status, 0)
    assert.match(stdout, /^id +model +client +provider +phase +age +first +tokens +tok\/s\n/)
    assert.match(stdout, /^job-1 +plain +user:\S+ +scripted +streaming +[\d.]+s +[\d.]+s +2 +[\d.]+$/m)
    const { calls } = JSON.parse((await run(gateway, 'calls', 'list', '--json')).stdout) as {
      readonly calls: { readonly id: string }[]
    }
    assert.deepEqual(calls.map(({ id }) => id).sort(), ['job-1', 'job-2', 'other'])
    const cancelled = await run(gateway, 'calls', 'cancel', 'oth', 'job-2')
    assert.deepEqual(cancelled, { status: 0, stdout: 'cancelled other\ncancelled job-2\n', stderr: '' })
    for (const client of clients.slice(1)) {
      assert.ok((await client.response()).body().includes('"call_cancelled"'))
    }
    await until(() => upstream.openConnections === 1, 'the connection of the stream that goes on')
    await gateway.says(/"event":"call_cancelled","request_id":"other","client":"user:[^"]+","by":"user:/)
  })
}

suite('`calls cancel` refuses', () => {
  test('what no call begins with, and lists what runs', async (t) => {
    const { gateway } = await startStreaming(t)
    await openStream(t, gateway, 'job-1')
    const { status, stdout, stderr } = await run(gateway, 'calls', 'cancel', 'x\u001b[2J')
    assert.deepEqual([status, stdout], [1, ''])
    assert.match(stderr, /^error: no call under way has an id that begins with "x\\\\u001b\[2J"\n/)
    assert.match(stderr, /^job-1 +plain/m)
  })

  test('what several begin with, and ends the others', async (t) => {
    const { gateway } = await startStreaming(t)
    for (const id of ['job-1', 'job-2', 'other']) await openStream(t, gateway, id)
    const { status, stdout, stderr } = await run(gateway, 'calls', 'cancel', 'job', 'other')
    assert.deepEqual([status, stdout], [1, 'cancelled other\n'])
    assert.match(stderr, /^error: "job" is the beginning of 2 ids: job-[12], job-[12]\n$/)
  })

  test('without a gateway', async (t) => {
    const { gateway } = await startStreaming(t)
    await gateway.stop()
    for (const args of [['list'], ['cancel', 'x']]) {
      const { status, stderr } = await run(gateway, 'calls', ...args)
      assert.equal(status, 1)
      assert.match(stderr, /^error: no gateway of this user runs \(tried .*control\.sock/)
    }
  })

  test('with the configuration of none', async (t) => {
    const { gateway } = await startStreaming(t)
    const other = writeScratch(t, 'models: {}')
    const { status, stderr } = await run(gateway, 'calls', '--config', other)
    assert.equal(status, 1)
    assert.match(stderr, /^error: no gateway runs with this configuration; one runs with \/.*: name that one/)
    assert.ok(stderr.includes(gateway.folder))
  })

  test('without an id', async (t) => {
    const { gateway } = await startStreaming(t)
    assert.equal((await run(gateway, 'calls', 'cancel')).status, 2)
  })
})

test('what a gateway of another version or worse reports is read as far as it goes', () => {
  assert.deepEqual(readCalls('nothing'), [])
  const [call] = readCalls([null, 1, { id: 'a\u001b[31m', phase: 'dreaming', tokens: 'many', client: 7 }])
  assert.deepEqual([call!.id, call!.phase, call!.tokens, call!.client], ['a\\u001b[31m', 'dreaming', 0, ''])
})

test('ids are cut where they still differ', () => {
  assert.deepEqual(shortIds(['req_0123456789', 'mine']), ['req_01234567', 'mine'])
  assert.deepEqual(shortIds(['req_01234567aa', 'req_01234567ab', 'x', 'x']), [
    'req_01234567aa',
    'req_01234567ab',
    'x',
    'x',
  ])
})

test('durations are short', () => {
  const shown = [0, 449, 9_999, 10_000, 59_999, 185_000, 3_720_000, 187_200_000].map(shortDuration)
  assert.deepEqual(shown, ['0.0s', '0.4s', '9.9s', '10s', '59s', '3m05s', '1h02m', '2d04h'])
})
