import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runSpoiled, translateSpoiledRequest, translateSpoiledStream } from './spoil.ts'

const run = { seed: 15, first: 0, count: 2_000 }

test('spoiled requests are sent as JSON or refused', () => {
  const counts = runSpoiled(translateSpoiledRequest, run)
  for (const end of ['sent', 'refused']) assert.ok((counts.get(end) ?? 0) > run.count / 10, end)
})

test('spoiled streams end with their end or with an error', () => {
  const counts = runSpoiled(translateSpoiledStream, run)
  for (const end of ['over', 'cut']) assert.ok((counts.get(end) ?? 0) > run.count / 10, end)
})
