// What a gateway shows of the machines that share limits, whatever has been written into the store.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readReply } from '../../../src/admission/stores/valkey/replies.ts'
import { StoreFault } from '../../../src/admission/stores/valkey/store-fault.ts'
import { Machines } from '../../../src/app/machines/machines.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const nowMs = 1_700_000_000_000

/** @param members id → what the store has of it. @param uses member → what the store has of its use of the model m. */
function machinesOver(
  members: Readonly<Record<string, string>>,
  uses: Readonly<Record<string, string>>,
  store = { isUp: true },
  clock = new FakeClock(0),
): Machines {
  const reply: unknown = [nowMs, Object.entries(members).flat(), Object.entries(uses).flat()]
  return new Machines({
    connection: {
      get isUp() {
        return store.isUp
      },
      fault: undefined,
      joined: undefined,
      run: async (script, keys, args) => {
        if (!store.isUp) throw new StoreFault('down', 'away')
        return readReply(script, reply, { keys, args })
      },
    },
    allotments: { scopeKeys: () => ['model:m'] },
    settings: { members: 2, prefix: 'p', whenUnavailable: 'share' },
    limitSettings: () => [],
    member: 'm1.1',
    host: 'box',
    clock,
    readUsage: async () => ({ state: undefined, report: undefined, spending: [] }),
    onBug: (error) => assert.fail(String(error)),
  })
}

test('leaves out what no gateway writes', async () => {
  const entry = (seen: number | string, since: number | string) =>
    `{"host":"box","version":"1","seen":${seen},"since":${since}}`
  const times = ['1e300', '8640000000000001', '-1', '"x"', 'null']
  const odd = Object.fromEntries(times.map((seen, index) => [`m${index + 2}.1`, entry(seen, nowMs)]))
  const machines = machinesOver(
    { ...odd, 'm1.1': entry(nowMs, '1e300') },
    { 'm:m1.1': `1 ${nowMs} 0 9 inf 9 1e999 9 9` },
  )
  const { machines: rows } = await machines.report()
  assert.deepEqual(
    rows.map(({ id, since, uses }) => ({ id, since, uses })),
    [{ id: 'm1', since: null, uses: [] }],
  )
})

test('lists this machine first, then the others by name, in whatever order the store has them', async () => {
  const entry = (host: string, ago: number) => `{"host":"${host}","version":"1","seen":${nowMs - ago}}`
  const others = [
    ['m4.1', entry('box-c', 60_000)],
    ['m2.1', entry('box-b', 90_000)],
    ['m3.1', entry('box-b', 80_000)],
    ['m5.1', entry('box-a', 70_000)],
  ] as const
  const expected = ['box', 'box-a', 'box-b (m2)', 'box-b (m3)', 'box-c']
  const question = { by: [], sinceMs: 0, untilMs: nowMs, zone: 'UTC', client: undefined }
  for (const order of [others, others.toReversed()]) {
    const machines = machinesOver(Object.fromEntries([...order, ['m1.1', entry('box', 0)]]), {})
    const { machines: rows } = await machines.report()
    assert.deepEqual(
      rows.map(({ name }) => name),
      expected,
    )
    const { machines: asked } = await machines.usage.ask(question, [])
    assert.deepEqual(
      asked.map(({ name }) => name),
      expected,
    )
  }
})

test('while the store is away, what machines used is as last heard until it has left its window', async () => {
  const store = { isUp: true }
  const clock = new FakeClock(0)
  const members = { 'm2.1': `{"host":"other","version":"1","seen":${nowMs}}` }
  const machines = machinesOver(members, { 'm:m2.1': `1 ${nowMs} 0 9 9 0 0 0 0` }, store, clock)
  const used = async () => (await machines.report()).machines.map(({ uses }) => uses[0]?.requests)
  assert.deepEqual(await used(), [9])
  store.isUp = false
  clock.advance(60_000)
  assert.deepEqual(await used(), [9])
  clock.advance(3_000)
  assert.deepEqual(await used(), [undefined])
  store.isUp = true
  assert.deepEqual(await used(), [9])
})
