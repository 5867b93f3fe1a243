// `logging.transport`: where the log of the whole gateway goes, and that a call never depends on it.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { type Chosen, startGateway, type TestGateway } from '../support/app.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { soon } from '../support/deadline.ts'
import { atOnce, callModel, countOf } from './workers-wiring.ts'

async function start(t: TestContext, more: string, transport: Chosen['transport']): Promise<TestGateway> {
  return startGateway(
    t,
    `
server: { shutdown_grace_ms: 1000${more} }
providers: { echo: { kind: echo } }
models: { plain: { provider: echo } }
logging: { format: json }
`,
    {},
    { transport: transport! },
  )
}

function lines(file: string): { event?: string; client?: string; level: string }[] {
  const text = readFileSync(file, { encoding: 'utf8', flag: 'a+' })
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
}

async function until(isMet: () => boolean): Promise<void> {
  const wait = async () => {
    while (!isMet()) await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await soon(wait(), () => 'the lines in the file')
}

for (const [name, more] of [
  ['one thread', ''],
  ['worker threads', ', workers: 2'],
] as const) {
  test(`the lines of ${name} go to the transport, and nowhere else`, async (t) => {
    const destination = join(scratchDirectory(t), 'log')
    const gateway = await start(t, more, { target: 'pino/file', options: { destination } })
    assert.equal(countOf(await atOnce(20, () => callModel(gateway)), 200), 20)
    await until(() => lines(destination).filter(({ event }) => event === 'call').length === 20)
    assert.ok(lines(destination).some(({ event, level }) => event === 'listening' && level === 'INFO'))
    assert.deepEqual(gateway.log(), [])
  })
}

test('calls go on when the transport fails, and the log on standard output says so', async (t) => {
  const target = join(scratchDirectory(t), 'broken.mjs')
  writeFileSync(target, "throw new Error('broken')")
  const gateway = await start(t, '', { target, options: {} })
  const { reason, level } = await gateway.logged({ event: 'log_transport_failed', target })
  assert.equal(reason, 'broken')
  assert.equal(level, 'ERROR')
  assert.equal((await callModel(gateway)).status, 200)
  await gateway.logged({ event: 'call', status: 200 })
  await gateway.logged({ event: 'listening' })
})
