// What machines state of the limits that they share, and which of them differ.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { LimitDifferences } from '../../../src/app/machines/conflicts.ts'
import type { Member } from '../../../src/app/machines/members.ts'
import {
  readSettings,
  type SharedSetting,
  sharedSettings,
  stateSettings,
} from '../../../src/app/machines/shared-settings.ts'
import { loadText } from '../../support/config-file.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const usual = `
providers:
  cloud: { base_url: "https://cloud.example/v1" }
  near: { base_url: "http://127.0.0.1:1/v1" }
`
const models = 'models: { gpt: { provider: cloud }, qwen: { provider: near } }\n'

/** Those of a machine with this configuration. */
function settingsOf(t: TestContext, text: string): SharedSetting[] {
  const all = /^models:/m.test(text) ? text : models + text
  const loaded = loadText(t, (/^providers:/m.test(text) ? '' : usual) + all, { hasServiceManager: true })
  assert.ok(loaded.ok, JSON.stringify(!loaded.ok && loaded.problems))
  const { config } = loaded
  return sharedSettings(config, {
    floodRpm: config.rateLimits.perClientRpm,
    isOwnProvider: (name) => name === 'near',
    isOwnClient: (pattern) => /^(?:user|ip):/.test(pattern),
  })
}

function member(host: string, settings: readonly SharedSetting[] | undefined): Member {
  const stated = settings === undefined ? undefined : readSettings(stateSettings(settings))
  const at = { sinceMs: 0, seenMs: 0, version: '1', uses: [], place: host, timeZone: undefined }
  return { id: `${host}.1`, machine: host, host, state: 'here', ...at, settings: stated }
}

const nameOf = ({ host }: Member) => host

/** What is said of machines a and b, once it has lasted. */
function said(own: readonly SharedSetting[], other: readonly SharedSetting[] | undefined): string {
  const clock = new FakeClock()
  const differences = new LimitDifferences(clock.now)
  const members = [member('a', own), member('b', other)]
  assert.deepEqual(differences.conflicts(members, own, nameOf), [])
  clock.advance(60_000)
  return differences
    .conflicts(members, own, nameOf)
    .map(({ message }) => message)
    .join('')
}

const keys = 'keys: { mode: optional }\n'
const identity =
  'identity: { sources: [{ kind: cloudflare_access, team: example, audience: "0123456789abcdef0123456789abcdef" }] }\n'
const limits = (text: string) => `rate_limit_settings: ${text}\n`

const different: Readonly<Record<string, readonly [string, string, RegExp]>> = {
  'requests of a model': [
    limits('{ limits: { gpt: { rpm: 12, tpm: 1000 } } }'),
    limits('{ limits: { gpt: { rpm: 20, tpm: 1000 } } }'),
    /^Limits are not the same on all machines: model gpt: rpm 12, tpm 1000 \(a\), rpm 20, tpm 1000 \(b\)\. All together /,
  ],
  'a model that only one of them limits': [
    limits('{ limits: { gpt: { max_parallel_requests: 2 } } }'),
    '',
    /: model gpt: max_parallel_requests 2 \(a\), no limits \(b\)\. /,
  ],
  'limits of all models that have none of their own': [
    limits('{ default: { rpm: 5 }, limits: { gpt: { rpm: 9 } } }'),
    limits('{ default: { rpm: 6 }, limits: { gpt: { rpm: 9 } } }'),
    /: model qwen: rpm 5 \(a\), rpm 6 \(b\)\. /,
  ],
  'limits that are switched off': [
    limits('{ limits: { gpt: { rpm: 9 } } }'),
    limits('{ enabled: false, limits: { gpt: { rpm: 9 } } }'),
    /: model gpt: no limits \(b\), rpm 9 \(a\)\. /,
  ],
  'the flood limit of keys': [
    keys + limits('{ per_client: { rpm: 60 } }'),
    keys + limits('{ per_client: { rpm: 90 } }'),
    /: per_client: 60 requests per minute \(a\), 90 requests per minute \(b\)\. /,
  ],
  'limits and budgets of identities': [
    identity + 'clients: { "mail:*@example.org": { rpm: 1, budgets: [{ usd: 1, per: day }] } }',
    identity + 'clients: { "mail:*@example.org": { rpm: 2, budgets: [{ usd: 2, per: day }] } }',
    /: client mail:\*@example\.org: rpm 1 \(a\), rpm 2 \(b\); budgets of client mail:\*@example\.org: 1usd\/day \(a\), 2usd\/day \(b\)\. /,
  ],
  'the budget of all clients': [
    'budgets: { total: [{ usd: 50, per: month }] }',
    '',
    /: budgets\.total: 50usd\/month \(a\), no budget \(b\)\. /,
  ],
  'parallel requests of a provider that is not of this machine': [
    usual.replace('/v1" }', '/v1", max_parallel_requests: 4 }'),
    usual.replace('/v1" }', '/v1", max_parallel_requests: 8 }'),
    /: provider cloud: 4 parallel requests \(a\), 8 parallel requests \(b\)\. /,
  ],
}

const same: Readonly<Record<string, readonly [string, string]>> = {
  'models that only one of them has': [
    'models: { gpt: { provider: cloud }, one: { provider: near } }\n' +
      limits('{ limits: { one: { rpm: 1 } } }'),
    'models: { gpt: { provider: cloud }, two: { provider: near } }\n' +
      limits('{ limits: { two: { rpm: 2 } } }'),
  ],
  'budgets in another order': [
    'budgets: { total: [{ usd: 50, per: month }, { tokens: 9, per: day }] }',
    'budgets: { total: [{ tokens: 9, per: day }, { usd: 50, per: month }] }',
  ],
  'the flood limit of Unix users and addresses': [
    limits('{ per_client: { rpm: 60 } }'),
    limits('{ per_client: { rpm: 90 } }'),
  ],
  'limits of a Unix user': ['clients: { "user:ann": { rpm: 1 } }', 'clients: { "user:ann": { rpm: 2 } }'],
  'parallel requests of a server of this machine': [
    usual.replace('1/v1" }', '1/v1", max_parallel_requests: 4 }'),
    usual.replace('1/v1" }', '1/v1", max_parallel_requests: 8 }'),
  ],
}

suite('limits of two machines', () => {
  for (const [what, [own, other, message]] of Object.entries(different)) {
    test(`differ in ${what}`, (t) => assert.match(said(settingsOf(t, own), settingsOf(t, other)), message))
  }
  for (const [what, [own, other]] of Object.entries(same)) {
    test(`do not differ in ${what}`, (t) => assert.equal(said(settingsOf(t, own), settingsOf(t, other)), ''))
  }

  test('are not compared with those of an older version, or of no gateway', (t) => {
    const own = settingsOf(t, limits('{ limits: { gpt: { rpm: 12 } } }'))
    assert.equal(said(own, undefined), '')
    const odd = own.map((each) => ({ ...each, value: '12:x:' }))
    assert.equal(said(own, odd), '')
    for (const text of [undefined, 7, '', 'x', 'abcdef', 'abcdef=1\nabc', `abcdef=${'9'.repeat(9_000)}`]) {
      assert.equal(readSettings(text)?.size ?? 0, 0, String(text))
    }
  })

  test('are stated within bounds, the same ones on each machine', (t) => {
    const text = (count: number, rpm: number) => {
      const named = Array.from({ length: count }, (_, index) => `m${index}: { provider: cloud }`)
      return settingsOf(t, `models: { ${named.join(', ')} }\n${limits(`{ default: { rpm: ${rpm} } }`)}`)
    }
    const stated = stateSettings(text(1_000, 5))
    assert.ok(stated.length <= 2_000)
    const [one, other] = [readSettings(stated)!, readSettings(stateSettings(text(1_000, 6)))!]
    assert.ok(one.size > 100)
    assert.deepEqual([...one.keys()], [...other.keys()])
    const message = said(text(1_000, 5), text(1_000, 6))
    assert.match(message, /; \d+ more\. /)
    assert.ok(message.length < 1_000)
  })
})

test('a difference is reported once it has lasted for a minute, and no longer than it does', (t) => {
  const settings = (rpm: number) => settingsOf(t, limits(`{ limits: { gpt: { rpm: ${rpm} } } }`))
  const clock = new FakeClock()
  const differences = new LimitDifferences(clock.now)
  const own = settings(12)
  const look = (other: number, state: Member['state'] = 'here') => {
    const members = [member('a', own), { ...member('b', settings(other)), state }]
    return differences.conflicts(members, own, nameOf).length
  }
  assert.equal(look(20), 0)
  clock.advance(59_999)
  assert.equal(look(20), 0)
  // A change that went through meanwhile begins anew.
  assert.equal(look(12), 0)
  clock.advance(1)
  assert.equal(look(20), 0)
  clock.advance(60_000)
  assert.equal(look(20), 1)
  assert.equal(look(30), 1)
  assert.equal(look(30, 'silent'), 0)
  assert.equal(look(30), 0)
})
