// Which signed list of keys is in force, whatever the store and the state directory have.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { HeldKeys } from '../../../src/app/machines/held-keys.ts'
import { digestOfSigned } from '../../../src/clients/keys/signed-keys.ts'
import { testKey } from '../../support/client-keys.ts'
import { type ListToWrite, newPair, prefix, recordOf, signedText } from '../../support/shared-keys.ts'

const { privateKey, publicKey } = newPair()
const ann = [recordOf('ann', testKey())]
const eve = [recordOf('eve', testKey())]

function newHeld(): HeldKeys {
  return new HeldKeys({ prefix, keysSignedBy: [publicKey] })
}

/** A list, and what the store says of it. */
function listOf(wanted: Partial<ListToWrite> & { readonly generation: number }) {
  const text = signedText({ keys: ann, by: privateKey, ...wanted })
  return { text, stored: { generation: wanted.told ?? wanted.generation, digest: digestOfSigned(text) } }
}

function accept(held: HeldKeys, text: string): void {
  const verified = held.verify(text)
  assert.ok(verified.kind === 'valid')
  held.accept(verified.list)
}

/** With the key of ann in force as generation 5. */
function heldWithAnn() {
  const held = newHeld()
  const { text, stored } = listOf({ generation: 5 })
  accept(held, text)
  return { held, text, stored }
}

const found = (text: string | undefined, newest: number, isNewestLost = false) => ({
  text,
  newest,
  isNewestLost,
  fault: undefined,
})

suite('a list in the store', () => {
  const forgeries = {
    'that another key has signed': {
      list: listOf({ generation: 6, keys: eve, by: newPair().privateKey }),
      reason: /is signed with a key that keys_signed_by does not have/,
      isReplaced: false,
    },
    'that was changed after it was signed': {
      list: listOf({
        generation: 6,
        keys: eve,
        change: (text) => text.replace('"disabled":false', '"disabled": false'),
      }),
      reason: /has a signature that does not match/,
      isReplaced: true,
    },
    'of another prefix': {
      list: listOf({ generation: 6, keys: eve, prefix: 'other' }),
      reason: /signed for another prefix/,
      isReplaced: true,
    },
    'whose generation was raised in its head': {
      list: listOf({
        generation: 4,
        told: 6,
        keys: eve,
        change: (text) => text.replace('"generation":4', '"generation":6'),
      }),
      reason: /has a signature that does not match/,
      isReplaced: true,
    },
    'that is an older one under a new number': {
      list: listOf({ generation: 4, told: 6, keys: eve }),
      reason: /is of generation 4, which is not what the store says/,
      isReplaced: true,
    },
    'that is none': {
      list: listOf({ generation: 6, keys: eve, change: () => '{}' }),
      reason: /is no signed list of keys/,
      isReplaced: true,
    },
    'of the same generation as the one in force': {
      list: listOf({ generation: 5, keys: eve }),
      reason: /is another one than the list of the same generation in force here/,
      isReplaced: false,
    },
  } as const

  for (const [name, { list, reason, isReplaced }] of Object.entries(forgeries)) {
    test(`${name} changes nothing, and is ${isReplaced ? 'replaced' : 'left there'}`, () => {
      const { held, text } = heldWithAnn()
      assert.equal(held.judgeStored(list.stored, false), 'pull')
      const judged = held.judgeText(list.stored, list.text)
      assert.ok(judged.kind === 'rejected')
      assert.match(judged.reason, reason)
      assert.deepEqual([held.list?.text, held.newest], [text, 5])
      assert.match(held.describe(false).fault ?? '', reason)
      // It is not looked into again.
      assert.equal(held.judgeStored(list.stored, false), isReplaced ? 'put_back' : 'leave')
      assert.equal(held.replaceable(false), isReplaced ? list.stored.digest : undefined)
      assert.equal(held.replaceable(true), list.stored.digest)
      // What comes after it is in force all the same.
      const next = listOf({ generation: 7 })
      assert.equal(held.judgeStored(next.stored, false), 'pull')
      assert.equal(held.judgeText(next.stored, next.text).kind, 'valid')
    })
  }

  test('that is not what its digest says changes nothing', () => {
    const { held, text } = heldWithAnn()
    const [told, other] = [listOf({ generation: 6 }), listOf({ generation: 6, keys: eve })]
    assert.deepEqual(held.judgeText(told.stored, other.text), {
      kind: 'rejected',
      reason: 'is not what its digest says',
    })
    assert.equal(held.list?.text, text)
  })

  test('that is newer is looked into, one that is older or gone is replaced', () => {
    const { held, stored } = heldWithAnn()
    assert.equal(held.judgeStored(stored, false), 'leave')
    assert.equal(held.judgeStored(listOf({ generation: 4 }).stored, false), 'put_back')
    assert.equal(held.judgeStored({ generation: 0, digest: '' }, false), 'put_back')
    const newer = listOf({ generation: 6 })
    assert.equal(held.judgeStored(newer.stored, false), 'pull')
    accept(held, newer.text)
    assert.deepEqual([held.newest, held.describe(false).generation], [6, 6])
  })

  test('is nothing to a machine that signs, while its key file is removed', () => {
    const held = newHeld()
    assert.equal(held.judgeStored(listOf({ generation: 6 }).stored, true), 'leave')
    assert.equal(held.describe(true).isHalted, true)
    assert.equal(held.judgeStored(listOf({ generation: 6 }).stored, false), 'pull')
  })

  test('is taken after a halt only when it is newer than any before', () => {
    const { held, stored } = heldWithAnn()
    held.halt()
    assert.deepEqual([held.list, held.isHalted, held.newest], [undefined, true, 5])
    assert.equal(held.judgeStored(stored, false), 'leave')
    assert.equal(held.judgeStored({ generation: 0, digest: '' }, false), 'leave')
    const next = listOf({ generation: 6 })
    assert.equal(held.judgeStored(next.stored, false), 'pull')
    accept(held, next.text)
    assert.equal(held.isHalted, false)
  })
})

