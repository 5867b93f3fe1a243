// What of the news is in a state file, whenever it comes.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { StateWriter } from '../../src/platform/state-writer.ts'
import { settled } from '../support/fake-clock.ts'

/** A file whose writes end when the test says so. */
function writerOf() {
  const state = { text: '' }
  const writes: { readonly text: string; readonly end: PromiseWithResolvers<void> }[] = []
  const faults: string[] = []
  const writer = new StateWriter({
    file: {
      replace(text) {
        const end = Promise.withResolvers<void>()
        writes.push({ text, end })
        return end.promise
      },
    },
    text: () => state.text,
    onFault: ({ message }) => void faults.push(message),
  })
  const touch = (text: string) => {
    state.text = text
    writer.touch()
  }
  return { writer, writes, faults, touch, texts: () => writes.map(({ text }) => text) }
}

suite('the writer of a state file', () => {
  test('writes once for all that changes during a write', async () => {
    const { writes, touch, texts } = writerOf()
    for (const text of ['one', 'two', 'three']) touch(text)
    assert.deepEqual(texts(), ['one'])
    writes[0]!.end.resolve()
    await settled()
    assert.deepEqual(texts(), ['one', 'three'])
  })

  test('writes what changes at the very end of a write', async () => {
    // The promises that wait for the end are settled one after the other.
    for (let promises = 0; promises < 6; promises++) {
      const { writes, touch, texts } = writerOf()
      touch('one')
      const { end } = writes[0]!
      let after = end.promise
      for (let count = 0; count < promises; count++) after = after.then(() => {})
      void after.then(() => touch('two'))
      end.resolve()
      await settled()
      assert.deepEqual(texts(), ['one', 'two'], `${promises} promises later`)
    }
  })

  test('writes what changes during a write that fails, without another change, and before it stops', async () => {
    const { writer, writes, faults, touch, texts } = writerOf()
    touch('one')
    touch('two')
    let hasStopped = false
    void writer.stop().then(() => (hasStopped = true))
    writes[0]!.end.reject(new Error('the disk is full'))
    await settled()
    assert.deepEqual([texts(), faults, hasStopped], [['one', 'two'], ['the disk is full'], false])
    writes[1]!.end.resolve()
    await settled()
    assert.equal(hasStopped, true)
  })

  test('goes on after a content that could not be made', async () => {
    const faults: string[] = []
    const written: string[] = []
    let isBroken = true
    const writer = new StateWriter({
      file: { replace: async (text) => void written.push(text) },
      text() {
        if (isBroken) throw new Error('a bug')
        return 'two'
      },
      onFault: ({ message }) => void faults.push(message),
    })
    writer.touch()
    await writer.stop()
    isBroken = false
    writer.touch()
    await writer.stop()
    assert.deepEqual([faults, written], [['a bug'], ['two']])
  })
})
