import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { longRun } from '../../support/long-run.ts'
import { runSpoiled, translateSpoiledBody, translateSpoiledRequest, translateSpoiledStream } from './spoil.ts'

const { seed, first, count, seconds, isOver } = longRun()
const startMs = performance.now()
/** What a translation leaves behind for good would be more, a thousandfold. */
const maxGrowthBytes = 8_388_608

const runs = [
  ['requests are sent as JSON or refused', translateSpoiledRequest, 200_000],
  ['streams end by the rules, with their end or with an error', translateSpoiledStream, 100_000],
  ['bodies become responses or errors', translateSpoiledBody, 50_000],
] as const

for (const [index, [name, translate, usual]] of runs.entries()) {
  test(`spoiled ${name}, seed ${seed}`, (t) => {
    // Each has its share of the time.
    const untilMs = startMs + (seconds * 1_000 * (index + 1)) / runs.length
    const isShareOver = () => isOver() || performance.now() > untilMs
    const total = count ?? usual
    const warm = Math.floor(total / 4)
    const counts = runSpoiled(translate, { seed, first, count: warm, isOver: isShareOver })
    const warmBytes = heldBytes()
    const rest = runSpoiled(translate, {
      seed,
      first: first + warm,
      count: total - warm,
      isOver: isShareOver,
    })
    const grownBytes = heldBytes() - warmBytes
    const all = (end: string) => (counts.get(end) ?? 0) + (rest.get(end) ?? 0)
    const ends = new Set([...counts.keys(), ...rest.keys()])
    t.diagnostic(
      JSON.stringify({ ...Object.fromEntries(Array.from(ends, (end) => [end, all(end)])), grownBytes }),
    )
    assert.ok(grownBytes < maxGrowthBytes, `${grownBytes} more bytes are held`)
  })
}

/** Of the heap, after a collection. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  return process.memoryUsage().heapUsed
}
