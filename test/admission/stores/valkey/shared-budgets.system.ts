// Budgets that several machines share, over a real server: what their books admit together.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import type {
  BudgetDemand,
  BudgetHold,
  BudgetScope,
  BudgetSettings,
} from '../../../../src/admission/budget.ts'
import { BudgetBook } from '../../../../src/admission/budget-book.ts'
import type { SavedBudgets } from '../../../../src/admission/spent-windows.ts'
import { Allotments, type WhenUnavailable } from '../../../../src/admission/stores/valkey/allotments.ts'
import { connectStore, type StoreConnection } from '../../../../src/admission/stores/valkey/connection.ts'
import { leaseMs, schemaVersion } from '../../../../src/admission/stores/valkey/exchange.ts'
import type { ExchangeConnection } from '../../../../src/admission/stores/valkey/exchanges.ts'
import { SharedBudgets } from '../../../../src/admission/stores/valkey/shared-budgets.ts'
import { readStoreUrl } from '../../../../src/config/store-url.ts'
import type { Budget } from '../../../../src/domain.ts'
import { systemClock } from '../../../../src/platform/clock.ts'
import { until } from '../../../support/deadline.ts'
import { missing } from '../../../support/needs.ts'
import { fc } from '../../../support/properties.ts'
import { redisProgram, type RedisServer, startRedis } from '../../../support/redis.ts'
import { trustEpoch } from '../../../support/store-epoch.ts'
import { spendingCall as call } from '../../../support/spending-call.ts'

const { setTimer } = systemClock
const settings = { timeZone: 'UTC', reserve: 'predicted', whenExhausted: 'finish' } as const
const used = { kind: 'used', tokens: 0 } as const

function tokens(limit: number, per: Budget['per'] = 'day'): Budget {
  return { unit: 'tokens', limit, per }
}

function key(...budgets: Budget[]): BudgetScope {
  return { name: 'key:k_1', entry: 'ci', budgets }
}

function demand(amount: number, ...scopes: BudgetScope[]): BudgetDemand {
  return { scopes, rates: undefined, nano: 0, tokens: amount, promptTokens: 0, call }
}

interface MachineOptions {
  readonly name: string
  readonly prefix?: string
  readonly whenUnavailable?: WhenUnavailable
  readonly settings?: BudgetSettings
  /** Of the run before. */
  readonly saved?: SavedBudgets
  readonly clock?: { ms: number }
  readonly firstNumber?: number
}

type Way = 'open' | 'cut' | 'deaf'

/** One machine, as far as it spends. */
class Machine {
  /** `cut`: nothing reaches the server. `deaf`: what it replies is lost. */
  way: Way = 'open'
  /** Called at once when a call has been admitted. */
  onTaken: ((hold: BudgetHold) => void) | undefined
  /** Added to the monotonic clock. */
  laterMs = 0
  readonly #now = () => performance.now() + this.laterMs
  readonly book: BudgetBook
  readonly connection: StoreConnection
  readonly #allotments: Allotments

