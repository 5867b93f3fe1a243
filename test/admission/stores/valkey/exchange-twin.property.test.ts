// exchange.lua on a real server against its twin: after each exchange of a random sequence, the same reply, messages and state.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type DimensionState,
  type Exchange,
  exchangeArguments,
  leaseMs,
  wantMs,
} from '../../../../src/admission/stores/valkey/exchange.ts'
import { readReply } from '../../../../src/admission/stores/valkey/replies.ts'
import { readScripts } from '../../../../src/admission/stores/valkey/script-files.ts'
import { missing } from '../../../support/needs.ts'
import { fc } from '../../../support/properties.ts'
import { redisProgram } from '../../../support/redis.ts'
import { ExchangeServer } from './exchange-server.ts'
import { emptyTwin, epochFields, scopeFields, twinExchange, type TwinReply } from './exchange-twin.ts'

interface Step {
  readonly afterMs: number
  readonly member: string
  /** Added to the number of the member's last exchange: 0 and less are late ones. */
  readonly later: number
  readonly nextMs: number | undefined
  readonly leaves: boolean
  readonly dimensions: readonly Omit<DimensionState, 'limit' | 'lingerMs'>[]
  readonly schema: number
  readonly isFlushed: boolean
  /** As join.lua sets it. */
  readonly joins: boolean
}

const limits = [
  { limit: 12, lingerMs: 60_000 },
  { limit: undefined, lingerMs: 60_000 },
  { limit: 3, lingerMs: 0 },
]
const few = fc.oneof(fc.constant(0), fc.nat({ max: 9 }))
const rarely = fc.integer({ min: 0, max: 60 }).map((each) => each === 60)
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    afterMs: fc.oneof(
      fc.constantFrom(
        0,
        1,
        leaseMs + 1,
        leaseMs + 2,
        leaseMs + 3,
        60_000,
        63_002,
        -1_000,
        -3_001,
        -5_000,
        -600_000,
      ),
      fc.nat({ max: 1_500 }),
      fc.nat({ max: 4_000 }),
    ),
    member: fc.constantFrom('a.1', 'a.2', 'b.1', 'c.1'),
    later: fc.oneof(
      { weight: 6, arbitrary: fc.constant(1) },
      { weight: 1, arbitrary: fc.integer({ min: -2, max: 3 }) },
    ),
    nextMs: fc.option(fc.nat({ max: 60_000 }), { nil: undefined }),
    leaves: rarely,
    dimensions: fc.tuple(...limits.map(() => fc.record({ held: few, used: few, wanted: few, needed: few }))),
    schema: fc.oneof(
      { weight: 30, arbitrary: fc.constant(1) },
      { weight: 1, arbitrary: fc.constantFrom(0, 2) },
    ),
    isFlushed: rarely,
    joins: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40 },
)

const keys = ['{p}:epoch', '{p}:s:model:m']

/** Both get the same sequence. @throws AssertionError at the first difference. */
async function compare(
  server: ExchangeServer,
  sequence: readonly Step[],
  seen: Map<string, number>,
): Promise<void> {
  await server.client.flushall()
  const twin = emptyTwin()
  const numbers = new Map<string, number>()
  let nowMs = 1_700_000_000_000
  for (const step of sequence) {
    nowMs += step.afterMs
    if (step.isFlushed) {
      await server.client.flushall()
      Object.assign(twin, { epoch: undefined })
      twin.members.clear()
      twin.wants.clear()
    }
    if (step.joins && twin.epoch !== undefined) {
      twin.epoch.aliveUntil = nowMs + leaseMs
      await server.client.hset(keys[0]!, 'alive_until', nowMs + leaseMs)
    }
    const last = numbers.get(step.member) ?? 10
    numbers.set(step.member, Math.max(last, last + step.later))
    const exchange: Exchange = {
      number: last + step.later,
      nextMs: step.nextMs,
      leaves: step.leaves,
      dimensions: step.dimensions.map((each, index) => ({ ...limits[index]!, ...each })),
    }
    const { schema, member } = step
    const args = exchangeArguments(member, 'news', exchange)
    args[0] = schema
    const real = await server
      .run(keys, args, nowMs)
      .then(({ reply, news }) => ({ reply: readReply('exchange', reply, { keys, args }) as TwinReply, news }))
      .catch((error: Error) => {
        assert.match(
          error.message,
          /^OUTDATED the store is used with the schema [12], and this gateway knows [01]$/,
        )
        return { reply: { kind: 'outdated' } as const, news: [] }
      })
    const own = twinExchange(twin, { schema, leaseMs, wantMs, member, exchange }, nowMs)
    assert.deepEqual(real.reply, own.reply)
    assert.deepEqual(
      real.news,
      own.news.map((each) => `${each.kind} ${keys[1]} ${each.member}`),
    )
    const [epoch, scope] = await Promise.all(keys.map((key) => server.client.hgetall(key)))
    assert.deepEqual(sorted(scope!), sorted(Object.fromEntries(scopeFields(twin))))
    assert.deepEqual(sorted(epoch!), sorted(Object.fromEntries(epochFields(twin))))
    const kinds = [real.reply.kind as string, ...own.news.map(({ kind }) => kind)]
    for (const kind of kinds) seen.set(kind, 1 + (seen.get(kind) ?? 0))
  }
  for (const key of await server.client.keys('{p}:*')) assert.ok((await server.client.pttl(key)) > 0, key)
}

function sorted(fields: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(fields).toSorted(([one], [other]) => (one < other ? -1 : 1))
}

const skip = missing(redisProgram)

test('exchange.lua and its twin agree on every reply, message and field', { skip }, async (t) => {
  const server = await ExchangeServer.start(t)
  const seen = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(steps, (sequence) => compare(server, sequence, seen)),
    { numRuns: 150 },
  )
  for (const kind of ['ok', 'grace', 'stale', 'outdated', 'freed', 'wanted']) {
    assert.ok(seen.get(kind)! > 5, `${kind}: ${seen.get(kind)}`)
  }
})

const changes: readonly (readonly [from: string, to: string])[] = [
  ['own[1] >= number', 'own[1] > number'],
  ['values[2] + dimension.lingerMs > now', 'values[2] > now'],
  ['want.since < since or', 'want.since > since or'],
  ['dimension.free - want.values[2 + 2 * index]', 'dimension.free - want.values[1 + 2 * index]'],
  ['needed > fair then keep = 0', 'needed >= fair then keep = 0'],
  ['dimension.held + dimension.others > dimension.limit then', 'false then'],
  ['leaves and now or now + leaseMs + 2', 'leaves and now or now + leaseMs'],
  ['math.max(real, last or 0)', 'real'],
  ['whole(stored, real + aheadMs)', 'whole(stored, real + 9 * aheadMs)'],
  ['values[2] > now + leaseMs + 2 then', 'false then'],
  ['values[2] <= now + wantMs', 'true'],
  ['leavesAt > allLeaveAt then', 'false then'],
  ['local hasRoom = not grace', 'local hasRoom = true'],
]

for (const [from, to] of changes) {
  test(`the comparison notices ${from} → ${to}`, { skip }, async (t) => {
    const { source } = readScripts().get('exchange')!
    assert.equal(source.split(from).length, 2)
    const server = await ExchangeServer.start(t, source.replace(from, to))
    const runs = fc.assert(
      fc.asyncProperty(steps, (sequence) => compare(server, sequence, new Map())),
      { numRuns: 1_000, endOnFailure: true },
    )
    await assert.rejects(runs, /AssertionError|Property failed/)
  })
}
