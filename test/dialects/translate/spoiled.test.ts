import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runSpoiled, translateSpoiledBody, translateSpoiledRequest, translateSpoiledStream } from './spoil.ts'

const run = { seed: 15, first: 0, count: 2_000 }

test('spoiled requests are sent as JSON or refused', () => {
  const counts = runSpoiled(translateSpoiledRequest, run)
  for (const end of ['sent', 'refused']) assert.ok((counts.get(end) ?? 0) > run.count / 10, end)
})

test('spoiled streams end by the rules, with their end or with an error', () => {
  const counts = runSpoiled(translateSpoiledStream, run)
  for (const end of ['whole', 'error', 'body']) assert.ok((counts.get(end) ?? 0) > run.count / 10, end)
})

test('spoiled bodies become responses or errors', () => {
  const counts = runSpoiled(translateSpoiledBody, run)
  for (const end of ['whole', 'error', 'body']) assert.ok((counts.get(end) ?? 0) > run.count / 20, end)
})
