import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { parseUnixUsers } from '../../src/platform/unix-users.ts'
import { loadText, problemsOf } from '../support/config-file.ts'

const users = parseUnixUsers(
  'root:x:0:0\nwww-data:x:33:33\na:x:1001:1001\nb:x:1002:1002\nnobody:x:65534:65534',
)

/** A good file and a section, in line 5. */
function file({ top }: { top: string }): string {
  return `providers:
  local: { base_url: "http://127.0.0.1:11434/v1" }
models:
  llama: { provider: local, aliases: [l] }
${top}
`
}

test('a diamond of fallbacks is no circle', (t) => {
  const text = `providers: { e: { kind: echo } }
models:
  a: { provider: e, fallbacks: [b, c] }
  b: { provider: e, fallbacks: [d] }
  c: { provider: e, fallbacks: [d] }
  d: { provider: e }
`
  assert.deepEqual(problemsOf(t, text), [])
})

for (const [name, server, problem] of [
  ['as much as two bodies for each worker is enough', '{ workers: 2, body_memory_bytes: 134217728 }', []],
  [
    'less than that is refused',
    '{ workers: 2, body_memory_bytes: 134217727 }',
    [
      '5:42 server.body_memory_bytes: must be at least 134217728: twice max_request_body_bytes (33554432) for each worker (2)',
    ],
  ],
  ['the default follows the largest body', '{ max_request_body_bytes: 1073741824 }', []],
] as const) {
  test(`of the memory for bodies ${name}`, (t) => {
    assert.deepEqual(problemsOf(t, file({ top: `server: ${server}` })), problem)
  })
}

for (const [what, routes, problem] of [
  [
    'a provider and models that exist',
    '{ rest: { provider: local }, default_model: { images: l, responses: llama } }',
    [],
  ],
  ['nothing', '{ rest: null }', []],
  [
    'a provider that does not exist',
    '{ rest: { provider: locl } }',
    ['5:29 routes.rest.provider: there is no provider "locl"'],
  ],
  [
    'a model that does not exist',
    '{ default_model: { images: lama } }',
    ['5:36 routes.default_model.images: there is no model "lama"'],
  ],
  [
    'a wildcard',
    '{ default_model: { images: "l*" } }',
    ['5:36 routes.default_model.images: "l*" does not name a single model'],
  ],
  [
    'a kind that has no default',
    '{ default_model: { chat: llama } }',
    ['5:28 routes.default_model.chat: unknown key "chat"'],
  ],
] as const) {
  test(`routes may or may not name ${what}`, (t) => {
    assert.deepEqual(problemsOf(t, file({ top: `routes: ${routes}` })), problem)
  })
}

test('the other routes cannot pass to the built-in echo', (t) => {
  const text = `providers: { e: { kind: echo } }
models: { m: { provider: e } }
routes: { rest: { provider: e } }
`
  assert.deepEqual(problemsOf(t, text), [
    '3:29 routes.rest.provider: the built-in echo "e" has no other routes than those of models',
  ])
})

describe('where a provider is asked for its models,', () => {
  const discovering = (
    top: string,
    models = 'm: { provider: ollama }',
    provider = 'discover_models: true',
  ) => `providers:
  ollama: { base_url: "http://127.0.0.1:11434/v1", ${provider} }
models:
  ${models}
${top}
`
  const limit = (name: string) => `rate_limit_settings: { limits: { "${name}": { rpm: 1 } } }`

  test('limits and fallbacks may name one in full', (t) => {
    const text = discovering(limit('ollama/a/b:8b'), 'm: { provider: ollama, fallbacks: ["ollama/x"] }')
    assert.deepEqual(problemsOf(t, text), [])
  })

  test('limits may name all those together that its provider does not list', (t) => {
    assert.deepEqual(problemsOf(t, discovering(limit('ollama/*'))), [])
  })

  test('limits may name one in short if several local providers may list it', (t) => {
    const text = (other: string) => `providers:
  one: { base_url: "http://127.0.0.1:11434/v1", discover_models: true }
  other: { base_url: "${other}", discover_models: true }
models: { plain: { provider: one } }
${limit('qwen3:8b')}
`
    assert.deepEqual(problemsOf(t, text('http://10.0.0.2:8000/v1')), [])
    assert.equal(problemsOf(t, text('https://api.example.com/v1')).length, 1)
  })

  for (const name of ['x', 'ollama/', 'other/*', 'other/x', '/x']) {
    test(`limits may not name ${JSON.stringify(name)}`, (t) => {
      assert.deepEqual(problemsOf(t, discovering(limit(name))), [
        `5:34 rate_limit_settings.limits["${name}"]: there is no model "${name}"`.replace('["x"]', '.x'),
      ])
    })
  }

  test('limits may not name one that a wildcard of the file takes', (t) => {
    const text = discovering(limit('ollama/x'), '"ollama/*": { provider: ollama }')
    assert.equal(problemsOf(t, text).length, 1)
  })

  test('a fallback to one makes no circle by way of a shorter wildcard', (t) => {
    const text = discovering('', '"*": { provider: ollama, fallbacks: ["ollama/x"] }')
    assert.deepEqual(problemsOf(t, text), [])
  })

  test('and else, a name in its room is no model', (t) => {
    assert.equal(problemsOf(t, discovering(limit('ollama/x'), undefined, '')).length, 1)
  })

  test('a fault of that provider is told alone', (t) => {
    const text = discovering(limit('ollama/x'), undefined, 'discover_models: 1')
    assert.deepEqual(problemsOf(t, text), [
      '2:69 providers.ollama.discover_models: must be true or false, not 1',
    ])
  })
})

