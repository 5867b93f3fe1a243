// The copy of the list of keys over a restart: what is kept, and that a removal outlives what was being written.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { KeptKeys } from '../../../src/app/machines/kept-keys.ts'
import { scratchDirectory } from '../../support/config-file.ts'

const [copy, newest] = ['keys.shared', 'keys.newest']

suite('the copy of a list of keys', () => {
  test('is what was kept last', async (t) => {
    const directory = scratchDirectory(t)
    const kept = new KeptKeys(directory)
    await Promise.all([kept.keep('four', 4), kept.keep('five', 5)])
    const { text, newest: generation, fault } = new KeptKeys(directory).load()
    assert.deepEqual([text, generation, fault], ['five', 5, undefined])
  })

  test('is not there after an emergency stop, whatever was being kept', async (t) => {
    for (const before of [[], [4]]) {
      const directory = scratchDirectory(t)
      const kept = new KeptKeys(directory)
      for (const generation of before) await kept.keep('earlier', generation)
      await Promise.all([kept.keep('five', 5), kept.halt(5)])
      const again = new KeptKeys(directory).load()
      assert.deepEqual([again.text, again.newest, again.fault], [undefined, 5, undefined])
      assert.deepEqual(readdirSync(directory), [newest])
      // It is not missed either: nobody but the gateway has removed it.
      assert.equal(kept.isCopyRemoved(), false)
    }
  })

  test('is that of a list that comes after an emergency stop', async (t) => {
    const directory = scratchDirectory(t)
    const kept = new KeptKeys(directory)
    await Promise.all([kept.keep('five', 5), kept.halt(5), kept.keep('six', 6)])
    const again = new KeptKeys(directory).load()
    assert.deepEqual([again.text, again.newest], ['six', 6])
    assert.equal(kept.isCopyRemoved(), false)
    rmSync(join(directory, copy))
    assert.equal(kept.isCopyRemoved(), true)
  })

  test('is removed with its generation noted, where a crash came between the two', async (t) => {
    const directory = scratchDirectory(t)
    const crashed = new KeptKeys(directory)
    await crashed.keep('five', 5)
    rmSync(join(directory, newest))
    const kept = new KeptKeys(directory)
    assert.deepEqual([kept.load().text, kept.load().newest], ['five', 0])
    await kept.halt(5)
    const again = new KeptKeys(directory).load()
    assert.deepEqual([again.text, again.newest], [undefined, 5])
  })

  test('is removed even where its generation cannot be noted', async (t) => {
    const directory = scratchDirectory(t)
    const kept = new KeptKeys(directory)
    await kept.keep('five', 5)
    rmSync(join(directory, newest))
    mkdirSync(join(directory, newest))
    await assert.rejects(kept.halt(5), { code: 'EISDIR' })
    assert.equal(existsSync(join(directory, copy)), false)
    await kept.settled()
  })

  test('is known to be gone where its generation is damaged, and not where it cannot be read either', async (t) => {
    const directory = scratchDirectory(t)
    await new KeptKeys(directory).keep('five', 5)
    writeFileSync(join(directory, newest), '{"version":1,"gener')
    const fault = 'keys.newest is damaged'
    const whole = { text: 'five', newest: 0, isNewestLost: false, fault }
    assert.deepEqual(new KeptKeys(directory).load(), whole)
    rmSync(join(directory, copy))
    const gone = { text: undefined, newest: 0, isNewestLost: true, fault }
    assert.deepEqual(new KeptKeys(directory).load(), gone)
    mkdirSync(join(directory, copy))
    const unreadable = { ...gone, isNewestLost: false, fault: 'keys.shared is not a regular file' }
    assert.deepEqual(new KeptKeys(directory).load(), unreadable)
    const empty = { text: undefined, newest: 0, isNewestLost: false, fault: undefined }
    assert.deepEqual(new KeptKeys(scratchDirectory(t)).load(), empty)
    assert.deepEqual(new KeptKeys(undefined).load(), empty)
  })
})
