// `when` and `use` of models: what is refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { problemsOf } from '../support/config-file.ts'

const providers = `providers:
  p: { kind: echo }
  cloud: { base_url: "https://a.example/v1" }
  lists: { base_url: "https://b.example/v1", discover_models: true }
models:
  plain: { provider: p }
  cloudy: { provider: cloud }
`

const cases: readonly (readonly [name: string, models: string, problems: readonly string[]])[] = [
  ['rules and the rest are fine', 'm: { when: [{ images: true, use: cloudy }], use: plain }', []],
  ['rules before targets are fine', 'm: { provider: p, when: [{ prompt_tokens_over: 9, use: plain }] }', []],
  ['a wildcard may lead on', '"c-*": { use: plain }', []],
  [
    'neither targets nor use',
    'm: { when: [{ images: true, use: plain }] }',
    ['8:3 models.m: needs the key "provider" or "targets"'],
  ],
  [
    'use and a provider',
    'm: { use: plain, provider: p }',
    ['8:20 models.m.provider: "provider" cannot be combined with "use": another model answers'],
  ],
  [
    'use and fallbacks',
    'm: { use: plain, fallbacks: [cloudy] }',
    ['8:20 models.m.fallbacks: "fallbacks" cannot be combined with "use": another model answers'],
  ],
  ['an unknown model', 'm: { use: plian }', ['8:13 models.m.use: there is no model "plian"']],
  [
    'an unknown model of a rule',
    'm: { provider: p, when: [{ images: true, use: nope }] }',
    ['8:49 models.m.when[0].use: there is no model "nope"'],
  ],
  [
    'a rule without a condition',
    'm: { provider: p, when: [{ use: plain }] }',
    ['8:28 models.m.when[0]: needs at least 2 keys'],
  ],
  ['a wildcard as a model', 'm: { use: "c-*" }', ['8:13 models.m.use: "c-*" does not name a single model']],
  ['itself', 'm: { use: m }', ['8:13 models.m.use: the models form a cycle: "m" → "m"']],
  [
    'a wildcard that matches where it leads',
    '"c-*": { use: c-x }',
    ['8:17 models["c-*"].use: the models form a cycle: "c-*" → "c-*"'],
  ],
  [
    'a wildcard of a namespace that matches where it leads',
    '"lists/*": { use: lists/x }',
    ['8:21 models["lists/*"].use: the models form a cycle: "lists/*" → "lists/*"'],
  ],
  [
    'another spelling of a bounded model is that model',
    'm: { boundary: local, use: library/M }\n  "*": { provider: p }',
    ['8:30 models.m.use: the models form a cycle: "m" → "m"'],
  ],
  ['a shorter wildcard matches no name of a namespace', '"*": { use: lists/x }', []],
  [
    'a * stands for at least one character',
    '"c-*": { use: c- }',
    ['8:17 models["c-*"].use: there is no model "c-"'],
  ],
  [
    'a circle over a fallback',
    'm: { when: [{ tools: true, use: n }], use: plain }\n  n: { provider: p, fallbacks: [m] }',
    ['9:33 models.n.fallbacks[0]: the models form a cycle: "m" → "n" → "m"'],
  ],
  [
    'a way out of a boundary',
    'm: { boundary: local, when: [{ images: true, use: cloudy }], use: plain }',
    ['8:53 models.m.when[0].use: m → use cloudy → cloud (a.example): leaves the box'],
  ],
]

for (const [name, models, problems] of cases) {
  test(name, (t) => assert.deepEqual(problemsOf(t, `${providers}  ${models}\n`), problems))
}

test('a rule needs a condition', (t) => {
  const found = problemsOf(t, `${providers}  m: { provider: p, when: [{ use: plain }] }\n`)
  assert.equal(found.length, 1)
  assert.match(found[0]!, /models\.m\.when\[0\]/)
})
