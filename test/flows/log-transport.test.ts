// `logging.transport`: where the log of the whole gateway goes, and that a call never depends on it.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { scratchDirectory } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { atOnce, callModel, countOf } from './own-connections.ts'
import { type Running, startGateway } from '../support/app.ts'
import { echo } from '../support/gateway-config.ts'

function start(
  t: TestContext,
  transport: { target: string; options: object },
  workers = 1,
): Promise<Running<string>> {
  const server = { shutdown_grace_ms: 1000, workers }
  return startGateway(t, { ...echo, server, logging: { format: 'json', transport } })
}

function lines(file: string): { event?: string; client?: string; level: string }[] {
  const text = readFileSync(file, { encoding: 'utf8', flag: 'a+' })
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
}

for (const [name, workers] of [
  ['one thread', 1],
  ['worker threads', 2],
] as const) {
  test(`the lines of ${name} go to the transport, and nowhere else`, async (t) => {
    const destination = join(scratchDirectory(t), 'log')
    const { gateway } = await start(t, { target: 'pino/file', options: { destination } }, workers)
    assert.equal(countOf(await atOnce(20, () => callModel(gateway)), 200), 20)
    await until(() => lines(destination).filter(({ event }) => event === 'call').length === 20, 'the lines')
    assert.ok(lines(destination).some(({ event, level }) => event === 'listening' && level === 'INFO'))
    assert.deepEqual(gateway.log(), [])
  })
}

test('calls go on when the transport fails, and the log on standard output says so', async (t) => {
  const target = join(scratchDirectory(t), 'broken.mjs')
  writeFileSync(target, "throw new Error('broken')")
  const { gateway } = await start(t, { target, options: {} })
  const { reason, level } = await gateway.logged({ event: 'log_transport_failed', target })
  assert.equal(reason, 'broken')
  assert.equal(level, 'ERROR')
  assert.equal((await callModel(gateway)).status, 200)
  await gateway.logged({ event: 'call', status: 200 })
  await gateway.logged({ event: 'listening' })
})