describe('the line to write in place of trusted proxies without a user', () => {
  const www = 'access: { allowed_users: [self, www-data] }'
  for (const [list, access, line] of [
    ['[127.0.0.1/32]', www, '[{ user: www-data }]'],
    ['[127.0.0.1, "::1/128", 10.0.0.0/8, "fd00::/8"]', www, '[{ user: www-data }, 10.0.0.0/8, "fd00::/8"]'],
    ['[127.0.0.1/32]', '', '[{ user: NAME }]'],
    ['[127.0.0.1/32]', 'access: { allowed_users: [self, a, b] }', '[{ user: NAME }]'],
    ['[127.0.0.1/32]', 'access: { allowed_users: [any] }', '[{ user: NAME }]'],
  ] as const) {
    test(`${list}${access && ' with '}${access}`, (t) => {
      const loaded = loadText(t, file({ top: `server: { trusted_proxies: ${list} }\n${access}` }), { users })
      assert.ok(!loaded.ok)
      const problem = loaded.problems.find(({ path }) => path === 'server.trusted_proxies')
      assert.equal(problem?.hint, `write trusted_proxies: ${line}, with the user that the proxy runs as`)
    })
  }
})

describe('a warning:', () => {
  const cases: [string, string, string[]][] = [
    [
      'users that this machine lacks',
      'server: { trusted_proxies: [{ user: caddy }] }\naccess: { allowed_users: [self, caddy] }',
      [
        '5:37 server.trusted_proxies[0].user: there is no user "caddy" on this machine, so the gateway cannot start here',
        '6:33 access.allowed_users[1]: there is no user "caddy" on this machine, so the gateway cannot start here',
      ],
    ],
    [
      'the user that stands for all foreign ones',
      'access: { allowed_users: [nobody] }',
      [
        '5:27 access.allowed_users[0]: "nobody" has uid 65534, so the gateway cannot start: in a user namespace, all users from outside it appear under this uid',
      ],
    ],
    [
      'a trusted proxy that is not let in',
      'server: { trusted_proxies: [{ user: www-data }] }',
      [
        '5:37 server.trusted_proxies[0].user: connections of "www-data" to the TCP port are refused (403), because access.allowed_users does not list it',
      ],
    ],
    [
      'users who may only look, and do not exist',
      'metrics: { allowed_users: [prometheus] }\nstatus: { allowed_users: [self, ann, "mail:ann@example.org"] }',
      [
        '5:28 metrics.allowed_users[0]: there is no user "prometheus" on this machine, so this entry lets nobody in',
        '6:33 status.allowed_users[1]: there is no user "ann" on this machine, so this entry lets nobody in',
        '6:38 status.allowed_users[2]: "mail:ann@example.org" is an identity, to which the page is shown only through a proxy',
      ],
    ],
    [
      'proxies everywhere',
      'server: { trusted_proxies: [{ user: self }, 0.0.0.0/0] }',
      [
        '5:45 server.trusted_proxies[1]: "0.0.0.0/0" trusts every address as a proxy, so clients can forge theirs',
      ],
    ],
  ]
  for (const [name, top, problems] of cases) {
    test(name, (t) => {
      assert.deepEqual(problemsOf(t, file({ top }), { users }), problems)
      assert.ok(loadText(t, file({ top }), { users }).ok)
    })
  }

  test('shows the line that lets the proxy in', (t) => {
    const loaded = loadText(t, file({ top: 'server: { trusted_proxies: [{ user: www-data }] }' }), { users })
    assert.ok(loaded.ok)
    const [warning] = loaded.warnings
    assert.match(warning!.hint, /^write access: \{ allowed_users: \[self, www-data\] \}, /)
  })
})

describe('no warning:', () => {
  for (const [name, top] of [
    [
      'a trusted proxy by its own name',
      'trusted_proxies: [{ user: www-data }] }\naccess: { allowed_users: [self, www-data] }',
    ],
    ['by its number', 'trusted_proxies: [{ user: "33" }] }\naccess: { allowed_users: [www-data] }'],
    [
      'a number without an account',
      'trusted_proxies: [{ user: "4242" }] }\naccess: { allowed_users: ["4242"] }',
    ],
    [
      'where everybody is let in',
      'trusted_proxies: [{ user: www-data }] }\naccess: { allowed_users: [any] }',
    ],
    ['the user that runs the gateway', 'trusted_proxies: [{ user: self }, 10.0.0.0/8] }'],
    ['none', 'trusted_proxies: [] }'],
  ] as const) {
    test(name, (t) => assert.deepEqual(problemsOf(t, file({ top: `server: { ${top}` }), { users }), []))
  }
})
