// The ways from clients' formats to providers'.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { clientDialects, translatorOf } from '../../src/dialects/table.ts'

test('the formats are sorted by path, and no name or path stands twice', () => {
  const paths = clientDialects.map(({ path }) => path)
  assert.deepEqual(paths, paths.toSorted())
  assert.equal(new Set(paths).size, paths.length)
  assert.equal(new Set(clientDialects.map(({ name }) => name)).size, paths.length)
})

test('a provider that speaks the format of the client gets the identical buffer', () => {
  const chat = clientDialects.find(({ name }) => name === 'chat')!
  const body = Buffer.from('{"model":"m","messages":[]}')
  const request = chat.readRequest('application/json', body)
  assert.ok(!(request instanceof Error))
  const translator = translatorOf(chat, chat.native)!
  const translation = translator.begin(request, { model: 'm', asksUsage: false, promptTokens: 1 })
  assert.ok(!(translation instanceof Error))
  assert.equal(translation.body, body)
  assert.equal(translation.contentType, 'application/json')
  assert.equal(translation.response, undefined)
})

test('there is no way between formats that nothing translates', () => {
  const [one, other] = clientDialects
  assert.equal(translatorOf(one!, other!.native), undefined)
})
