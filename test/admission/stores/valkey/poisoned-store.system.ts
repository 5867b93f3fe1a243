// Whoever has the URL of the store can write there. Whatever stands in one of its keys, each script replies as it should, over a real
// server, and the next exchange counts as before. (That others lose what was deleted is no matter of this.)
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { connectStore } from '../../../../src/admission/stores/valkey/connection.ts'
import { exchangeArguments, type ExchangeReply } from '../../../../src/admission/stores/valkey/exchange.ts'
import { StoreFault } from '../../../../src/admission/stores/valkey/store-fault.ts'
import { readStoreUrl } from '../../../../src/config/store-url.ts'
import { systemClock } from '../../../../src/platform/clock.ts'
import { until } from '../../../support/deadline.ts'
import { missing } from '../../../support/needs.ts'
import { redisProgram, startRedis } from '../../../support/redis.ts'
import type { Cleanup } from '../../../support/scripted-upstream.ts'
import { openClient } from '../../../../src/admission/stores/valkey/client.ts'

const key = (name: string) => `{p}:${name}`
const scope = 's:model:m'
const id = '0'.repeat(24)

async function start(t: Cleanup) {
  const redis = await startRedis(t)
  const client = await openClient(
    { host: '127.0.0.1', port: redis.port },
    { isEncrypted: false, ca: undefined },
  )
  t.after(() => client.disconnect())
  const found = readStoreUrl(redis.url, 'env URL')
  assert.ok(found.kind === 'read')
  const store = await connectStore({
    endpoint: found.endpoint,
    ca: undefined,
    prefix: 'p',
    member: { machine: 'm1', process: '1', host: 'box', version: '1.0.0' },
    schema: 1,
    leaseMs: 3000,
    setTimer: systemClock.setTimer,
    chance: () => 0,
  })
  t.after(() => store.close())
  await until(() => store.isUp, 'the connection')
  let number = 10
  const exchange = async (member: string, held: number, needed = 0): Promise<ExchangeReply> => {
    number += 1
    const dimensions = [{ limit: 10, lingerMs: 60_000, held, used: held, wanted: needed, needed }]
    const args = exchangeArguments(member, key('news'), [
      {
        number,
        nextMs: undefined,
        leaves: false,
        dimensions,
      },
    ])
    const [reply] = await store.run('exchange', [key('epoch'), key(scope)], args, 10_000)
    if (reply instanceof StoreFault) throw reply
    return reply!
  }
  /** One after the other; each of them replies as it should, or this rejects. */
  const runAll = async (): Promise<void> => {
    const epoch = [key('epoch'), key('members')]
    const slow = 10_000
    await store.run('look', [...epoch, key(scope)], [], slow)
    const lists = ['epoch', 'keys', 'keys:list', 'keys:held', 'members'].map(key)
    await store.run('read-keys', lists, [1, 'm1', 1, 'd', 0, 262_144], slow)
    const question = [key('epoch'), key(`ask:${id}`)]
    await store.run('read-question', question, [], slow)
    await store.run('answer', [...question, key(`answer:${id}`)], ['piece', 1000, 64, key('news'), id], slow)
    await store.run('collect', [...question, key(`answer:${id}`)], [0], slow)
    await store.run('forget', epoch, ['m9', '0', key('s:*'), 3000], slow)
    await store.run('leave', epoch, ['m2.1', '{"host":"box"}'], slow)
    await store.run('join', epoch, [1, 'run', 'm1.1', '{"host":"box"}', 3000], slow)
    assert.notEqual((await exchange('m1.1', 1)).kind, 'stale')
    await store.run(
      'publish-keys',
      [...lists.slice(0, 3), key('keys:new:u')],
      [1, 2, 'd', 4, 0, 'list', '', key('news')],
      slow,
    )
  }
  return { client, store, exchange, runAll }
}

const oddValues = [
  '',
  ' ',
  'nan',
  '-nan',
  'inf',
  '-1',
  '0.5',
  '1e308',
  '9e15',
  '0x10',
  '99999999999999999999',
  'x',
  '{}',
  '[]',
  'null',
]
const long = 'a'.repeat(100_000)

