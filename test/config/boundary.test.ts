// Boundaries: every chain that leads outside is a problem of the file, where it begins.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { loadText, problemsOf } from '../support/config-file.ts'

const providers = `providers:
  openai: { base_url: "https://api.openai.com/v1" }
  ollama: { base_url: "http://127.0.0.1:11434/v1" }
  gpu: { base_url: "http://gpu.lan:8000/v1" }
  tls: { base_url: "https://gpu.lan/v1" }
  nas: { base_url: "http://192.168.1.7:8000/v1" }
`

test('a chain that leads outside is reported with all of its steps, at its line', (t) => {
  const text = `${providers}models:
  gpt: { provider: openai }
  secret-notes:
    boundary: local
    provider: ollama
    fallbacks:
      - gpt
`
  assert.deepEqual(problemsOf(t, text), [
    '13:9 models.secret-notes.fallbacks[0]: secret-notes → fallback gpt → openai (api.openai.com): leaves the box',
  ])
})

const cases: readonly (readonly [name: string, models: string, problems: readonly string[]])[] = [
  ['a loopback target is inside', 'm: { provider: ollama, boundary: local }', []],
  [
    'a private address is outside this machine',
    'm: { provider: nas, boundary: local }',
    ['m → nas (192.168.1.7): leaves the box'],
  ],
  [
    'private addresses and names that are never public are inside private networks',
    'm: { targets: [{ provider: nas }, { provider: gpu }, { provider: tls }, { provider: ollama }], boundary: private }',
    [],
  ],
  [
    'a public name is outside private networks',
    'm: { targets: [{ provider: nas }, { provider: openai }], boundary: private }',
    ['m → openai (api.openai.com): leaves the private network'],
  ],
  [
    'a name that could be resolved to anything is no loopback address',
    'm: { provider: gpu, boundary: local }',
    ['m → gpu (gpu.lan): leaves the box'],
  ],
  [
    'an alias leads to its model',
    'm: { provider: ollama, boundary: local, fallbacks: [fast] }\n  gpt: { provider: openai, aliases: [fast] }',
    ['m → fallback fast (gpt) → openai (api.openai.com): leaves the box'],
  ],
  [
    'a fallback of a fallback counts, and a model that is met twice is reported once',
    'm: { provider: ollama, boundary: local, fallbacks: [a, b] }\n  a: { provider: ollama, fallbacks: [c] }\n  b: { provider: ollama, fallbacks: [c] }\n  c: { provider: openai }',
    ['m → fallback a → fallback c → openai (api.openai.com): leaves the box'],
  ],
  [
    'a wildcard is a model, and so is what one matches',
    '"cloud/*": { provider: openai, model: "*" }\n  "own/*": { provider: ollama, model: "*", boundary: local, fallbacks: [cloud/gpt] }',
    ['own/* → fallback cloud/gpt → openai (api.openai.com): leaves the box'],
  ],
  [
    'a fallback with the same boundary has its own problem',
    'm: { provider: ollama, boundary: local, fallbacks: [n] }\n  n: { provider: openai, boundary: local }',
    ['n → openai (api.openai.com): leaves the box'],
  ],
  [
    'a model without a boundary may go anywhere',
    'm: { provider: openai, boundary: any }\n  n: { provider: openai }',
    [],
  ],
]

for (const [name, models, expected] of cases) {
  test(name, (t) => {
    const found = problemsOf(t, `${providers}models:\n  ${models}\n`)
    assert.deepEqual(
      found.map((problem) => problem.replace(/^\S+ \S+: /, '')),
      expected,
    )
  })
}

