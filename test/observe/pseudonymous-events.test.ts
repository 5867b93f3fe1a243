import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { GatewayEvent } from '../../src/observe/events.ts'
import { namingBy } from '../../src/observe/pseudonymous-events.ts'
import { Pseudonyms } from '../../src/vault/pseudonyms.ts'

const key = Buffer.from('a key of the tests')
const names = new Pseudonyms(key)
const prepare = namingBy(names)!

test('a pseudonym depends on the key and the whole id, and keeps its kind', () => {
  const ann = names.of('mail:ann@example.org')
  assert.match(ann, /^mail:p-[0-9a-f]{32}$/)
  assert.equal(new Pseudonyms(key).of('mail:ann@example.org'), ann)
  assert.notEqual(new Pseudonyms(Buffer.from('another')).of('mail:ann@example.org'), ann)
  assert.notEqual(names.of('head:ann@example.org').slice(5), ann.slice(5))
  assert.equal(names.of(ann), ann)
  for (const other of ['unknown', 'others', 'erased-3', '']) assert.equal(names.of(other), other)
})

const refused = (client: string, reason: string) =>
  ({ kind: 'refused', client, method: 'POST', code: 'x', status: 403, reason }) as unknown as GatewayEvent

for (const [client, reason, name] of [
  ['key:ann', 'Rate limit reached for key:ann on requests per min (RPM): Limit 3.', 'ann'],
  ['key:ann', 'The budget of the key "ann", 5 usd/day, has no room for this call.', 'ann'],
  ['user:mallory', 'The Unix user "mallory" is not allowed to use this gateway.', 'mallory'],
  ['ip:192.0.2.7', 'The address 192.0.2.7 is not allowed. Add it.', '192.0.2.7'],
  ['user:www-data', 'The client mail:ann.b@example.org is not allowed to use this gateway.', 'ann.b'],
  ['user:www-data', 'Ask as head:ann.', 'head:ann'],
  ['ip:2001:db8::7', 'Rate limit reached for ip:2001:db8::7 on requests', '2001:db8'],
] as const) {
  test(`a message has no name: ${reason}`, () => {
    const prepared = prepare(refused(client, reason))
    assert.ok(prepared.kind === 'refused')
    assert.ok(!prepared.reason.includes(name), prepared.reason)
    assert.match(prepared.reason, /p-[0-9a-f]{32}/)
    assert.equal(prepared.client, names.of(client))
    assert.equal(prepared.reason.at(-1), reason.at(-1))
  })
}

test('a call has none in its client, its key, what it came through, and its reason', () => {
  const call = {
    client: 'key:ann',
    key: 'ann',
    via: 'user:bob',
    reason: 'The key "ann" is over.',
    model: 'm',
  }
  const event = { kind: 'call_ended', call } as unknown as GatewayEvent
  const prepared = JSON.stringify(prepare(event))
  assert.doesNotMatch(prepared, /ann|bob/)
  assert.ok(prepared.includes(`"key":"${names.ofKey('ann')}"`))
})

test('a call that was cancelled has none of its client, and of who has cancelled it', () => {
  const event = { kind: 'call_cancelled', request_id: 'r', client: 'key:ann', by: 'user:bob' } as const
  const named = { ...event, client: names.of('key:ann'), by: names.of('user:bob') }
  assert.deepEqual(prepare(event), named)
})

test('a command about a server does not name its user', () => {
  const event = {
    kind: 'service_commanded',
    provider: 'a',
    unit: 'a.service',
    verb: 'stop',
    by: 'user:bob',
  } as const
  assert.deepEqual(prepare(event), { ...event, by: names.of('user:bob') })
})

test('faults of the key file have no names', () => {
  const faults = ['keys[1].name repeats the name "ann \\"b\\""', 'is not JSON']
  const prepared = prepare({ kind: 'keys_refused', file: '/keys.json', faults, unshown: 0 })
  assert.ok(prepared.kind === 'keys_refused')
  assert.deepEqual(prepared.faults, ['keys[1].name repeats the name "…"', 'is not JSON'])
})
