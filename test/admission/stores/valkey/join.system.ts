// The script with which a gateway says that it is there, against a real server.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { readScripts } from '../../../../src/admission/stores/valkey/script-files.ts'
import { missing } from '../../../support/needs.ts'
import { redisProgram, type RedisServer, startRedis } from '../../../support/redis.ts'

const leaseMs = 3000
const keys = ['{p}:epoch', '{p}:members']
const scripts = readScripts()

interface Reply {
  readonly now: number
  readonly graceUntil: number
  readonly schema: number
  readonly members: number
}

async function join(
  server: RedisServer,
  member = 'm1.1',
  { runId = 'run', schema = 1 } = {},
): Promise<Reply> {
  const description = JSON.stringify({ host: 'box', version: '1.0.0' })
  const args = [schema, runId, member, description, leaseMs]
  const text = await server.command('EVAL', scripts.get('join')!.source, keys.length, ...keys, ...args)
  const [now, graceUntil, found, members] = text.split('\n').map(Number)
  assert.ok(members !== undefined, text)
  return { now: now!, graceUntil: graceUntil!, schema: found!, members }
}

async function leave(server: RedisServer, member: string): Promise<void> {
  const source = scripts.get('leave')!.source
  await server.command('EVAL', source, keys.length, ...keys, member, JSON.stringify({ host: 'box' }))
}

/** As if the server's clock had run on, or back, since the last time: moves what is written instead. */
async function shiftClock(server: RedisServer, ms: number): Promise<void> {
  const now = Number(await server.command('HGET', keys[0]!, 'now'))
  await server.command('HSET', keys[0]!, 'now', now - ms)
  const members = (await server.command('HGETALL', keys[1]!)).split('\n')
  for (let index = 0; index < members.length; index += 2) {
    const entry = JSON.parse(members[index + 1]!) as { seen: number }
    entry.seen -= ms
    await server.command('HSET', keys[1]!, members[index]!, JSON.stringify(entry))
  }
}