test('a cloud model of Ollama leaves the machine that Ollama runs on', (t) => {
  const text = `providers:
  ollama: { kind: ollama, base_url: "http://127.0.0.1:11434/v1", discover_models: true }
models:
  m: { provider: ollama, model: "gpt-oss:120b-cloud", boundary: local }
  "glm-4.6:cloud": { provider: ollama }
  n: { provider: ollama, boundary: private, fallbacks: ["glm-4.6:cloud", "ollama/kimi-k2:1t-cloud", ollama/cloudy] }
`
  const found = problemsOf(t, text).map((problem) => problem.replace(/^\S+ \S+: /, ''))
  assert.deepEqual(found, [
    'm → ollama (127.0.0.1, which passes gpt-oss:120b-cloud on): leaves the box',
    'n → fallback glm-4.6:cloud → ollama (127.0.0.1, which passes glm-4.6:cloud on): leaves the private network',
    'n → fallback ollama/kimi-k2:1t-cloud → ollama (127.0.0.1, which passes kimi-k2:1t-cloud on): leaves the private network',
  ])
})

test('a name that only a provider lists leads to that provider', (t) => {
  const text = `providers:
  cloud: { base_url: "https://api.example.com/v1", discover_models: true }
  ollama: { base_url: "http://localhost:11434/v1", discover_models: true }
models:
  "c*": { provider: ollama, model: "*" }
  m: { provider: ollama, boundary: local, fallbacks: [cloud/gpt, ollama/llama] }
`
  assert.deepEqual(problemsOf(t, text), [
    '6:55 models.m.fallbacks[0]: m → fallback cloud/gpt → cloud (api.example.com): leaves the box',
  ])
})

test('routing.boundary is for all models, listed ones, and other routes', (t) => {
  const text = `providers:
  openai: { base_url: "https://api.openai.com/v1", discover_models: true }
  ollama: { base_url: "http://[::1]:11434/v1" }
models:
  gpt: { provider: openai, boundary: any }
  llama: { provider: ollama, fallbacks: [gpt] }
routing: { boundary: local }
routes: { rest: { provider: openai } }
`
  assert.deepEqual(problemsOf(t, text), [
    '2:69 providers.openai.discover_models: openai/* → openai (api.openai.com): leaves the box',
    '5:20 models.gpt.provider: gpt → openai (api.openai.com): leaves the box',
    '8:29 routes.rest.provider: routes.rest → openai (api.openai.com): leaves the box',
  ])
})

test('a proxy of the file leads outside, and one of the environment is left out', (t) => {
  const withProxy = (proxy: string) => `providers:
  nas: { base_url: "https://nas.lan/v1", proxy: ${proxy} }
models: { m: { provider: nas, boundary: private } }
`
  const found = problemsOf(t, withProxy('"http://proxy.lan:3128"'))
  assert.deepEqual(found, [
    '3:26 models.m.provider: m → nas (nas.lan, through its proxy): leaves the private network',
  ])
  const env = { HTTPS_PROXY: 'http://proxy.lan:3128' }
  for (const proxy of ['env', 'none']) assert.deepEqual(problemsOf(t, withProxy(proxy), { env }), [])
})

test('a value that is no boundary is refused, in all three places', (t) => {
  const text = `${providers}models: { m: { provider: ollama, boundary: here } }
routing: { boundary: lan }
clients: { default: { boundary: "" } }
`
  const problems = problemsOf(t, text)
  assert.equal(problems.length, 3, problems.join('\n'))
  for (const problem of problems) assert.match(problem, /must be one of|must be "local"/)
})

test('the built-in echo is inside every boundary, and addresses in other spellings are what they are', (t) => {
  const text = `providers:
  echo: { kind: echo }
  short: { base_url: "http://127.1:81/v1" }
  mapped: { base_url: "http://[::ffff:127.0.0.1]:82/v1" }
  out: { base_url: "https://[::ffff:8.8.8.8]/v1" }
  nat64: { base_url: "https://[64:ff9b::7f00:1]/v1" }
models:
  m: { targets: [{ provider: echo }, { provider: short }, { provider: mapped }], boundary: local }
  n: { targets: [{ provider: out }, { provider: nat64 }], boundary: private }
`
  const loaded = loadText(t, text)
  assert.deepEqual(loaded.ok ? [] : loaded.problems.map(({ message }) => message), [
    'n → out ([::ffff:808:808]): leaves the private network',
    'n → nat64 ([64:ff9b::7f00:1]): leaves the private network',
  ])
})
