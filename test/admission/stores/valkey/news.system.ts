// What a gateway makes of messages of the channel: those of every lawful name, and any number of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Allotments } from '../../../../src/admission/stores/valkey/allotments.ts'
import { exchangeArguments } from '../../../../src/admission/stores/valkey/exchange.ts'
import { missing } from '../../../support/needs.ts'
import { FakeClock, settled } from '../../../support/fake-clock.ts'
import { redisProgram } from '../../../support/redis.ts'
import { ExchangeServer } from './exchange-server.ts'

const scopeOf = (name: string) => ({
  key: `model:${name}`,
  limits: [{ limit: 1, lingerMs: 0 }],
  use: () => ({ used: [0], nextMs: undefined }),
})

/** @returns those of a gateway `a.1`, and how often those who wait were told. */
function listening(): { allotments: Allotments; clock: FakeClock; told: () => number } {
  const clock = new FakeClock(0)
  let count = 0
  const allotments = new Allotments({
    connection: { isUp: true, run: () => new Promise(() => {}) },
    prefix: 'p',
    member: 'a.1',
    clock,
    whenUnavailable: 'share',
    members: 2,
    onFreed: () => (count += 1),
    onBug: (error) => assert.fail(String(error)),
  })
  return { allotments, clock, told: () => count }
}

for (const name of [
  'qwen',
  'my model',
  ' ',
  '  two  spaces ',
  'a.1 b.1',
  'freed {p}:s:model:x a.1',
  'zeile\nzwei',
  'tab\tund\0null',
  'größe 模型 🦙',
  '{other}:s:model:m',
]) {
  test(
    `a gateway that waits hears of room for a model called ${JSON.stringify(name)}`,
    { skip: missing(redisProgram) },
    async (t) => {
      const server = await ExchangeServer.start(t)
      const key = `{p}:s:model:${name}`
      await server.client.hset('{p}:epoch', { schema: 1, now: 0, grace_until: 0, alive_until: 0 })
      let number = 0
      const exchange = (member: string, held: number, needed: number) => {
        number += 1
        const dimensions = [{ limit: 1, lingerMs: 0, held, used: held, wanted: needed, needed }]
        const args = exchangeArguments(member, 'news', [
          {
            number,
            nextMs: undefined,
            leaves: false,
            dimensions,
          },
        ])
        return server.run(['{p}:epoch', key], args, 1_700_000_000_000)
      }
      await exchange('b.1', 0, 1)
      await exchange('a.1', 0, 1)
      const { news } = await exchange('b.1', 0, 0)
      assert.deepEqual(news, [`freed ${key} a.1`])
      const { allotments, told } = listening()
      allotments.ceilings(scopeOf(name))
      allotments.hear(news[0]!)
      await settled()
      assert.equal(told(), 1)
    },
  )
}

test('those who wait are told of a flood of messages once, and once more at its end', async () => {
  const { allotments, clock, told } = listening()
  allotments.ceilings(scopeOf('m'))
  for (let count = 0; count < 10_000; count += 1) allotments.hear('freed {p}:s:model:m a.1')
  await settled()
  assert.equal(told(), 1)
  for (let count = 0; count < 10_000; count += 1) allotments.hear('freed {p}:s:model:m a.1')
  await settled()
  assert.equal(told(), 1)
  clock.advance(5)
  await settled()
  assert.equal(told(), 2)
})

test('messages of others, and what is none, tell nobody anything', async () => {
  const { allotments, told } = listening()
  allotments.ceilings(scopeOf('m'))
  for (const message of [
    '',
    ' ',
    'freed',
    'freed ',
    'freed a.1',
    'freed  a.1',
    'freed {p}:s:model:m',
    'freed {p}:s:model:m b.1',
    'freed {p}:s:model:m  a.1',
    'freed {q}:s:model:m a.1',
    'freed {p}:s:model:m a.1 ',
    'Freed {p}:s:model:m a.1',
  ]) {
    allotments.hear(message)
  }
  await settled()
  assert.equal(told(), 0)
})
