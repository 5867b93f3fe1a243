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
import { emptyTwin, epochFields, scopeFields, twinExchange } from './exchange-twin.ts'

interface Step {
  readonly afterMs: number
  readonly member: string
  /** Added to the number of the member's last exchange: 0 and less are late ones. */
  readonly later: number
  readonly nextMs: number | undefined
  readonly leaves: boolean
  /** Of each scope that the exchange is about. */
  readonly stated: readonly (readonly Omit<DimensionState, 'limit' | 'lingerMs'>[])[]
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
    stated: fc.array(
      fc.tuple(...limits.map(() => fc.record({ held: few, used: few, wanted: few, needed: few }))),
      { minLength: 1, maxLength: 2 },
    ),
    schema: fc.oneof(
      { weight: 30, arbitrary: fc.constant(1) },
      { weight: 1, arbitrary: fc.constantFrom(0, 2) },
    ),
    isFlushed: rarely,
    joins: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40 },
)

const epochKey = '{p}:epoch'
const scopeKeys = ['{p}:s:model:m', '{p}:s:model:n']

/** Both get the same sequence. @throws AssertionError at the first difference. */
async function compare(
  server: ExchangeServer,
  sequence: readonly Step[],
  seen: Map<string, number>,
): Promise<void> {
  await server.client.flushall()
  const twins = scopeKeys.map(() => emptyTwin())
  const numbers = new Map<string, number>()
  let nowMs = 1_700_000_000_000
  for (const step of sequence) {
    nowMs += step.afterMs
    if (step.isFlushed) {
      await server.client.flushall()
      for (const twin of twins) Object.assign(twin, emptyTwin())
    }
    if (step.joins && twins[0]!.epoch !== undefined) {
      twins[0]!.epoch.aliveUntil = nowMs + leaseMs
      await server.client.hset(epochKey, 'alive_until', nowMs + leaseMs)
    }
    const last = numbers.get(step.member) ?? 10
    numbers.set(step.member, Math.max(last, last + step.later))
    const exchanges = step.stated.map((stated): Exchange => {
      const dimensions = stated.map((each, index) => ({ ...limits[index]!, ...each }))
      return { number: last + step.later, nextMs: step.nextMs, leaves: step.leaves, dimensions }
    })
    const { schema, member } = step
    const args = exchangeArguments(member, 'news', exchanges)
    args[0] = schema
    const keys = scopeKeys.slice(0, exchanges.length)
    const real = await server
      .run([epochKey, ...keys], args, nowMs)
      .then(({ reply, news }) => ({ replies: readReply('exchange', reply, { keys, args }), news }))
      .catch((error: Error) => {
        assert.match(
          error.message,
          /^OUTDATED the store is used with the schema [12], and this gateway knows [01]$/,
        )
        return { replies: exchanges.map(() => ({ kind: 'outdated' })), news: [] }
      })
    const own = exchanges.map((exchange, index) => {
      const twin = twins[index]!
      // The epoch is of all scopes.
      twin.epoch = twins[0]!.epoch
      const result = twinExchange(twin, { schema, leaseMs, wantMs, member, exchange }, nowMs)
      for (const other of twins) other.epoch = twin.epoch
      return result
    })
    assert.deepEqual(
      real.replies,
      own.map(({ reply }) => reply),
    )
    assert.deepEqual(
      real.news,
      own.flatMap(({ news }, index) => news.map((each) => `${each.kind} ${keys[index]} ${each.member}`)),
    )
    for (const [index, key] of scopeKeys.entries()) {
      const fields = await server.client.hgetall(key)
      assert.deepEqual(sorted(fields), sorted(Object.fromEntries(scopeFields(twins[index]!))))
    }
    const epoch = await server.client.hgetall(epochKey)
    assert.deepEqual(sorted(epoch), sorted(Object.fromEntries(epochFields(twins[0]!))))
    const kinds = own.flatMap(({ reply, news }) => [reply.kind, ...news.map(({ kind }) => kind)])
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
  ['held - used + needed > fair', 'held - used + needed >= fair'],
  ['held - used + needed > fair', 'needed > fair'],
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
