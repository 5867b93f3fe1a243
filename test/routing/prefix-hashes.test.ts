// Hashes of prompts' beginnings.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fc } from '../support/properties.ts'

import { dialects } from '../../src/dialects/table.ts'
import { commonBytes } from '../../src/routing/prefix-index.ts'
import {
  type HashedPrompt,
  newPrefixKey,
  PrefixHasher,
  type PrefixHashes,
} from '../../src/routing/prefix-hashes.ts'

const chat = [...dialects.keys()].find(({ name }) => name === 'chat')!
const key = [1, 2] as const

function piecesOf(body: object): HashedPrompt {
  const read = chat.readRequest({ contentType: 'application/json', body: Buffer.from(JSON.stringify(body)) })
  assert.ok(!(read instanceof Error))
  return read.promptPieces
}

function hashesOf(prompt: HashedPrompt, atOnce = Infinity, owner = 'user:me'): PrefixHashes {
  const hasher = new PrefixHasher(prompt, key, owner)
  while (!hasher.advance(atOnce));
  return hasher.hashes
}

function lengthsOf(hashes: PrefixHashes): number[] {
  return Array.from(hashes).filter((_, index) => index % 3 === 2)
}

/** All of it in one piece. */
function plain(text: string): HashedPrompt {
  const bytes = Buffer.from(text)
  return { bytes, spans: [0, bytes.length], borderAfter: (_, end) => end }
}

describe('a prompt', () => {
  const turn = (role: string, length: number) => ({ role, content: 'x'.repeat(length) })

  test('has a prefix at the end of each message and at every kilobyte', () => {
    const first = [turn('system', 300), turn('user', 2_000)]
    const lengths = lengthsOf(hashesOf(piecesOf({ messages: first, model: 'm' })))
    const system = JSON.stringify(first[0]).length
    const whole = JSON.stringify(first).length - 2
    assert.deepEqual(
      lengths,
      [system, system + 1024, system + 2048 > whole ? whole : system + 2048].filter((each) => each <= whole),
    )
    assert.equal(lengths.at(-1), whole)
  })

  test('is found again in the next turn, to the end of its last message', () => {
    const first = [turn('system', 300), turn('user', 200)]
    const before = hashesOf(piecesOf({ messages: first, model: 'm', stream: true }))
    const after = hashesOf(
      piecesOf({ model: 'm', messages: [...first, turn('assistant', 90), turn('user', 90)] }),
    )
    assert.equal(commonBytes(after, before), JSON.stringify(first).length - 2)
  })

  test('begins with its tools, wherever they stand', () => {
    const tools = [{ type: 'function', function: { name: 'f', description: 'd'.repeat(100) } }]
    const messages = [turn('user', 100)]
    const one = hashesOf(piecesOf({ messages, tools, model: 'm' }))
    const other = hashesOf(piecesOf({ model: 'm', tools, messages }))
    assert.deepEqual(one, other)
    assert.equal(commonBytes(one, hashesOf(piecesOf({ messages, model: 'm' }))), 0)
  })

  test('has other hashes with another key and for another owner', () => {
    const prompt = piecesOf({ messages: [turn('user', 100)], model: 'm' })
    const hasher = new PrefixHasher(prompt, newPrefixKey(), 'user:me')
    hasher.advance(Infinity)
    assert.equal(commonBytes(hasher.hashes, hashesOf(prompt)), 0)
    assert.equal(commonBytes(hashesOf(prompt, Infinity, 'user:ann'), hashesOf(prompt)), 0)
  })
})

test('the hashes depend on the bytes alone: not on where they lie, how they are divided, and how many are read at once', () => {
  const texts = fc.array(fc.string({ maxLength: 700 }), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(texts, fc.nat(9), fc.integer({ min: 1, max: 3000 }), (parts, shift, atOnce) => {
      const whole = Buffer.concat(parts.map((each) => Buffer.from(each)))
      const expected = hashesOf(plain(whole.toString('latin1')))
      const spans: number[] = []
      const pieces: Buffer[] = [Buffer.alloc(shift)]
      let at = shift
      // Borders would differ: only prefixes of the same length are compared.
      for (const part of [whole.subarray(0, whole.length >> 1), whole.subarray(whole.length >> 1)]) {
        pieces.push(part, Buffer.from('--'))
        if (part.length > 0) spans.push(at, at + part.length)
        at += part.length + 2
      }
      const divided = hashesOf({ bytes: Buffer.concat(pieces), spans, borderAfter: (_, end) => end }, atOnce)
      const last = (hashes: PrefixHashes) => Array.from(hashes.slice(-3))
      const latin = Buffer.from(whole.toString('latin1'))
      if (latin.equals(whole)) assert.deepEqual(last(divided), last(expected))
      const again = hashesOf({ bytes: Buffer.concat(pieces), spans, borderAfter: (_, end) => end })
      assert.deepEqual(divided, again)
    }),
  )
})

test('prompts that differ in one byte differ from there on', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 3000, maxLength: 5000 }), fc.nat(2999), (text, at) => {
      const changed = `${text.slice(0, at)}${text[at] === 'a' ? 'b' : 'a'}${text.slice(at + 1)}`
      const common = commonBytes(hashesOf(plain(text)), hashesOf(plain(changed)))
      assert.ok(common <= Buffer.byteLength(text.slice(0, at)), `${common} of ${at}`)
    }),
    { numRuns: 200 },
  )
})
