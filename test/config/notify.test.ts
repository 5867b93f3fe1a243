// Where messages to the operator may go, and by which settings.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { inspect } from 'node:util'

import { alertRules } from '../../src/config/observe-types.ts'
import { loadText, problemsOf } from '../support/config-file.ts'

const rest = 'providers: { e: { kind: echo } }\nmodels: { m: { provider: e } }\n'
const env = {
  HOOK: 'https://hooks.example/services/T0/B0/secret-part',
  TOPIC: 'https://ntfy.example/secret-topic',
  ROUTING: 'R0123456789SECRET',
}

test('without the section nothing is sent, and all conditions are on', (t) => {
  const loaded = loadText(t, rest)
  assert.ok(loaded.ok)
  const { sinks, heartbeat, rules, repeatMs, quietStartMs } = loaded.config.notify
  assert.deepEqual(
    { sinks, heartbeat, repeatMs, quietStartMs },
    {
      sinks: [],
      heartbeat: undefined,
      repeatMs: 14_400_000,
      quietStartMs: 60_000,
    },
  )
  assert.deepEqual([...rules.keys()], alertRules)
})

test('sinks, rules and heartbeat are read, and no secret is printed', (t) => {
  const text = `${rest}notify:
  sinks:
    team: { kind: slack, url: { env: HOOK }, min_severity: info }
    phone: { kind: ntfy, url: { env: TOPIC }, token: { env: ROUTING } }
    pager: { kind: pagerduty, routing_key: { env: ROUTING } }
    am: { kind: alertmanager, url: "http://127.0.0.1:9093" }
    away: { kind: webhook, url: { env: ABSENT, optional: true } }
  rules: { provider_down: { after_ms: 1000 }, budget: false }
  heartbeat: { url: { env: HOOK } }
`
  const loaded = loadText(t, text, { env })
  assert.ok(loaded.ok)
  const { sinks, rules, heartbeat } = loaded.config.notify
  assert.deepEqual(
    sinks.map(({ name, kind, url, token, minSeverity }) => [
      name,
      kind,
      typeof url === 'string' ? url : url.source,
      token?.source,
      minSeverity,
    ]),
    [
      ['team', 'slack', 'env HOOK', undefined, 'info'],
      ['phone', 'ntfy', 'env TOPIC', 'env ROUTING', 'warning'],
      ['pager', 'pagerduty', 'https://events.pagerduty.com/v2/enqueue', 'env ROUTING', 'warning'],
      ['am', 'alertmanager', 'http://127.0.0.1:9093', undefined, 'warning'],
    ],
  )
  assert.deepEqual(rules.get('provider_down'), { afterMs: 1000, count: 0, ratio: 0, calls: 0 })
  assert.equal(rules.has('budget'), false)
  assert.equal(heartbeat?.intervalMs, 60_000)
  assert.doesNotMatch(
    inspect(loaded.config, { depth: 9 }) + JSON.stringify(loaded.config.notify),
    /SECRET|secret-/,
  )
})

const faults: readonly (readonly [what: string, section: string, problem: RegExp])[] = [
  ['an unknown service', 'sinks: { a: { kind: teams, url: { env: HOOK } } }', /must be one of/],
  ['a sink without a URL', 'sinks: { a: { kind: slack } }', /needs the key "url"/],
  ['a pager without a key', 'sinks: { a: { kind: pagerduty } }', /needs the key "routing_key"/],
  [
    'a key of another service',
    'sinks: { a: { kind: slack, url: { env: HOOK }, token: { env: ROUTING } } }',
    /does not apply to a sink of kind discord and slack/,
  ],
  [
    'a URL in the file',
    'sinks: { a: { kind: slack, url: "https://hooks.example/services/pasted" } }',
    /the URL of a sink of the kind slack is a secret: whoever knows it can write there/,
  ],
  [
    'plain HTTP to another machine',
    'sinks: { a: { kind: alertmanager, url: "http://am.example:9093" } }',
    /would be sent unencrypted/,
  ],
  [
    'a secret that is no URL',
    'sinks: { a: { kind: webhook, url: { env: ROUTING } } }',
    /the URL from env ROUTING is not a URL of a web server/,
  ],
  ['a topic that is missing', 'sinks: { a: { kind: ntfy, url: { env: BARE } } }', /does not end in a topic/],
  ['a secret that is absent', 'sinks: { a: { kind: webhook, url: { env: ABSENT } } }', /secret not found/],
  ['a rule that is true', 'rules: { budget: true }', /on unless it is false/],
  ['an unknown rule', 'rules: { budgets: false }', /budgets/],
  ['a setting of another rule', 'rules: { provider_down: { count: 1 } }', /count/],
  ['a heartbeat without a URL', 'heartbeat: { interval_ms: 1000 }', /needs the key "url"/],
]
suite('a problem is reported for', () => {
  for (const [what, section, problem] of faults) {
    test(what, (t) => {
      const problems = problemsOf(t, `${rest}notify: { ${section} }\n`, {
        env: { ...env, BARE: 'https://ntfy.example/' },
      })
      assert.equal(problems.length, 1, problems.join('\n'))
      assert.match(problems[0]!, problem)
      assert.doesNotMatch(problems[0]!, /SECRET|pasted|secret-/)
    })
  }
})
