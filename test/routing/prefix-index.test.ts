// What targets have cached, against a plain implementation, and its bounds.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fc } from '../support/properties.ts'

import { PrefixIndex } from '../../src/routing/prefix-index.ts'
import type { PrefixHashes } from '../../src/routing/prefix-hashes.ts'

/** Of a path through a tree: each step is a prefix of 100 bytes. */
function hashesOf(path: readonly number[]): PrefixHashes {
  const words: number[] = []
  let hash = 17
  for (const [index, step] of path.entries()) {
    hash = (Math.imul(hash, 31) + step + 1) >>> 0
    words.push(Math.imul(hash, 0x9e3779b1), hash, (index + 1) * 100)
  }
  return Uint32Array.from(words)
}

/** The same contract with strings in a list: the latest used last. */
class PlainIndex {
  readonly #uses = new Map<string, { atMs: number; text: string }[]>()
  readonly #limits = new Map<string, number>()

  find(key: string, path: readonly number[], sinceMs: number): number {
    for (let length = path.length; length > 0; length -= 1) {
      const text = path.slice(0, length).join()
      const use = this.#of(key).find((each) => each.text === text)
      if (use !== undefined && use.atMs >= sinceMs) return length * 100
    }
    return 0
  }

  add(key: string, path: readonly number[], atMs: number): void {
    for (let length = path.length; length > 0; length -= 1) {
      const text = path.slice(0, length).join()
      this.#uses.set(key, [...this.#of(key).filter((each) => each.text !== text), { atMs, text }])
    }
    this.#cut(key)
  }

  contradict(key: string, atMs: number): void {
    this.#uses.set(
      key,
      this.#of(key).filter((each) => each.atMs > atMs),
    )
  }

  limit(key: string, maxBytes: number): void {
    this.#limits.set(key, maxBytes)
    this.#cut(key)
  }

  forget(key: string): void {
    this.#uses.delete(key)
    this.#limits.delete(key)
  }

  #of(key: string): { atMs: number; text: string }[] {
    return this.#uses.get(key) ?? []
  }

  #cut(key: string): void {
    const most = Math.floor((this.#limits.get(key) ?? Infinity) / 100)
    const uses = this.#of(key)
    if (uses.length > most) this.#uses.set(key, uses.slice(uses.length - most))
  }
}

test('finds what a plain implementation finds', () => findsTheSame(() => new PrefixIndex(1024), true))

test('finds nothing that is forgotten, though its entries are freed later', () => {
  findsTheSame(() => new PrefixIndex(1024, 0), false)
  findsTheSame(() => new PrefixIndex(1024, 1), false)
})

/** @param hasLimits whether what a target can hold changes. */
function findsTheSame(indexOf: () => PrefixIndex, hasLimits: boolean): void {
  const path = fc.array(fc.nat(2), { minLength: 1, maxLength: 6 })
  const key = fc.constantFrom('a', 'b')
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), key, path }),
    fc.record({ kind: fc.constant('find' as const), key, path, ago: fc.nat(20) }),
    fc.record({ kind: fc.constant('contradict' as const), key, ago: fc.nat(20) }),
    fc.record({ kind: fc.constant('forget' as const), key }),
    ...(hasLimits
      ? [fc.record({ kind: fc.constant('limit' as const), key, bytes: fc.integer({ min: 1, max: 40 }) })]
      : []),
  )
  fc.assert(
    // Several changes have the same time.
    fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 4 }), (steps, atOnce) => {
      const index = indexOf()
      const other = new PlainIndex()
      for (const [at, each] of steps.entries()) {
        const nowMs = Math.ceil((at + 1) / atOnce) * 64
        switch (each.kind) {
          case 'add':
            index.add(each.key, hashesOf(each.path), nowMs)
            other.add(each.key, each.path, nowMs)
            break
          case 'find': {
            const sinceMs = Math.max(0, nowMs - each.ago * 64)
            const found = index.find(each.key, hashesOf(each.path), sinceMs)
            assert.equal(found.bytes, other.find(each.key, each.path, sinceMs))
            break
          }
          case 'contradict':
            index.contradict(each.key, nowMs - each.ago * 64)
            other.contradict(each.key, nowMs - each.ago * 64)
            break
          case 'limit':
            index.limit(each.key, each.bytes * 100)
            other.limit(each.key, each.bytes * 100)
            break
          case 'forget':
            index.forgetAll(each.key)
            other.forget(each.key)
            break
          default:
            each satisfies never
        }
      }
    }),
    { numRuns: 500 },
  )
}

