import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { parseUnixUsers } from '../../src/platform/unix-users.ts'
import { loadText, problemsOf } from '../support/config-file.ts'

const users = parseUnixUsers(
  'root:x:0:0\nwww-data:x:33:33\na:x:1001:1001\nb:x:1002:1002\nnobody:x:65534:65534',
)

/** A good file with further lines; the providers end in line 3, the models in line 5. */
function file({
  provider = '',
  model = '',
  top = '',
}: {
  provider?: string
  model?: string
  top?: string
}): string {
  return `providers:
  local: { base_url: "http://127.0.0.1:11434/v1" }
${provider === '' ? '' : `  p: ${provider}\n`}models:
  llama: { provider: local, aliases: [l] }
${model === '' ? '' : `  ${model}\n`}${top}
`
}

const refused: [name: string, parts: Parameters<typeof file>[0], problems: string[]][] = [
  [
    'a provider without a base URL',
    { provider: '{ include_usage: auto }' },
    ['3:3 providers.p: needs the key "base_url"'],
  ],
  [
    'a provider of kind echo with a base URL',
    { provider: '{ kind: echo, base_url: "http://127.0.0.1:1" }' },
    ['3:20 providers.p.base_url: a provider of kind echo has no base_url'],
  ],
  [
    'a header that carries a key',
    { provider: '{ base_url: "https://a.example", headers: { X-API-Key: abc } }' },
    ['3:50 providers.p.headers.X-API-Key: the header "X-API-Key" carries a key'],
  ],
  [
    'a header with a line end',
    { provider: '{ base_url: "https://a.example", headers: { x: "a\\r\\nb" } }' },
    ['3:53 providers.p.headers.x: the value of a header is one line of visible ASCII'],
  ],
  [
    'a header name with a space',
    { provider: '{ base_url: "https://a.example", headers: { "x y": a } }' },
    [`3:50 providers.p.headers["x y"]: the name must match ^[!#$%&'*+.^_\`|~0-9A-Za-z-]+$, not be "x y"`],
  ],
  [
    'a hop-by-hop header',
    { provider: '{ base_url: "https://a.example", headers: { Connection: close } }' },
    ['3:50 providers.p.headers.Connection: the header "Connection" is set by the gateway'],
  ],
  [
    'a header in two spellings',
    { provider: '{ base_url: "https://a.example", headers: { x-a: b, X-A: c } }' },
    ['3:58 providers.p.headers.X-A: the header "X-A" stands here twice'],
  ],
  [
    'a key header that the gateway sets',
    { provider: '{ base_url: "https://a.example", auth: { header: Host } }' },
    ['3:55 providers.p.auth.header: the header "Host" is set by the gateway'],
  ],
  [
    'an unknown provider',
    { model: 'm: { provider: lokal }' },
    ['5:18 models.m.provider: there is no provider "lokal"'],
  ],
  ['a model without a provider', { model: 'm: {}' }, ['5:3 models.m: needs the key "provider" or "targets"']],
  [
    'a model with both forms',
    { model: 'm: { provider: local, targets: [{ provider: local }] }' },
    ['5:8 models.m.provider: "provider" can not stand beside "targets"'],
  ],
  [
    'an alias that is a name',
    { model: 'm: { provider: local, aliases: [llama] }' },
    ['5:35 models.m.aliases[0]: "llama" is the name of a model'],
  ],
  [
    'an alias of two models',
    { model: 'm: { provider: local, aliases: [l] }' },
    ['5:35 models.m.aliases[0]: "l" is an alias of "llama" already'],
  ],
  [
    'an alias of a wildcard',
    { model: '"m/*": { provider: local, aliases: [n] }' },
    [
      '5:39 models["m/*"].aliases[0]: a name that ends in * can have no aliases: nothing would stand for the *',
    ],
  ],
  [
    'a * within a name',
    { model: '"m*n": { provider: local }' },
    ['5:3 models["m*n"]: the name "m*n" has a * before its end'],
  ],
  [
    'a name with two *',
    { model: '"m**": { provider: local }' },
    ['5:3 models["m**"]: the name "m**" has a * before its end'],
  ],
  [
    'a * in the target of a plain name',
    { model: 'm: { provider: local, model: "x*" }' },
    ['5:32 models.m.model: a * has nothing to stand for here'],
  ],
  [
    'two * in a target',
    { model: '"m*": { provider: local, model: "*/*" }' },
    ['5:35 models["m*"].model: has more than one *'],
  ],
  [
    'an unknown fallback',
    { model: 'm: { provider: local, fallbacks: [lama] }' },
    ['5:37 models.m.fallbacks[0]: there is no model "lama"'],
  ],
  [
    'a model that falls back to itself',
    { model: 'm: { provider: local, fallbacks: [m] }' },
    ['5:37 models.m.fallbacks[0]: fallbacks go round in a circle: "m" → "m"'],
  ],
  [
    'a circle by way of an alias',
    {
      model: 'm: { provider: local, fallbacks: [n] }\n  o: { provider: local, aliases: [n], fallbacks: [m] }',
    },
    ['6:51 models.o.fallbacks[0]: fallbacks go round in a circle: "m" → "o" → "m"'],
  ],
  [
    'limits of an unknown model',
    { top: 'rate_limit_settings: { limits: { lama: { rpm: 1 } } }' },
    ['5:34 rate_limit_settings.limits.lama: there is no model "lama"'],
  ],
  [
    'limits of an alias',
    { top: 'rate_limit_settings: { limits: { l: { rpm: 1 } } }' },
    ['5:34 rate_limit_settings.limits.l: "l" is an alias'],
  ],
  [
    'a listener on all addresses',
    { top: 'server: { hosts: [0.0.0.0] }' },
    [
      '5:19 server.hosts[0]: "0.0.0.0" is not a loopback address; clients need no key, so only this machine may reach the gateway',
    ],
  ],
  [
    '"any" beside other users',
    { top: 'access: { allowed_users: [any, root] }' },
    ['5:26 access.allowed_users: "any" turns the check off and must stand alone'],
  ],
  [
    'trusted proxies without a user',
    { top: 'server: { trusted_proxies: [127.0.0.1/32, 10.0.0.0/8] }' },
    [
      '5:28 server.trusted_proxies: needs an entry { user: NAME }: every local program connects from a loopback address, so a CIDR only continues the chain in X-Forwarded-For',
    ],
  ],
  [
    'a trusted proxy that is neither a user nor a CIDR',
    { top: 'server: { trusted_proxies: [www-data, { user: self }] }' },
    ['5:29 server.trusted_proxies[0]: "www-data" is neither an address nor a CIDR'],
  ],
  [
    'every user as a trusted proxy',
    { top: 'server: { trusted_proxies: [{ user: any }] }' },
    ['5:37 server.trusted_proxies[0].user: "any" would believe every local program'],
  ],
  [
    'a trusted proxy of another form',
    { top: 'server: { trusted_proxies: [{ users: [a] }] }' },
    [
      '5:29 server.trusted_proxies[0]: needs the key "user"',
      '5:31 server.trusted_proxies[0].users: unknown key "users"',
    ],
  ],
  [
    'a text that is no CIDR',
    { top: 'access: { allowed_ips: [10.0.0.0/33] }' },
    ['5:25 access.allowed_ips[0]: "10.0.0.0/33" is neither an address nor a CIDR'],
  ],
  [
    'a Host with a scheme',
    { top: 'server: { allowed_hosts: ["http://a.example"] }' },
    ['5:27 server.allowed_hosts[0]: "http://a.example" is not a host'],
  ],
]

