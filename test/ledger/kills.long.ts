import { test } from 'node:test'
import { longRun } from '../support/long-run.ts'
import { Random } from '../support/random.ts'
import { newDirectory } from './ended-call.ts'
import { killOnce } from './kills.ts'

const { seed, count = 200, isOver } = longRun()

test(`${count} kills at random moments lose no row that was acknowledged (--seed ${seed})`, async (t) => {
  const random = new Random(seed, 0)
  const directory = newDirectory()
  for (let kills = 0; kills < count && !isOver(); kills++) {
    const acknowledgedAfter = 1 + random.below(400)
    await killOnce(t, directory, { acknowledgedAfter, killedAfter: acknowledgedAfter + random.below(600) })
  }
})