  private constructor(connection: StoreConnection, options: MachineOptions) {
    const { name, prefix = 'p', whenUnavailable = 'share', clock } = options
    const wallNow = () => clock?.ms ?? Date.now()
    this.connection = connection
    this.#allotments = new Allotments({
      connection: this.#gate(connection),
      prefix,
      member: name,
      clock: { now: this.#now, wallNow: this.#now, setTimer },
      firstNumber: options.firstNumber ?? Date.now() * 1000,
      whenUnavailable,
      members: 2,
      onFreed: () => ceilings.onFreed(),
      onBug: (error) => {
        throw error
      },
    })
    const ceilings = new SharedBudgets({
      allotments: this.#allotments,
      keyOf: (scope) => (scope.startsWith('client:ip:') ? undefined : scope),
      whenUnavailable,
      wallNow,
      setTimer,
    })
    this.book = new BudgetBook({ wallNow, ceilings })
    if (options.saved !== undefined) this.book.restore(options.saved)
    this.book.follow(options.settings ?? settings)
    connection.onNews = (message) => this.#allotments.hear(message)
    connection.onChange = () => this.#allotments.reconnected()
    connection.onGrace = () => void this.#allotments.restate()
  }

  static async start(t: TestContext, server: RedisServer, options: MachineOptions): Promise<Machine> {
    const read = readStoreUrl(server.url, 'env URL')
    assert.ok(read.kind === 'read')
    const connection = await connectStore({
      endpoint: read.endpoint,
      ca: undefined,
      prefix: options.prefix ?? 'p',
      member: { machine: options.name, process: '1', host: options.name, version: '1.0.0' },
      schema: schemaVersion,
      leaseMs,
      setTimer,
      chance: () => 0,
    })
    const machine = new Machine(connection, options)
    t.after(() => machine.crash())
    await until(() => connection.isUp, 'the connection')
    return machine
  }

  #gate(connection: StoreConnection): ExchangeConnection {
    const isOpen = () => this.way !== 'cut' && connection.isUp
    return {
      get isUp() {
        return isOpen()
      },
      run: async (script, keys, args) => {
        if (this.way === 'cut') throw new Error('cut')
        const reply = await connection.run(script, keys, args)
        if (this.way === 'deaf') throw new Error('deaf')
        return reply
      },
    }
  }

  turn(way: Way): void {
    this.way = way
    this.#allotments.reconnected()
  }

  /** As `Admission` does: what does not fit is asked for, then looked at once more. */
  async take(amount: number, ...scopes: BudgetScope[]): Promise<BudgetHold | undefined> {
    const of = demand(amount, ...scopes)
    for (let count = 0; ; count++) {
      const taken = this.book.take(of)
      if (taken.kind === 'held') {
        this.onTaken?.(taken)
        return taken
      }
      const asked = count < 3 ? this.book.ask(of) : undefined
      if (asked === undefined) return undefined
      await asked
    }
  }

  async spend(amount: number, ...scopes: BudgetScope[]): Promise<boolean> {
    const hold = await this.take(amount, ...scopes)
    if (hold !== undefined) this.settle(hold, amount)
    return hold !== undefined
  }

  settle(hold: BudgetHold, amount: number): void {
    this.book.settle(hold, used, { nano: 0, tokens: amount })
  }

  stated(...scopes: BudgetScope[]): Promise<void> {
    return this.book.look(scopes)
  }

  /** Without a word to the server. */
  async crash(): Promise<void> {
    this.#allotments.offer()
    await this.connection.close()
  }
}

async function world(t: TestContext, prefix = 'p'): Promise<RedisServer> {
  const server = await startRedis(t)
  await trustEpoch(server, prefix)
  return server
}

