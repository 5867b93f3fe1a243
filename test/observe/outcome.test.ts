import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type ErrorCode, errorTable } from '../../src/errors.ts'
import {
  isAnswerable,
  isFault,
  type JudgedCall,
  type Outcome,
  outcomeOf,
  outcomes,
} from '../../src/observe/outcome.ts'
import { failureKinds } from '../../src/domain.ts'
import { fc } from '../support/properties.ts'

const nothing = { code: undefined, trouble: undefined, provider_status: undefined }

const table: readonly (readonly [string, Partial<JudgedCall> & { status: number }, Outcome])[] = [
  ['an answer', { status: 200 }, 'ok'],
  ['an answer with another good status', { status: 201 }, 'ok'],
  ['a client that left', { status: 499 }, 'client_gone'],
  ['a client that left an attempt that had failed', { status: 499, trouble: 'broken' }, 'client_gone'],
  ['a provider that rejects the request', { status: 400, provider_status: 400 }, 'client_error'],
  ['a provider without such a model', { status: 404, trouble: 'missing_model' }, 'client_error'],
  ['a translated refusal', { status: 400, provider_status: 422 }, 'client_error'],
  ['a limit of the provider', { status: 429, trouble: 'rate_limit' }, 'provider_limited'],
  ['an empty account, told as a limit', { status: 429, trouble: 'billing' }, 'provider_billing'],
  ['an empty account, told as a fault', { status: 400, trouble: 'billing' }, 'provider_billing'],
  ['an account without payment', { status: 402 }, 'provider_billing'],
  ['a rejected key', { status: 502, code: 'provider_auth_failed', provider_status: 401 }, 'provider_auth'],
  ['a provider that gave up', { status: 408, trouble: 'timeout' }, 'provider_timeout'],
  ['a silent provider', { status: 504, code: 'provider_timeout' }, 'provider_timeout'],
  ['a provider that is down', { status: 502, code: 'provider_unreachable' }, 'provider_unreachable'],
  [
    'a web page',
    { status: 502, code: 'provider_bad_response', provider_status: 404 },
    'provider_bad_response',
  ],
  ['a stream that breaks off', { status: 200, code: 'provider_bad_response' }, 'provider_bad_response'],
  ['a stream that stalls', { status: 200, code: 'provider_timeout' }, 'provider_timeout'],
  ['an error of the provider', { status: 500, trouble: 'broken' }, 'provider_error'],
  ['an overloaded provider', { status: 529, trouble: 'overloaded' }, 'provider_error'],
  [
    'an error of the provider after a heartbeat',
    { status: 200, code: 'provider_bad_response', provider_status: 503 },
    'provider_error',
  ],
  [
    'a limit of the provider after a heartbeat',
    { status: 200, code: 'provider_bad_response', provider_status: 429 },
    'provider_limited',
  ],
  [
    'several targets that failed',
    { status: 503, code: 'no_target_available', provider_status: 500 },
    'no_target',
  ],
  ['a limit', { status: 429, code: 'rate_limit_exceeded' }, 'limited'],
  ['a budget that is spent', { status: 429, code: 'budget_exceeded' }, 'limited'],
  ['a budget that ends a stream', { status: 200, code: 'budget_exceeded' }, 'limited'],
  ['a key that is revoked under way', { status: 200, code: 'key_revoked' }, 'refused'],
  ['a shut-down', { status: 503, code: 'shutting_down' }, 'internal'],
  ['a shut-down under way', { status: 200, code: 'shutting_down' }, 'internal'],
  ['a lack of memory', { status: 503, code: 'overloaded' }, 'refused'],
  ['a code of a later version', { status: 503, code: 'unheard_of' }, 'internal'],
]

suite('the outcome of a call', () => {
  for (const [name, facts, outcome] of table) {
    test(`${name}: ${outcome}`, () => {
      assert.equal(outcomeOf({ ...nothing, ...facts }), outcome)
    })
  }

  test('is the same whether an error is the response or the end of a stream', () => {
    for (const code of Object.keys(errorTable) as ErrorCode[]) {
      const outcome = outcomeOf({ ...nothing, status: errorTable[code], code })
      assert.equal(outcomeOf({ ...nothing, status: 200, code }), outcome, code)
      assert.notEqual(outcome, 'ok', code)
    }
  })

  test('is one of the list for whatever a provider sends', () => {
    const call = fc.record({
      status: fc.integer({ min: -1, max: 1000 }),
      code: fc.option(fc.oneof(fc.constantFrom(...Object.keys(errorTable)), fc.string()), { nil: undefined }),
      trouble: fc.option(fc.constantFrom(...failureKinds), { nil: undefined }),
      provider_status: fc.option(fc.integer({ min: 0, max: 1000 }), { nil: undefined }),
    })
    fc.assert(fc.property(call, (facts) => outcomes.includes(outcomeOf(facts))))
  })

  test('is a fault where a provider or the gateway should have answered, and has not', () => {
    const faults = outcomes.filter((name) => name.startsWith('provider_'))
    assert.deepEqual(outcomes.filter(isFault), [...faults, 'no_target', 'internal'])
    assert.deepEqual(outcomes.filter(isAnswerable), [
      'ok',
      'client_error',
      ...faults,
      'no_target',
      'internal',
    ])
  })
})
