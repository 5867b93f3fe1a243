// What a source of identities may be in the file.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { loadText, problemsOf } from '../support/config-file.ts'

const rest = 'providers: { echo: { kind: echo } }\nmodels: { echo: { provider: echo } }\n'
const jwt =
  'kind: jwt, header: x-token, issuer: "https://i.example", audience: a, jwks_url: "https://i.example/k", algorithms: [ES256]'

const faults: readonly (readonly [identity: string, path: string, message: RegExp])[] = [
  ['required: true', 'identity.required', /without a source/],
  ['sources: [{ team: a }]', 'identity.sources[0]', /needs the key "kind"/],
  ['sources: [{ kind: cloudflare_access, team: a }]', 'identity.sources[0]', /needs the key "audience"/],
  [
    'sources: [{ kind: cloudflare_access, team: a.cloudflareaccess.com, audience: b }]',
    'identity.sources[0].team',
    /name of the team only/,
  ],
  [
    'sources: [{ kind: cloudflare_access, team: a, audience: b, from_user: self }]',
    'identity.sources[0].from_user',
    /does not apply to a source of kind cloudflare_access/,
  ],
  ['sources: [{ kind: jwt, header: x }]', 'identity.sources[0]', /needs the key "issuer"/],
  [
    `sources: [{ ${jwt.replace('ES256', 'HS256')} }]`,
    'identity.sources[0].algorithms[0]',
    /must be one of RS256/,
  ],
  [
    `sources: [{ ${jwt.replace('ES256', 'none')} }]`,
    'identity.sources[0].algorithms[0]',
    /must be one of RS256/,
  ],
  [`sources: [{ ${jwt.replace('[ES256]', '[]')} }]`, 'identity.sources[0].algorithms', /must not be empty/],
  [
    `sources: [{ ${jwt.replace('https://i.example/k', 'http://i.example/k')} }]`,
    'identity.sources[0].jwks_url',
    /could sign/,
  ],
  [
    `sources: [{ ${jwt.replace('https://i.example/k', 'http://localhost/k')} }]`,
    'identity.sources[0].jwks_url',
    /could sign/,
  ],
  [
    `sources: [{ ${jwt.replace('https://i.example/k', 'file:///k')} }]`,
    'identity.sources[0].jwks_url',
    /not a URL of a web/,
  ],
  [
    `sources: [{ ${jwt.replace('https://i.', 'https://u:p@i.').replace('https://i.example/k', 'https://u:p@i.example/k')} }]`,
    'identity.sources[0].jwks_url',
    /user name/,
  ],
  [`sources: [{ ${jwt.replace('x-token', 'cookie')} }]`, 'identity.sources[0].header', /another meaning/],
  [
    'sources: [{ kind: header, header: authorization, from_user: self }]',
    'identity.sources[0].header',
    /another meaning/,
  ],
  ['sources: [{ kind: header, from_user: self }]', 'identity.sources[0]', /needs the key "header"/],
  [
    'sources: [{ kind: header, header: a, from_user: any }]',
    'identity.sources[0].from_user',
    /every local program/,
  ],
  [
    'sources: [{ kind: tailscale, header: a, from_user: self }]',
    'identity.sources[0].header',
    /kind tailscale/,
  ],
  [
    `sources: [{ ${jwt} }, { ${jwt.replace('x-token', 'X-Token')} }]`,
    'identity.sources[1]',
    /earlier source/,
  ],
  [`sources: [{ ${jwt}, allow: [] }]`, 'identity.sources[0].allow', /must not be empty/],
  [`sources: [{ ${jwt}, allow: ["*"] }]`, 'identity.sources[0].allow[0]', /whole name/],
  [`sources: [{ ${jwt}, allow: ["ann@*"] }]`, 'identity.sources[0].allow[0]', /whole name/],
]

suite('a fault of a source is found, with its place', () => {
  for (const [identity, path, message] of faults) {
    test(`${path}: ${identity}`, (t) => {
      const loaded = loadText(t, `${rest}identity: { ${identity} }\n`)
      assert.ok(!loaded.ok)
      const found = loaded.problems.find((problem) => problem.path === path && problem.severity === 'error')
      assert.match(found?.message ?? JSON.stringify(loaded.problems), message)
    })
  }
})

const warnings: readonly (readonly [more: string, path: string, message: RegExp])[] = [
  ['identity: { sources: [{ kind: tailscale }] }', 'identity.sources[0]', /Unix socket only/],
  [
    'identity: { sources: [{ kind: tailscale, from_user: self }] }',
    'identity.sources[0].from_user',
    /be anybody/,
  ],
  ['identity: { sources: [{ kind: tailscale, from_user: daemon }] }', 'identity.sources[0].from_user', /403/],
  [
    'access: { allowed_users: [any] }\nidentity: { sources: [{ kind: tailscale, from_user: self }] }',
    'identity.sources[0].from_user',
    /no effect on the TCP port/,
  ],
]

suite('what is doubtful about a source is a warning', () => {
  for (const [more, path, message] of warnings) {
    test(more, (t) => {
      const problems = problemsOf(t, `${rest}${more}\n`)
      assert.ok(loadText(t, `${rest}${more}\n`).ok)
      const found = problems.filter((problem) => problem.includes(` ${path}: `))
      assert.ok(
        found.some((each) => message.test(each)),
        JSON.stringify(problems),
      )
    })
  }
})