suite('a store that somebody has written into', { skip: missing(redisProgram) }, () => {
  for (const name of [
    'epoch',
    'members',
    scope,
    'keys',
    'keys:list',
    'keys:held',
    `ask:${id}`,
    `answer:${id}`,
  ]) {
    test(`goes on: a key of another type, ${name}`, async (t) => {
      const { client, store, runAll } = await start(t)
      for (const write of ['set', 'rpush', 'sadd', 'hset', 'zadd', 'xadd'] as const) {
        await client.del(key(name))
        if (write === 'set') await client.set(key(name), long)
        else if (write === 'hset') await client.hset(key(name), 'a', long)
        else if (write === 'zadd') await client.zadd(key(name), 1, 'a')
        else if (write === 'xadd') await client.xadd(key(name), '*', 'a', 'b')
        else await client[write](key(name), long)
        await runAll()
      }
      assert.equal(store.fault, undefined)
    })
  }

  for (const [name, fields] of [
    ['epoch', ['now', 'grace_until', 'alive_until', 'run_id']],
    ['keys', ['generation', 'size', 'digest']],
    ['keys:held', ['m1']],
    ['members', ['m1.1', 'm2.1', 'm3', '', long]],
    [scope, ['m:m1.1', 'm:m2.1', 'w:m1.1', 'w:m2.1', 'x', '', long]],
  ] as const) {
    for (const field of fields) {
      test(`goes on: any value of the field ${field.slice(0, 20)} of ${name}`, async (t) => {
        const { client, store, runAll } = await start(t)
        const packed = oddValues.flatMap((odd) => [
          `${odd} 1 1 1 1`,
          `1 ${odd} 1 1 1`,
          `1 1 1 ${odd} 1`,
          `1 1 ${odd} 1`,
          `1 1 1 ${odd}`,
        ])
        const members = oddValues.map((odd) => `{"host":"b","seen":1,"since":${odd},"left":${odd}}`)
        const seen = oddValues.map((odd) => `{"host":"b","seen":${odd}}`)
        const deep = `{"seen":${'['.repeat(50_000)}`
        const own = name === scope ? packed : name === 'members' ? [...members, ...seen, deep] : []
        for (const value of [...oddValues, ...own, long]) {
          await client.hset(key(name), { [field]: value })
          await runAll()
        }
        assert.equal(store.fault, undefined)
      })
    }
  }

  test('counts a gateway on whose number was made a very large one', async (t) => {
    const { client, exchange } = await start(t)
    await client.hset(key('epoch'), { grace_until: 0 })
    const first = await exchange('m1.1', 4)
    assert.equal(first.kind, 'ok')
    const field = (await client.hget(key(scope), 'm:m1.1'))!
    for (const number of ['4503599627370495', '4503599627370496', '9e15']) {
      await client.hset(key(scope), 'm:m1.1', field.replace(/^\d+/, number))
      assert.equal((await exchange('m1.1', 4)).kind, 'ok')
      const other = await exchange('m2.1', 0)
      assert.ok(other.kind === 'ok')
      assert.equal(other.dimensions[0]!.others, 4)
    }
  })

  test('counts what was granted before its time began anew, and grants nothing for a lease', async (t) => {
    const { client, exchange } = await start(t)
    await client.hset(key('epoch'), { grace_until: 0 })
    await exchange('m1.1', 10)
    await client.hset(key('epoch'), { now: '9e15', grace_until: 0 })
    const other = await exchange('m2.1', 0, 1)
    assert.ok(other.kind === 'grace')
    assert.deepEqual([other.dimensions[0]!.held, other.dimensions[0]!.others], [0, 10])
    const now = Number(await client.hget(key('epoch'), 'now'))
    assert.ok(now < Date.now() + 60_000, String(now))
  })

  test('has a lease that ends in a year end with those of now', async (t) => {
    const { client, exchange } = await start(t)
    const now = Number(await client.hget(key('epoch'), 'now'))
    await client.hset(key(scope), 'm:ghost', `1 ${now + 365 * 86_400_000} ${now + 365 * 86_400_000} 10 10`)
    const reply = await exchange('m1.1', 0, 1)
    assert.ok(reply.kind === 'grace')
    assert.equal(reply.dimensions[0]!.others, 10)
    assert.ok(reply.nextMs! <= 63_002, String(reply.nextMs))
    const ends = Number((await client.hget(key(scope), 'm:ghost'))!.split(' ')[1])
    assert.ok(ends - now <= 60_000, String(ends - now))
  })

  test('keeps its epoch for two days, whichever script has used it last', async (t) => {
    const { client, exchange, runAll, store } = await start(t)
    const days = async () => (await client.pttl(key('epoch'))) / 86_400_000
    await exchange('m1.1', 0)
    assert.ok((await days()) > 1.9 && (await days()) <= 2, String(await days()))
    await runAll()
    assert.ok((await days()) > 1.9 && (await days()) <= 2, String(await days()))
    await client.del(key('epoch'))
    await store.run('leave', [key('epoch'), key('members')], ['m1.1', '{"host":"box"}'])
    assert.notEqual(await client.pttl(key('epoch')), -1)
  })

  test('has no more read of it than people look at', async (t) => {
    const { client, store } = await start(t)
    for (let count = 0; count < 2; count += 1) {
      const fields = Array.from({ length: 2_000 }, (_, at): [string, string] => [
        `m${count}.${at}`,
        'a'.repeat(4_000),
      ])
      await client.hset(key(scope), Object.fromEntries(fields))
    }
    await client.hset(key(scope), 'long', 'a'.repeat(1_000_000))
    const { fields } = await store.run('look', ['epoch', 'members', scope].map(key), [], 30_000)
    const bytes = fields[1]!.reduce((sum, [name, value]) => sum + name.length + value.length, 0)
    assert.ok(bytes > 4_000_000 && bytes <= 8_388_608, String(bytes))
  })
})
