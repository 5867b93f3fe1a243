import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { CountsMessage } from '../../../src/app/workers/messages.ts'
import { type Batch, Outbox } from '../../../src/app/workers/outbox.ts'
import { ReceivedCounts, RemoteCounts } from '../../../src/app/workers/remote-counts.ts'
import { Registry } from '../../../src/observe/metrics/registry.ts'
import { fc } from '../../support/properties.ts'

/** A worker's counts, and what the main thread makes of them. */
function connect(registry: Registry, maxSeries = 1_000) {
  const batches: Batch<CountsMessage>[] = []
  const received = new ReceivedCounts(registry)
  const outbox = new Outbox<CountsMessage>({
    postMessage(batch) {
      const copy = structuredClone(batch)
      batches.push(copy)
      for (const message of copy.messages) received.receive(message)
    },
  })
  return { batches, outbox, counts: new RemoteCounts(outbox, maxSeries) }
}

suite('the counts of a worker', () => {
  test('travel once a turn, each series by name once', () => {
    const registry = new Registry(1_000)
    const { batches, outbox, counts } = connect(registry)
    const add = () => counts.add(counts.cell('attempts_total', ['p', 'ok']), 1)
    add()
    add()
    outbox.flush()
    add()
    outbox.flush()
    outbox.flush()
    assert.deepEqual(
      batches.map(({ messages }) => messages),
      [
        [{ kind: 'counts', series: [[0, 'attempts_total', ['p', 'ok']]], amounts: [0, 1, 0, 1] }],
        [{ kind: 'counts', series: [], amounts: [0, 1] }],
      ],
    )
    assert.deepEqual(
      [...registry.series('attempts_total')],
      [{ labels: { provider: 'p', result: 'ok' }, value: 3 }],
    )
  })

  test('of several workers, whatever their order, are the sum of what each has counted', () => {
    const update = fc.tuple(
      fc.nat(2),
      fc.constantFrom('a', 'b', 'c'),
      fc.constantFrom('ok', 'timeout'),
      fc.nat(9),
    )
    const turn = fc.array(update, { maxLength: 6 })
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 8 }), (turns) => {
        const registry = new Registry(1_000)
        const workers = [connect(registry), connect(registry), connect(registry)]
        const expected = new Map<string, number>()
        for (const updates of turns) {
          for (const [worker, provider, result, amount] of updates) {
            const { counts } = workers[worker]!
            counts.add(counts.cell('attempts_total', [provider, result]), amount)
            const key = `${provider} ${result}`
            expected.set(key, (expected.get(key) ?? 0) + amount)
          }
          for (const { outbox } of workers) outbox.flush()
        }
        const found = [...registry.series('attempts_total')].map(
          ({ labels, value }) => [`${labels['provider']} ${labels['result']}`, value] as const,
        )
        assert.deepEqual(new Map(found), expected)
      }),
    )
  })

  test('of names that have no room are counted as other ones, in the worker or in the main thread', () => {
    const registry = new Registry(4)
    const { outbox, counts } = connect(registry, 2)
    for (let index = 0; index < 100; index += 1) {
      counts.add(counts.cell('attempts_total', [`p${index}`, 'ok']), 1)
      outbox.flush()
    }
    const series = [...registry.series('attempts_total')]
    assert.equal(
      series.reduce((sum, { value }) => sum + value, 0),
      100,
    )
    assert.deepEqual(series.at(-1)!.labels, { provider: 'other', result: 'ok' })
    const [overflow] = registry.series('metrics_overflow_total')
    assert.ok(overflow!.value >= 98)
  })
})
