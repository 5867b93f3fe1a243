import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { loggableWords, type ProviderError } from '../../src/call/provider-words.ts'

function words(of: Partial<ProviderError>): string | undefined {
  return loggableWords({ status: 500, message: 'no memory', body: Buffer.from('{}'), names: [], ...of })
}

suite('the words of a provider’s error', () => {
  for (const status of [401, 402, 403, 404, 408, 429, 500, 503, 529]) {
    test(`are logged with ${status}`, () => assert.equal(words({ status }), 'no memory'))
  }

  for (const status of [400, 405, 409, 413, 415, 422, 451]) {
    test(`are not logged with ${status}, which is about the request`, () => {
      assert.equal(words({ status }), undefined)
    })
  }

  test('are not logged where there are none', () => {
    assert.equal(words({ message: undefined }), undefined)
    assert.equal(words({ message: ' \n' }), undefined)
  })

  test('are shortened to 200 characters', () => {
    assert.equal(words({ message: 'x'.repeat(200) }), 'x'.repeat(200))
    assert.equal(words({ message: 'x'.repeat(201) }), `${'x'.repeat(199)}…`)
  })

  test('do not hold what looks like a part of a key', () => {
    assert.equal(words({ message: 'wrong key sk-ab***yz.' }), 'wrong key [key]')
  })
})

suite('words that quote the request', () => {
  const secret = 'abcdefghijklmnop'

  test('are not logged from 16 characters in a row on, wherever they stand', () => {
    const body = Buffer.from(JSON.stringify({ prompt: `xx${secret}xx` }))
    for (let before = 0; before < 20; before++) {
      assert.equal(words({ body, message: `${'-'.repeat(before)}${secret}!` }), undefined, String(before))
      const shorter = `${'-'.repeat(before)}${secret.slice(1)}!`
      assert.equal(words({ body, message: shorter }), shorter)
    }
  })

  test('are found behind the escapes of JSON', () => {
    const prompt = 'é"quoted"\n\tlines\\ of a prompt'
    for (const json of [JSON.stringify({ prompt }), JSON.stringify({ prompt }).replace('é', '\\u00E9')]) {
      assert.equal(words({ body: Buffer.from(json), message: `bad: ${prompt.slice(0, 16)}` }), undefined)
    }
  })

  test('are not looked for in a request of more than 1 MiB: nothing is logged', () => {
    assert.equal(words({ body: Buffer.alloc(1_048_576) }), 'no memory')
    assert.equal(words({ body: Buffer.alloc(1_048_577) }), undefined)
  })

  test('may hold the long name of a model, which is in the log anyway', () => {
    const names = ['claude-sonnet-4-20250514']
    const body = Buffer.from(`{"model":"${names[0]}","prompt":"${secret}"}`)
    const message = `The model ${names[0]} does not exist`
    assert.equal(words({ body, message, names }), message)
    assert.equal(words({ body, message: `${message}: ${secret}`, names }), undefined)
    assert.equal(words({ body, message: secret, names: ['h'] }), undefined, 'a short name cuts nothing')
  })
})