suite('joining', { skip: missing(redisProgram) }, () => {
  test('begins an epoch, in which nothing new is granted for a lease', async (t) => {
    const server = await startRedis(t)
    const { now, graceUntil, members } = await join(server)
    assert.equal(graceUntil, now + leaseMs)
    assert.equal(members, 1)
    assert.equal(await server.command('HGET', keys[0]!, 'run_id'), 'run')
    for (const key of keys) assert.ok(Number(await server.command('PTTL', key)) > 0, key)
  })

  test('again, or as another member, changes nothing of the epoch', async (t) => {
    const server = await startRedis(t)
    const first = await join(server)
    for (const [member, members] of [
      ['m1.1', 1],
      ['m2.1', 2],
      ['m2.2', 2],
    ] as const) {
      const next = await join(server, member)
      assert.equal(next.graceUntil, first.graceUntil)
      assert.equal(next.members, members)
    }
  })

  test('at another run of the server begins a grace', async (t) => {
    const server = await startRedis(t)
    await join(server)
    await shiftClock(server, 1000)
    const { now, graceUntil } = await join(server, 'm1.1', { runId: 'other' })
    assert.equal(graceUntil, now + leaseMs)
  })

  test('after FLUSHALL begins a grace', async (t) => {
    const server = await startRedis(t)
    await join(server)
    await server.command('FLUSHALL')
    const { now, graceUntil } = await join(server)
    assert.equal(graceUntil, now + leaseMs)
  })

  test('after a jump of the clock begins a grace, while members were there', async (t) => {
    const server = await startRedis(t)
    await join(server)
    await shiftClock(server, 10 * leaseMs)
    const { now, graceUntil } = await join(server)
    assert.equal(graceUntil, now + leaseMs)
  })

  test('long after all have left begins none', async (t) => {
    const server = await startRedis(t)
    const { graceUntil } = await join(server)
    await leave(server, 'm1.1')
    await shiftClock(server, 10 * leaseMs)
    assert.equal((await join(server, 'm2.1')).graceUntil, graceUntil)
  })

  test('keeps a time that does not go back with a clock that is set back by a moment', async (t) => {
    const server = await startRedis(t)
    const { graceUntil } = await join(server)
    await shiftClock(server, -leaseMs)
    const before = Number(await server.command('HGET', keys[0]!, 'now'))
    const next = await join(server)
    assert.ok(next.now >= before, `${next.now} is before ${before}`)
    assert.equal(next.graceUntil, graceUntil)
  })

  for (const [what, now] of [
    ['ten minutes ahead', undefined],
    ['far ahead', '9e15'],
    ['endless', 'inf'],
    ['no number', 'nan'],
    ['below 0', '-1'],
    ['a text', 'soon'],
  ] as const) {
    test(`begins time anew, with a grace, where the latest time is ${what}`, async (t) => {
      const server = await startRedis(t)
      const first = await join(server)
      const poison = now ?? first.now + 600_000
      await server.command('HSET', keys[0]!, 'now', poison, 'grace_until', poison, 'alive_until', poison)
      const second = await join(server)
      assert.ok(second.now >= first.now && second.now < first.now + 60_000, `${second.now}`)
      assert.equal(second.graceUntil, second.now + leaseMs)
      const third = await join(server)
      assert.equal(third.graceUntil, second.graceUntil)
      assert.equal(third.members, 1)
    })
  }

  for (const graceUntil of ['9e15', 'inf', 'nan', 'x']) {
    test(`has no grace of more than a lease, though grace_until is ${graceUntil}`, async (t) => {
      const server = await startRedis(t)
      await join(server)
      await server.command('HSET', keys[0]!, 'grace_until', graceUntil)
      const next = await join(server)
      assert.equal(next.graceUntil, next.now + leaseMs)
      assert.equal(await server.command('HGET', keys[0]!, 'grace_until'), String(next.graceUntil))
    })
  }

  test('goes on where its keys are of another type, and where it was there since no time', async (t) => {
    const server = await startRedis(t)
    for (const key of keys) await server.command('SET', key, 'x')
    const { now } = await join(server)
    for (const since of ['1e999', '"x"', '[]', '-5', `${now + 600_000}`]) {
      await server.command('HSET', keys[1]!, 'm1.1', `{"host":"box","seen":${now},"since":${since}}`)
      assert.equal((await join(server)).members, 1)
      const entry = JSON.parse(await server.command('HGET', keys[1]!, 'm1.1')) as { since: number }
      assert.ok(entry.since >= now && entry.since < now + 60_000, `${since}: ${entry.since}`)
      await leave(server, 'm1.1')
    }
  })

  test('counts only machines that have joined within a lease, and forgets those of yesterday', async (t) => {
    const server = await startRedis(t)
    await join(server, 'm1.1')
    await join(server, 'm2.1')
    await leave(server, 'm2.1')
    assert.equal((await join(server, 'm1.1')).members, 1)
    await join(server, 'm3.1')
    await shiftClock(server, leaseMs + 1)
    assert.equal((await join(server, 'm1.1')).members, 1)
    await shiftClock(server, 86_400_001)
    await join(server, 'm4.1')
    assert.equal(await server.command('HKEYS', keys[1]!), 'm4.1')
  })

  test('is refused to a gateway that knows less than the store', async (t) => {
    const server = await startRedis(t)
    await join(server, 'm1.1', { schema: 2 })
    await assert.rejects(join(server, 'm2.1', { schema: 1 }), /OUTDATED .*schema 2.*knows 1/)
  })

  test('survives members that are no JSON', async (t) => {
    const server = await startRedis(t)
    await server.command('HSET', keys[1]!, 'm9.1', 'nonsense', 'm8.1', '7', 'm7.1', '{"seen":"x"}')
    assert.equal((await join(server)).members, 1)
    assert.equal(await server.command('HKEYS', keys[1]!), 'm1.1')
  })

  test('removes members that were seen at a time that has not come', async (t) => {
    const server = await startRedis(t)
    for (const [index, seen] of ['1e300', '1e999', 'nan'].entries())
      await server.command('HSET', keys[1]!, `m${index + 2}.1`, `{"host":"box","seen":${seen}}`)
    assert.equal((await join(server)).members, 1)
    assert.equal(await server.command('HKEYS', keys[1]!), 'm1.1')
  })
})
