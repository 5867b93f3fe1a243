// When the prompts of calls are hashed.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { prefixOf } from '../../src/call/prompt-prefix.ts'
import { dialects } from '../../src/dialects/table.ts'
import type { PromptPieces } from '../../src/dialects/prompt-pieces.ts'
import { PrefixHasher, type PrefixHashes } from '../../src/routing/prefix-hashes.ts'
import { TimeSlicer } from '../../src/server/time-slicer.ts'

const messages = [...dialects.keys()].find(({ name }) => name === 'messages')!

function piecesOf(length: number): PromptPieces {
  const body = { model: 'm', messages: [{ role: 'user', content: 'x'.repeat(length) }] }
  const request = messages.readRequest({
    contentType: 'application/json',
    body: Buffer.from(JSON.stringify(body)),
  })
  assert.ok(!(request instanceof Error))
  return request.promptPieces
}

/** An event loop by hand, in which each look at the clock is an eighth of a millisecond later. */
function start() {
  let nowMs = 0
  let deferred: (() => void)[] = []
  let steps = 0
  const timeSlices = new TimeSlicer(
    () => (nowMs += 0.125),
    (fn) => void deferred.push(fn),
  )
  const snapshot = {
    routing: { placement: 'auto', hasSharedPrefixes: true },
    coordinator: { prefixKey: [1, 2] },
    timeSlices,
  } as unknown as Parameters<typeof prefixOf>[2]
  return {
    timeSlices,
    prefixOf(pieces: PromptPieces) {
      const findSpans = (maxBytes: number) => {
        steps += 1
        return pieces.findSpans(maxBytes)
      }
      const { bytes, spans } = pieces
      const counted = { bytes, spans, findSpans, borderAfter: pieces.borderAfter.bind(pieces) }
      const call = { client: { id: 'user:me' }, dialect: messages } as unknown as Parameters<
        typeof prefixOf
      >[0]
      return prefixOf(call, { promptPieces: counted }, snapshot)
    },
    /** One iteration. @returns how often some call went on. */
    turn(): number {
      steps = 0
      const due = deferred
      deferred = []
      for (const fn of due) fn()
      return steps
    },
    get steps() {
      return steps
    },
  }
}

function wholeHashes(pieces: PromptPieces): PrefixHashes {
  const hasher = new PrefixHasher(pieces, [1, 2], '')
  while (!hasher.advance(Infinity));
  return hasher.hashes
}

test('long prompts are hashed in the one slice of time that all large bodies share', async () => {
  const loop = start()
  const pieces = piecesOf(1_000_000)
  const calls = [loop.prefixOf(pieces), loop.prefixOf(pieces), loop.prefixOf(pieces)]
  const inFirstTurn = loop.steps
  assert.ok(inFirstTurn > 0 && inFirstTurn <= 4, `${inFirstTurn} steps`)
  for (let steps = loop.turn(); steps > 0; steps = loop.turn()) assert.ok(steps <= 4, `${steps} steps`)
  const expected = wholeHashes(pieces)
  for (const call of calls) {
    assert.ok(call instanceof Promise)
    assert.deepEqual(await call, expected)
  }
})

test('a short prompt is hashed at once, also where the slice is used up', () => {
  const loop = start()
  loop.timeSlices.startSlice()
  while (!loop.timeSlices.sliceIsOver());
  const pieces = piecesOf(10_000)
  assert.deepEqual(loop.prefixOf(pieces), wholeHashes(pieces))
})
