import { test } from 'node:test'
import { longRun } from '../../support/long-run.ts'
import { runSpoiled, translateSpoiledRequest, translateSpoiledStream } from './spoil.ts'

const { seed, first, count, isOver } = longRun()

test(`spoiled requests are sent as JSON or refused, seed ${seed}`, (t) => {
  const counts = runSpoiled(translateSpoiledRequest, { seed, first, count: count ?? 200_000, isOver })
  t.diagnostic(JSON.stringify(Object.fromEntries(counts)))
})

test(`spoiled streams end with their end or with an error, seed ${seed}`, (t) => {
  const counts = runSpoiled(translateSpoiledStream, { seed, first, count: count ?? 100_000, isOver })
  t.diagnostic(JSON.stringify(Object.fromEntries(counts)))
})