suite('a start', () => {
  const { text } = listOf({ generation: 5 })

  test('goes on from the copy', () => {
    for (const newest of [0, 4, 5]) {
      const held = newHeld()
      assert.equal(held.restore(found(text, newest), false).kind, 'in_force')
      assert.deepEqual([held.list?.text, held.newest, held.isHalted], [text, 5, false])
    }
  })

  test('accepts no copy that is older than the newest list, or is none', () => {
    const older = newHeld()
    assert.deepEqual(older.restore(found(text, 6), false), { kind: 'outdated', generation: 5 })
    const forged = newHeld()
    assert.deepEqual(forged.restore(found('{}', 6), false), {
      kind: 'refused',
      reason: 'is no signed list of keys',
    })
    for (const held of [older, forged]) {
      assert.deepEqual([held.list, held.newest], [undefined, 6])
    }
  })

  test('waits for the first list where there never was one', () => {
    const held = newHeld()
    assert.equal(held.restore(found(undefined, 0), false).kind, 'no_copy')
    assert.deepEqual([held.isHalted, held.newest], [false, 0])
    assert.equal(held.judgeStored(listOf({ generation: 1 }).stored, false), 'pull')
  })

  test('is halted where the copy was removed, or the file of the machine that signs', () => {
    const ofCopy = newHeld()
    assert.equal(ofCopy.restore(found(undefined, 5), false).kind, 'no_copy')
    const ofFile = newHeld()
    assert.equal(ofFile.restore(found(text, 4), true).kind, 'halted')
    for (const held of [ofCopy, ofFile]) {
      assert.deepEqual([held.list, held.newest, held.isHalted], [undefined, 5, true])
      assert.equal(held.judgeStored(listOf({ generation: 5 }).stored, false), 'leave')
    }
  })

  test('is halted where the copy is gone and the newest generation is lost: no list of before counts', () => {
    const held = newHeld()
    assert.equal(held.restore(found(undefined, 0, true), false).kind, 'no_copy')
    assert.equal(held.isHalted, true)
    const forged = listOf({ generation: 9, by: newPair().privateKey })
    assert.equal(held.judgeText(forged.stored, forged.text).kind, 'rejected')
    const before = listOf({ generation: 4 })
    assert.equal(held.judgeStored(before.stored, false), 'pull')
    const judged = held.judgeText(before.stored, before.text)
    assert.ok(judged.kind === 'rejected')
    assert.match(judged.reason, /keys\.newest is damaged, so publish another one$/)
    assert.deepEqual([judged.isNewest, held.newest, held.isHalted], [true, 4, true])
    assert.equal(held.judgeStored(before.stored, false), 'leave')
    const next = listOf({ generation: 5 })
    assert.equal(held.judgeStored(next.stored, false), 'pull')
    assert.equal(held.judgeText(next.stored, next.text).kind, 'valid')
  })
})