suite('a budget that machines share', { skip: missing(redisProgram) }, () => {
  test('is spent to the last token, whoever spends it, and never twice', async (t) => {
    const server = await world(t)
    const [a, b] = [
      await Machine.start(t, server, { name: 'a' }),
      await Machine.start(t, server, { name: 'b' }),
    ]
    const ci = key(tokens(1000))
    assert.ok(await a.spend(600, ci))
    assert.equal(await b.spend(401, ci), true, 'a call that is larger than the rest has it to itself')
    assert.equal(await a.spend(1, ci), false)
    const refusal = b.book.take(demand(1, ci))
    assert.ok(refusal.kind === 'budget_exceeded')
    assert.deepEqual([refusal.spent, refusal.reserved], [1001, 0], 'what all have spent')
  })

  test('leaves nothing reserved where a call is refused, and no other call waits for that', async (t) => {
    const server = await world(t)
    const [a, b] = [
      await Machine.start(t, server, { name: 'a' }),
      await Machine.start(t, server, { name: 'b' }),
    ]
    const ci = key(tokens(1000))
    const first = await a.take(800, ci)
    assert.ok(first !== undefined)
    assert.equal(await b.take(300, ci), undefined, 'it does not fit beside what is reserved elsewhere')
    assert.deepEqual(
      b.book.describe([ci]).map(({ spent, reserved }) => [spent, reserved]),
      [[0, 800]],
    )
    assert.ok(await b.spend(200, ci))
    a.settle(first, 100)
    assert.ok(await b.spend(300, ci), 'what was reserved and not spent is there for others')
    assert.ok(await b.spend(400, ci))
    assert.equal(await a.spend(1, ci), false)
  })

  test('keeps what a machine has spent that crashed, and knows it again after its start', async (t) => {
    const server = await world(t)
    const [a, b] = [
      await Machine.start(t, server, { name: 'a' }),
      await Machine.start(t, server, { name: 'b' }),
    ]
    const ci = key(tokens(1000, 'total'))
    await a.spend(400, ci)
    const open = await a.take(100, ci)
    assert.ok(open !== undefined)
    const saved = a.book.dump()
    await a.crash()
    // As if that had been an hour ago, by the server's clock.
    const scope = await server.command('KEYS', '{p}:s:b:*')
    const [number, leaseEnds, ...others] = (await server.command('HGET', scope, 'm:a')).split(' ')
    const packed = [number, Number(leaseEnds) - 3_600_000, ...others].join(' ')
    await server.command('HSET', scope, 'm:a', packed)
    assert.ok(await b.spend(450, ci))
    assert.ok(b.book.describe([ci])[0]!.spent >= 850, 'what both have spent')
    // The machine's clock was set back meanwhile.
    const again = await Machine.start(t, server, { name: 'a', saved, firstNumber: 0 })
    assert.ok(await again.spend(50, ci), 'what it had reserved is spent, and not more')
    assert.equal(await b.spend(1, ci), false)
    assert.deepEqual(
      b.book.describe([ci]).map(({ spent }) => spent),
      [1000],
    )
  })

  test('goes on being kept after the server has lost all', async (t) => {
    const server = await world(t)
    const [a, b] = [
      await Machine.start(t, server, { name: 'a' }),
      await Machine.start(t, server, { name: 'b' }),
    ]
    const ci = key(tokens(1000))
    await a.spend(900, ci)
    // It is long since a call has looked at the budget.
    a.laterMs = 60_000
    await server.command('FLUSHALL')
    // Neither of them calls: each states by itself what it has spent.
    await until(
      async () => (await server.command('HGET', '{p}:s:b:key:k_1:tokens:day:' + midnight(), 'm:a')) !== '',
      'the statement',
    )
    await until(async () => {
      const [now, graceUntil] = (await server.command('HMGET', '{p}:epoch', 'now', 'grace_until'))
        .split('\n')
        .map(Number)
      return now! >= graceUntil!
    }, 'the end of the grace')
    assert.equal(await b.take(500, ci).then((hold) => hold?.tokens), 500, 'the rest, to itself')
    assert.equal(await a.spend(1, ci), false)
  })

  for (const [whenUnavailable, most] of [
    ['share', 500],
    ['refuse', 0],
    ['local', 1000],
  ] as const) {
    test(`lets a machine spend ${most} of 1000 while the server is away: ${whenUnavailable}`, async (t) => {
      const server = await world(t)
      const a = await Machine.start(t, server, { name: 'a', whenUnavailable })
      await server.kill()
      await until(() => !a.connection.isUp, 'the loss of the connection')
      const ci = key(tokens(1000))
      if (most > 0) assert.ok(await a.spend(most, ci))
      const refusal = a.book.take(demand(10, ci))
      assert.equal(refusal.kind, whenUnavailable === 'refuse' ? 'budget_unavailable' : 'budget_exceeded')
    })
  }

  test('cuts calls under way once all together have spent it', async (t) => {
    const server = await world(t)
    const cuts = { ...settings, whenExhausted: 'cut' } as const
    const [a, b] = [
      await Machine.start(t, server, { name: 'a', settings: cuts }),
      await Machine.start(t, server, { name: 'b', settings: cuts }),
    ]
    const ci = key(tokens(1000))
    const open = await a.take(100, ci)
    const other = await b.take(900, ci)
    assert.ok(open !== undefined && other !== undefined)
    const cut = new Promise((resolve) => (open.interruptible = { interrupt: resolve }))
    b.settle(other, 1000)
    assert.match(String(await cut), /The budget of the key "ci".* 1000 tokens are spent/)
  })

  test('of an address is its machine’s alone', async (t) => {
    const server = await world(t)
    const [a, b] = [
      await Machine.start(t, server, { name: 'a' }),
      await Machine.start(t, server, { name: 'b' }),
    ]
    const address = { name: 'client:ip:192.0.2.1', entry: 'ip:*', budgets: [tokens(100)] }
    assert.ok(await a.spend(100, address))
    assert.ok(await b.spend(100, address))
    assert.equal(await server.command('KEYS', '{p}:s:*'), '')
  })
})