describe('a full index', () => {
  test('forgets what was used longest ago, and the end of a prompt before its beginning', () => {
    const index = new PrefixIndex()
    index.limit('a', 400)
    index.add('a', hashesOf([1, 1, 1]), 64)
    index.add('a', hashesOf([2, 2]), 128)
    assert.equal(index.find('a', hashesOf([1, 1, 1])).bytes, 200)
    assert.equal(index.find('a', hashesOf([2, 2])).bytes, 200)
    assert.equal(index.bytesOf('a'), 400)
  })

  test('takes room from the target that has most', () => {
    const index = new PrefixIndex(1024)
    index.add('small', hashesOf([9, 9]), 64)
    for (let path = 0; path < 2_000; path += 1) index.add('large', hashesOf([path, 1]), 64 * (path + 2))
    index.add('new', hashesOf([7]), 64 * 3_000)
    for (const [key, path] of [
      ['small', [9, 9]],
      ['new', [7]],
    ] as const) {
      assert.equal(index.find(key, hashesOf(path)).bytes, path.length * 100)
    }
  })

  test('takes room from large targets, however many there are', () => {
    const index = new PrefixIndex(1024)
    const sizes = [400, 300, 200, 100, 20, 3, 1]
    for (const [step, size] of sizes.entries()) {
      for (let path = 0; path < size; path += 1) index.add(`t${step}`, hashesOf([path]), 64 * (path + 1))
    }
    index.add('new', hashesOf(Array.from({ length: 700 }, (_, step) => step)), 64 * 500)
    assert.equal(index.bytesOf('new'), 70_000)
    const left = sizes.map((_, step) => index.bytesOf(`t${step}`) / 100)
    assert.equal(
      left.reduce((sum, each) => sum + each),
      324,
    )
    assert.deepEqual(left.slice(4), [20, 3, 1])
    assert.ok(Math.max(...left) < 130, left.join())
  })

  test('keeps the 4,096 targets used last', () => {
    const index = new PrefixIndex()
    for (let each = 0; each < 4096; each += 1) index.add(`t${each}`, hashesOf([each]), 64)
    index.add('t0', hashesOf([0]), 128)
    index.add('one more', hashesOf([1]), 128)
    assert.equal(index.find('t0', hashesOf([0])).bytes, 100)
    assert.equal(index.find('t1', hashesOf([1])).bytes, 0)
    assert.equal(index.bytesOf('t1'), 0)
    assert.equal(index.find('t2', hashesOf([2])).bytes, 100)
    assert.equal(index.find('one more', hashesOf([1])).bytes, 100)
  })

  test('keeps at most 16 MB, however many conversations there are', () => {
    const index = new PrefixIndex()
    const memoryAfter = (conversations: number, from: number): number => {
      for (let each = from; each < conversations; each += 1)
        index.add('a', hashesOf([0, each, each]), each * 64)
      return index.memory
    }
    const before = memoryAfter(150_000, 0)
    assert.ok(before <= 16_000_000, `${before} bytes`)
    assert.equal(memoryAfter(1_000_000, 150_000), before)
    assert.equal(index.find('a', hashesOf([0, 999_999, 999_999])).bytes, 300)
  })
})

describe('a large cache that is lost', () => {
  const prompts = 100_000
  function filled(): PrefixIndex {
    const index = new PrefixIndex()
    for (let each = 0; each < prompts; each += 1) index.add('a', hashesOf([each]), 64)
    return index
  }

  test('is freed a little with each change, after a contradiction', () => {
    const index = filled()
    index.contradict('a', 64)
    assert.equal(index.find('a', hashesOf([prompts - 1])).bytes, 0)
    assert.equal(index.branchesAt('a', hashesOf([prompts - 1]), 1), 0)
    const left = index.bytesOf('a')
    assert.ok(left > (prompts * 100) / 2, `${left} bytes at once`)
    for (let each = 0; each < 100; each += 1) index.add('a', hashesOf([each]), 64)
    assert.equal(index.bytesOf('a'), 100 * 100)
    assert.equal(index.find('a', hashesOf([99])).bytes, 100)
  })

  test('makes room for the next one', () => {
    const index = filled()
    const before = index.memory
    for (let round = 0; round < 5; round += 1) {
      index.forgetAll('a')
      assert.equal(index.bytesOf('a'), 0)
      assert.equal(index.find('a', hashesOf([1])).bytes, 0)
      for (let each = 0; each < prompts; each += 1) index.add('a', hashesOf([each]), 128)
      assert.equal(index.bytesOf('a'), prompts * 100)
    }
    assert.equal(index.memory, before)
  })
})

test('counts in how many ways known prompts go on', () => {
  const index = new PrefixIndex()
  index.add('a', hashesOf([0, 1]), 0)
  assert.equal(index.branchesAt('a', hashesOf([0, 2]), 1), 1)
  index.add('a', hashesOf([0, 2]), 0)
  assert.equal(index.branchesAt('a', hashesOf([0, 3]), 1), 2)
  assert.equal(index.branchesAt('a', hashesOf([0, 1]), 2), 1)
})
