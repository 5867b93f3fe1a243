// What may stand in `keys:` and `clients:`.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { loadText, problemsOf } from '../support/config-file.ts'

const base = 'providers: { echo: { kind: echo } }\nmodels: { m: { provider: echo } }\n'

test('keys and clients are read with their defaults', (t) => {
  const loaded = loadText(
    t,
    `${base}keys: { mode: required, keyless_users: [self] }
clients:
  "user:ann": { models: [m, "open/*"], rpm: 5, tpm: 100, max_parallel_requests: 2, routes: true, boundary: any, budgets: [] }
  "ip:10.0.0.0/8": {}
  default: { rpm: 1 }
`,
  )
  assert.ok(loaded.ok)
  const { keys, clients } = loaded.config
  assert.deepEqual(keys, { mode: 'required', file: undefined, prefix: 'gw_', keylessUsers: ['self'] })
  const limits = { rpm: 5, tpm: 100, maxParallelRequests: 2 }
  assert.deepEqual(clients, {
    byPattern: new Map([
      ['user:ann', { name: 'user:ann', models: ['m', 'open/*'], ...limits, budgets: [], routes: true }],
      ['ip:10.0.0.0/8', { name: 'ip:10.0.0.0/8', models: undefined, budgets: [] }],
    ]),
    default: { name: 'default', models: undefined, rpm: 1, budgets: [] },
  })
})

const faults: [what: string, text: string, problem: RegExp][] = [
  ['an unknown mode', 'keys: { mode: on }', /keys\.mode: must be/],
  ['a prefix of another form', 'keys: { prefix: "GW-" }', /keys\.prefix: .*must be 2 to 8 letters/],
  ['everybody without a key', 'keys: { keyless_users: [any] }', /"any" would exempt every local program/],
  ['an unknown user', 'keys: { keyless_users: [nobody-here] }', /there is no user "nobody-here"/],
  [
    'users who are not looked up',
    'keys: { keyless_users: [self] }\naccess: { allowed_users: [any] }',
    /has no effect on the TCP port/,
  ],
  ['a client without a kind', 'clients: { ann: {} }', /must be "default", or begin with "user:"/],
  ['a key as a client', 'clients: { "key:ci": {} }', /must be "default", or begin with "user:"/],
  ['two stars', 'clients: { "user:a*b*": {} }', /has several \*/],
  ['a wrong block', 'clients: { "ip:10.0.0.0/99": {} }', /neither an address nor a CIDR/],
  ['an unknown limit', 'clients: { default: { rpd: 5 } }', /rpd/],
  ['a star inside of a model', 'clients: { default: { models: ["a*b"] } }', /must be the name of a model/],
  [
    'a budget',
    'clients: { default: { budgets: [{ usd: 5, tokens: 1, per: day }] } }',
    /must have either "usd" or "tokens"/,
  ],
  ['a boundary', 'clients: { default: { boundary: here } }', /boundary: must be one of/],
]
for (const [what, text, problem] of faults) {
  test(`a problem is reported for ${what}`, (t) => {
    const problems = problemsOf(t, `${base}${text}\n`)
    assert.ok(
      problems.some((each) => problem.test(each)),
      problems.join('\n'),
    )
  })
}