type Step =
  | { readonly kind: 'take'; readonly at: number; readonly amount: number }
  | { readonly kind: 'grow' | 'settle'; readonly nth: number; readonly part: number }
  | { readonly kind: 'way'; readonly at: number; readonly way: Way }
  | { readonly kind: 'crash'; readonly at: number }
  | { readonly kind: 'settled' }

const limit = 1000
const names = ['a', 'b', 'c']
const at = fc.nat(names.length - 1)
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('take' as const),
        at,
        amount: fc.integer({ min: 1, max: 300 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('settle' as const),
        nth: fc.nat(),
        part: fc.double({ min: 0, max: 1.2, noNaN: true }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('grow' as const),
        nth: fc.nat(),
        part: fc.double({ min: 1, max: 1.2, noNaN: true }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('way' as const),
        at,
        way: fc.constantFrom<Way>('open', 'open', 'cut', 'deaf'),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), at }) },
    // Everything that is under way comes to its end.
    { weight: 2, arbitrary: fc.constant({ kind: 'settled' as const }) },
  ),
  { minLength: 30, maxLength: 60, size: 'max' },
)

test(
  'a budget is exceeded by none but single calls, whatever becomes of machines and connections',
  { skip: missing(redisProgram) },
  async (t) => {
    const server = await startRedis(t)
    let runs = 0
    let admitted = 0
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const prefix = `p${++runs}`
        await trustEpoch(server, prefix)
        const scope = key(tokens(limit, 'total'))
        const machines: Machine[] = []
        const open: { readonly machine: Machine; readonly hold: BudgetHold }[] = []
        /** What calls took beyond what they had been admitted with. */
        let grown = 0
        const usedBy = ({ book }: Machine) => {
          const [account] = book.dump().accounts
          const spent = account?.windows.find(([per]) => per === 'total')?.[3] ?? 0
          return { spent, reserved: account?.tokens ?? 0 }
        }
        const usedByAll = () =>
          machines.reduce((sum, each) => sum + usedBy(each).spent + usedBy(each).reserved, 0)
        const start = async (index: number, saved?: SavedBudgets) => {
          const machine = await Machine.start(t, server, {
            name: names[index]!,
            prefix,
            whenUnavailable: 'refuse',
            ...(saved && { saved }),
          })
          machine.onTaken = (hold) => {
            admitted += 1
            open.push({ machine, hold })
            const before = usedByAll() - hold.tokens
            const isAlone = usedBy(machine).reserved === hold.tokens
            assert.ok(before < limit + grown, `${before} were used before a call of ${hold.tokens}`)
            assert.ok(isAlone || before + hold.tokens <= limit + grown, `${before} and ${hold.tokens}`)
          }
          machines[index] = machine
        }
        for (const index of names.keys()) await start(index)
        const takes: Promise<unknown>[] = []
        const step = async (each: Step) => {
          if (each.kind === 'take') takes.push(machines[each.at]!.take(each.amount, scope))
          else if (each.kind === 'way') machines[each.at]!.turn(each.way)
          else if (each.kind === 'settled') await Promise.all(takes.splice(0))
          else if (each.kind === 'crash') {
            await Promise.all(takes.splice(0))
            const old = machines[each.at]!
            for (let index = open.length - 1; index >= 0; index--)
              if (open[index]!.machine === old) open.splice(index, 1)
            const saved = old.book.dump()
            await old.crash()
            await start(each.at, saved)
          } else if (open.length > 0) {
            const [{ machine, hold }] = open.slice(each.nth % open.length) as [(typeof open)[0]]
            const amount = Math.ceil(hold.tokens * each.part)
            grown += Math.max(0, amount - hold.tokens)
            if (each.kind === 'grow') return machine.book.grow(hold, amount)
            open.splice(
              open.findIndex((call) => call.hold === hold),
              1,
            )
            machine.settle(hold, amount)
          }
        }
        for (const each of all) await step(each)
        await Promise.all(takes)
        for (const machine of machines) await machine.crash()
      }),
      // To make a run smaller takes longer than to read it.
      { numRuns: 8, endOnFailure: true },
    )
    assert.ok(admitted > 30, `${admitted} calls were admitted`)
  },
)

function midnight(): number {
  return Math.floor(Date.now() / 86_400_000) * 86_400_000
}
