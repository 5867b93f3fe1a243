import assert from 'node:assert/strict'
import { test } from 'node:test'

import { outcomes } from '../../../src/observe/outcome.ts'
import { shownOutcome } from '../../../src/status/outcome-words.ts'
import { toneOf, wordsOf } from '../../../src/status/page/words.ts'

function shown(outcome: string, code: string | null = null): string[] {
  const name = shownOutcome({ outcome, code })
  return [wordsOf(name), toneOf(name)]
}

test('ends of calls have words and a tone', () => {
  assert.deepEqual(shown('ok'), ['ok', 'good'])
  assert.deepEqual(shown('provider_auth', 'provider_auth_failed'), ['key refused', 'bad'])
  assert.deepEqual(shown('provider_limited'), ['provider limited', 'warn'])
  assert.deepEqual(shown('refused', 'call_cancelled'), ['cancelled', 'calm'])
  assert.deepEqual(shown('refused', 'invalid_request'), ['bad request', 'warn'])
})

test('every way in which a call can fail is told by its colour', () => {
  const calm = outcomes.filter((outcome) => toneOf(outcome) === 'calm')
  assert.deepEqual(calm, ['client_gone'])
})

test('a name that is not known is shown by its words', () => {
  assert.deepEqual(shown('something_new'), ['something new', 'calm'])
  assert.deepEqual(shown('constructor'), ['constructor', 'calm'])
})
