// The counters and what was learnt outlive the process.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { type Limits, limited, startLimited } from './limited.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { chat, report, sendChat, used } from '../support/calls.ts'
import { delta, whole } from '../support/chat-content.ts'
import { until } from '../support/deadline.ts'
import { prepare } from '../support/gateway-config.ts'
import { type GatewayProcess, runGateway } from '../support/gateway-process.ts'
import { chunk, hang, streamHead } from '../support/upstream-script.ts'

const limits = { limits: { small: { rpm: 3, tpm: 5000 } } }

/** A gateway that served three calls and stopped, and one more start on the same state. */
async function restarted(
  t: TestContext,
  options: { pauseMs: number; limits?: Limits; between?: (file: string) => void },
) {
  const stateDirectory = scratchDirectory(t)
  const { gateway, clock } = await startLimited(t, limits, {}, { stateDirectory })
  for (let call = 0; call < 3; call++) await chat(gateway, 'small')
  await gateway.stop()
  options.between?.(join(stateDirectory, 'limits.json'))
  clock.advance(options.pauseMs)
  const second = await startLimited(t, options.limits ?? limits, {}, { clock, stateDirectory })
  return { clock, second: second.gateway }
}

test('a restart keeps the counts, and so what is refused', async (t) => {
  const { clock, second } = await restarted(t, { pauseMs: 5000 })

  assert.deepEqual(await used(second), { requests: 3, tokens: 36, parallel: 0 })
  const refused = await chat(second, 'small')
  assert.equal(refused.status, 429)
  const waitMs = Number(refused.headers.get('retry-after-ms'))
  assert.ok(waitMs === 55_000 || waitMs === 55_001, `${waitMs} ms`)
  clock.advance(waitMs)
  assert.equal((await chat(second, 'small')).status, 200)
  await second.logged({ event: 'limits_loaded', kind: 'restored', models: 1 })
})

test('after a minute the counts are gone, and what was learnt is not', async (t) => {
  const { second } = await restarted(t, { pauseMs: 60_001 })

  const { used, calibration } = await report(second)

  assert.deepEqual(used, { requests: 0, tokens: 0, parallel: 0 })
  assert.equal(calibration[0]?.['samples'], 3)
})

test('a start with other limits keeps the counts', async (t) => {
  const { second } = await restarted(t, { pauseMs: 0, limits: { limits: { small: { rpm: 4 } } } })

  const statuses = [(await chat(second, 'small')).status, (await chat(second, 'small')).status]

  assert.deepEqual(statuses, [200, 429])
})

test('a torn file starts the gateway all the same, and is reported', async (t) => {
  const { second } = await restarted(t, {
    pauseMs: 0,
    between: (file) => writeFileSync(file, readFileSync(file, 'utf8').slice(0, 40)),
  })

  assert.equal((await chat(second, 'small')).status, 200)
  const line = await second.logged({ event: 'limits_loaded', kind: 'unreadable' })
  assert.equal(line['level'], 'WARN')
})

/** Gateways of one user, each a process, on one state directory. */
async function startTogether(t: TestContext) {
  const { text, upstream } = await prepare(t, limited({ limits: { small: { rpm: 10 } } }))
  upstream.respondAlways(whole())
  const gateways: GatewayProcess[] = []
  t.after(() => Promise.all(gateways.map((gateway) => gateway.stop('SIGKILL'))))
  const state = scratchDirectory(t)
  const start = async () => {
    const gateway = await runGateway(t, text, { SCRIPTED_KEY: 'sk-test-one', XDG_STATE_HOME: state })
    gateways.push(gateway)
    return gateway
  }
  return { start, upstream, directory: join(state, 'llm-gateway') }
}

/** What the gateway found at its start. */
function foundBy(gateway: GatewayProcess): Record<string, unknown> {
  const line = gateway
    .stdout()
    .split('\n')
    .find((each) => each.includes('"limits_loaded"'))
  return JSON.parse(line ?? '{}') as Record<string, unknown>
}

test('a second gateway on the same state leaves the counts of the first alone, and names both ways out', async (t) => {
  const { start, directory } = await startTogether(t)
  const first = await start()
  for (let call = 0; call < 3; call++) await chat(first, 'small')

  const second = await start()
  assert.equal((await chat(second, 'small')).status, 200)
  await second.stop()
  await first.stop()
  const third = await start()

  const { level, kind, pid, message } = foundBy(second)
  assert.deepEqual([level, kind, pid], ['WARN', 'in_use', first.pid])
  assert.match(String(message), /Stop the other one, or start this one with .*XDG_STATE_HOME/)
  assert.equal(foundBy(third)['kind'], 'restored')
  assert.equal((await used(third)).requests, 3)
  await third.stop()
  assert.deepEqual(readdirSync(directory).toSorted(), ['limits.json', 'usage.ballast', 'usage.db'])
})

test('a gateway that was killed leaves nothing that keeps the next one from its counts', async (t) => {
  const { start, directory } = await startTogether(t)
  const first = await start()
  await chat(first, 'small')
  await until(() => existsSync(join(directory, 'limits.json')), 'the counts to be written')
  await first.stop('SIGKILL')
  // As after another start of the machine: the pid belongs to another program now.
  writeFileSync(join(directory, 'limits.lock'), `${process.pid} 1 held node\n`)

  const second = await start()
  const third = await start()

  assert.equal(foundBy(second)['kind'], 'restored')
  assert.ok((await used(second)).requests >= 1)
  assert.deepEqual([foundBy(third)['kind'], foundBy(third)['pid']], ['in_use', second.pid])
})

test('a gateway that replaces one with open calls takes the counts over, and the other does not overwrite them', async (t) => {
  const { start, upstream } = await startTogether(t)
  const first = await start()
  upstream.respond([streamHead(), chunk(`data: ${delta('one')}\n\n`), hang])
  const client = await sendChat(t, first, { stream: true })
  await client.seen('one')
  const ended = first.stop()
  await first.says(/"stopping"/)

  const second = await start()
  assert.equal(foundBy(second)['kind'], 'restored')
  const calls = [await chat(second, 'small'), await chat(second, 'small')]
  client.leave()
  await ended
  await second.stop('SIGKILL')
  const third = await start()

  assert.deepEqual(
    calls.map(({ status }) => status),
    [200, 200],
  )
  assert.ok((await used(third)).requests >= 3)
})