describe('refused with its place:', () => {
  for (const [name, parts, problems] of refused) {
    test(name, (t) => assert.deepEqual(problemsOf(t, file(parts)), problems))
  }
})

test('a fault in a provider is not told again at the models that use it', (t) => {
  const text = 'providers:\n  a: https://a.example\nmodels:\n  m: { provider: a }\n'
  assert.deepEqual(problemsOf(t, text), ['2:6 providers.a: must be a mapping, not "https://a.example"'])
})

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

test('serving every web page is a warning', (t) => {
  assert.deepEqual(problemsOf(t, file({ top: 'cors: { allow_all: true }' })), [
    '5:20 cors.allow_all: every web page that is open in a browser here can use the gateway',
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

  for (const name of ['x', 'ollama/', 'ollama/*', 'other/x', '/x']) {
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

test('the path of a health check is one that can be asked for', (t) => {
  for (const path of ['health', '/a b', '/\u00e9']) {
    const text = `providers: { p: { base_url: "http://127.0.0.1:1/v1", health_check: { path: "${path}" } } }
models: { m: { provider: p } }
`
    assert.equal(problemsOf(t, text).length, 1, path)
  }
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
        '5:37 server.trusted_proxies[0].user: there is no user "caddy" on this machine, without which the gateway does not start',
        '6:33 access.allowed_users[1]: there is no user "caddy" on this machine, without which the gateway does not start',
      ],
    ],
    [
      'the user that stands for all foreign ones',
      'access: { allowed_users: [nobody] }',
      [
        '5:27 access.allowed_users[0]: "nobody" has uid 65534, with which the gateway does not start: in a user namespace every foreign user looks like that one',
      ],
    ],
    [
      'a trusted proxy that is not let in',
      'server: { trusted_proxies: [{ user: www-data }] }',
      [
        '5:37 server.trusted_proxies[0].user: "www-data" gets 403 on TCP: access.allowed_users does not list it',
      ],
    ],
    [
      'proxies everywhere',
      'server: { trusted_proxies: [{ user: self }, 0.0.0.0/0] }',
      [
        '5:45 server.trusted_proxies[1]: "0.0.0.0/0" takes every address for a proxy, so that clients choose their own',
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
