import { test } from 'node:test'

import { longRun } from '../support/long-run.ts'
import type { Splits } from '../support/upstream-script.ts'
import { framings, streamCut } from './framings.ts'

const { isOver } = longRun()

function* cutsOf(body: string): Generator<Splits> {
  for (let at = 1; at < Buffer.byteLength(body) && !isOver(); at++) yield [at]
}

for (const [what, body] of Object.entries(framings)) {
  test(`a stream with ${what} arrives the same, cut at each byte`, (t) => streamCut(t, body, cutsOf(body)))
}
