import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { fc } from '../support/properties.ts'

import { createMask, maskBytes, maskKeyShapes } from '../../src/upstream/mask.ts'

const key = 'sk-proj/ab+1"9'

const base64 = (text: string) => Buffer.from(text).toString('base64')
const escaped = (text: string) =>
  Array.from(text, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')

suite('a secret in a provider’s text is masked', () => {
  const forms: [string, string][] = [
    ['as it is', key],
    ['in JSON', JSON.stringify({ key }).slice(8, -2)],
    ['in JSON as PHP writes it', 'sk-proj\\/ab+1"9'],
    ['in JSON, all escaped', escaped(key)],
    ['in JSON, partly escaped', `sk\\u002dpr${escaped('o')}j/ab\\u002B1\\"9`],
    ['in JSON within JSON', JSON.stringify(JSON.stringify(key)).slice(3, -3)],
    ['escaped within JSON within JSON', JSON.stringify(escaped(key)).slice(1, -1)],
    ['as Python writes bytes', 'sk-proj\\x2fab+1"9'],
    ['in a URL', encodeURIComponent(key)],
    ['in a URL, in lower case', encodeURIComponent(key).toLowerCase()],
    ['in a URL within a URL', encodeURIComponent(encodeURIComponent(key))],
    ['in a URL, escaped in JSON', encodeURIComponent(key).replaceAll('%', '\\u0025')],
    ['in base64', base64(key)],
    ['in base64url', Buffer.from(key).toString('base64url')],
    ['in the base64 of Basic', base64(`user:${key}`)],
    ['in the base64 of Bearer', base64(`Bearer ${key}`)],
    ['in base64 in front of more', base64(`${key}\n`)],
    ['in base64 in a URL', encodeURIComponent(base64(`ü?>${key}`))],
    ['in base64 as PHP writes it in JSON', base64(`ü?>${key}`).replaceAll('/', '\\/')],
    ['in hexadecimal', Buffer.from(key).toString('hex')],
    ['in hexadecimal, in upper case', Buffer.from(key).toString('hex').toUpperCase()],
  ]
  for (const [what, form] of forms) {
    test(what, () => {
      const text = createMask([key, 'another-key'])(`wrong key ${form}, and ${form}.`)
      assert.equal(text, 'wrong key [secret], and [secret].')
    })
  }
})

test('text without the secret is the same', () => {
  const mask = createMask([key])
  for (const text of ['wrong key sk-proj', '%', '\\', '\\u', 'a\\u00e9%zz\\\\'])
    assert.equal(mask(text), text)
})

test('placeholders are no secrets', () => {
  assert.equal(createMask(['none', 'EMPTY', ''])('none of EMPTY'), 'none of EMPTY')
})

test('a secret that begins with another one is masked as a whole', () => {
  for (const secrets of [
    ['secret-key', 'secret-key-two'],
    ['secret-key-two', 'secret-key'],
  ]) {
    assert.equal(createMask(secrets)('(secret-key-two)'), '([secret])')
  }
})

test('JSON stays JSON where a secret begins inside of an escape', () => {
  for (const [secret, json] of [
    ['nvapi-12345', String.raw`{"a":"line\nvapi-12345"}`],
    ['0041abcdef', String.raw`{"a":"\u0041abcdef"}`],
    ['1abcdefgh', String.raw`{"a":"\\\u0041abcdefgh"}`],
  ] as const) {
    const masked = createMask([secret])(json)
    assert.ok(masked.includes('[secret]'), masked)
    JSON.parse(masked)
  }
})

test('bytes that are not text stay as they are beside a secret', () => {
  const bytes = Buffer.from([0xff, 0x80, 0xc3])
  const mask = createMask([key])
  assert.equal(maskBytes(bytes, mask), bytes)
  const masked = maskBytes(Buffer.concat([bytes, Buffer.from(key), bytes]), mask)
  assert.deepEqual(masked, Buffer.concat([bytes, Buffer.from('[secret]'), bytes]))
})

test('no masked text holds a secret', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 8, maxLength: 40 }),
      fc.string(),
      fc.string(),
      (secret, before, after) => {
        const masked = createMask([secret])(before + secret + after)
        fc.pre(!'[secret]'.includes(secret) && !(before + after).includes(secret))
        assert.ok(masked.includes('[secret]'))
      },
    ),
  )
})

test('no JSON holds a secret after it was masked, however its characters were written', () => {
  const written = fc.constantFrom('plain', 'escaped', 'upper case', 'percent')
  const secret = 'sk-4/Ab"c\\d_e%~9'
  fc.assert(
    fc.property(fc.array(written, { minLength: 16, maxLength: 16 }), fc.string(), (ways, around) => {
      const parts = Array.from(secret, (each, index) => {
        const hex = each.charCodeAt(0).toString(16).padStart(2, '0')
        if (ways[index] === 'escaped') return `\\u00${hex}`
        if (ways[index] === 'upper case') return `\\u00${hex.toUpperCase()}`
        return ways[index] === 'percent' ? `%${hex}` : JSON.stringify(each).slice(1, -1)
      })
      const quoted = JSON.stringify(around).slice(1, -1)
      const { message } = JSON.parse(
        createMask([secret])(`{"message":"${quoted}${parts.join('')}${quoted}"}`),
      )
      const decoded = message.replaceAll(/%([0-9a-f]{2})/gi, (_: string, hex: string) =>
        String.fromCharCode(Number.parseInt(hex, 16)),
      )
      assert.ok(message.includes('[secret]'))
      assert.ok(!message.includes(secret) && !decoded.includes(secret))
    }),
  )
})

test('what looks like a key or a part of one is masked', () => {
  assert.equal(maskKeyShapes('wrong key sk-ab***yz and task-based'), 'wrong key [key] and task-based')
})

test('a long text is searched over many iterations of the event loop, and others beside it one after the other', async () => {
  const mask = createMask([key])
  const text = `{"error":"${String.raw`\\%25`.repeat(20_000)} ${escaped(key)}"}`
  let iterations = 0
  let isOver = false
  const count = () => {
    iterations += 1
    if (!isOver) setImmediate(count)
  }
  setImmediate(count)

  const results = await Promise.all([mask.inTurns(text), mask.inTurns('nothing'), mask.inTurns(text)])
  isOver = true

  assert.deepEqual(results, [mask(text), 'nothing', mask(text)])
  assert.ok(results[0].endsWith(' [secret]"}'))
  assert.ok(iterations >= 10, `${iterations} iterations`)
})
