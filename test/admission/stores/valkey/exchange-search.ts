// An exhaustive search of small worlds: a few gateways, each with the real `Allotment`, and the twin of exchange.lua between them.
// Every order of what can happen is gone through: calls, exchanges that are lost or late on either way, gateways that stop, die or
// leave, leases that run out, a server that loses its state or whose clock jumps. A paused gateway is one that does nothing
// while time passes. States that differ in nothing that matters later are one state.
import { Allotment } from '../../../../src/admission/stores/valkey/allotment.ts'
import type { Agreed, Exchange } from '../../../../src/admission/stores/valkey/exchange.ts'
import { emptyTwin, twinExchange, type TwinReply, type TwinState } from './exchange-twin.ts'

/** Times are in steps of the clock. */
export interface World {
  readonly gateways: number
  readonly limit: number
  /** What a call may take. */
  readonly calls: readonly number[]
  readonly lease: number
  readonly want: number
  /** 0: what is used is used until the call ends, as parallel slots are. */
  readonly window: number
  /** How many exchanges do not arrive, or are not answered, at once. Infinity: any number. */
  readonly delays: number
  /** Of exchanges that were given up, so many may still reach the server, for each gateway. */
  readonly late: number
  /** Gateways may die, or leave cleanly. */
  readonly ends: boolean
  /** How often the server loses its state. */
  readonly flushes: number
  /** How often its clock runs ahead by far. */
  readonly jumps: number
  /** How often it goes back by far, or the latest time that it has seen is made a later one. */
  readonly backs: number
}

export interface Found {
  readonly states: number
  /** What led to a window, or a moment, that holds more than the limit; undefined: nothing does. */
  readonly violation: readonly string[] | undefined
  /** What happened at least once. */
  readonly seen: ReadonlySet<string>
}

interface Pending {
  readonly exchange: Exchange
  readonly sentMs: number
  /** Undefined: it has not reached the server. */
  readonly reply: TwinReply | undefined
}

interface Gateway {
  readonly status: 'live' | 'dead' | 'left'
  /** Of its allotment. */
  readonly held: number
  readonly agreed: Agreed
  readonly untilMs: number
  /** By when they began; of slots, those that have not ended. */
  readonly uses: readonly Used[]
  readonly pending: Pending | undefined
  readonly late: readonly Exchange[]
  readonly lastNumber: number
  /** Since the server lost its state, it has said what it holds. */
  readonly isStated: boolean
}

interface Used {
  readonly atMs: number
  readonly amount: number
  /** Of slots: the lease ended before the call did, so that others may have its slot. */
  readonly isStray: boolean
}

interface State {
  readonly nowMs: number
  readonly server: TwinState
  readonly gateways: readonly Gateway[]
  readonly delays: number
  readonly flushes: number
  readonly jumps: number
  readonly backs: number
  /** How far the server's clock is ahead. */
  readonly aheadMs: number
}

type Next = readonly [action: string, state: State]

const stepMs = 10
const jumpMs = 1_000
const maxStates = 4_000_000

/** @throws RangeError when there are too many states. */
export function search(world: World): Found {
  return new Search(world).run()
}

class Search {
  readonly #world: World
  readonly #leaseMs: number
  readonly #windowMs: number
  readonly #actions = new Set<string>()

  constructor(world: World) {
    this.#world = world
    this.#leaseMs = world.lease * stepMs
    this.#windowMs = world.window * stepMs
  }

  run(): Found {
    const start = this.#start()
    const known = new Map<string, number>([[this.#keyOf(start), 0]])
    const origins: (readonly [from: number, action: string])[] = [[-1, 'start']]
    let states: State[] = [start]
    let indexes = [0]
    while (states.length > 0) {
      const nextStates: State[] = []
      const nextIndexes: number[] = []
      for (const [at, state] of states.entries()) {
        for (const [action, next] of this.#nexts(state)) {
          this.#actions.add(action)
          const key = this.#keyOf(next)
          if (known.has(key)) continue
          const index = origins.length
          known.set(key, index)
          origins.push([indexes[at]!, action])
          if (this.#used(next) > this.#world.limit) {
            return { states: known.size, violation: pathTo(origins, index), seen: this.#seen() }
          }
          if (known.size > maxStates) throw new RangeError(`more than ${maxStates} states`)
          nextStates.push(next)
          nextIndexes.push(index)
        }
      }
      states = nextStates
      indexes = nextIndexes
    }
    return { states: known.size, violation: undefined, seen: this.#seen() }
  }

  #seen(): Set<string> {
    return new Set(Array.from(this.#actions).flatMap((action) => action.split(' ')))
  }

  #start(): State {
    const server = emptyTwin()
    // The grace of a new server is over.
    server.epoch = { schema: 1, now: 0, graceUntil: 0, aliveUntil: 0 }
    const dimension = { held: 0, others: 0, usedByOthers: 0, keep: Infinity }
    const gateway: Gateway = {
      status: 'live',
      held: 0,
      agreed: { kind: 'ok', active: 1, nextMs: undefined, dimensions: [dimension] },
      untilMs: -Infinity,
      uses: [],
      pending: undefined,
      late: [],
      lastNumber: 0,
      isStated: true,
    }
    const gateways = Array.from({ length: this.#world.gateways }, () => gateway)
    const { delays, flushes, jumps, backs } = this.#world
    return { nowMs: 1_000_000, server, gateways, delays, flushes, jumps, backs, aheadMs: 0 }
  }

  /** Of all that counts: what is in one window, or what is under way. */
  #used({ gateways }: State): number {
    let sum = 0
    for (const { uses } of gateways) for (const use of uses) if (!use.isStray) sum += use.amount
    return sum
  }

  *#nexts(state: State): Generator<Next> {
    for (const [index, gateway] of state.gateways.entries()) {
      const name = nameOf(index)
      for (const [at, exchange] of gateway.late.entries()) {
        const late = gateway.late.toSpliced(at, 1)
        const { server } = this.#deliver(state, name, exchange)
        yield [`late ${name}`, withGateway({ ...state, server }, index, { ...gateway, late })]
      }
      if (gateway.status !== 'live') continue
      yield* this.#callsOf(state, index, gateway)
      yield* this.#exchangesOf(state, index, gateway)
      yield* this.#changesOf(state, index, gateway)
    }
    yield* this.#ticks(state)
    const unstated = state.gateways.map((gateway) => ({ ...gateway, isStated: false }))
    if (state.flushes > 0) {
      const flushes = state.flushes - 1
      yield ['flush', { ...state, server: emptyTwin(), flushes, gateways: unstated }]
    }
    if (state.jumps > 0) {
      const { jumps, aheadMs } = state
      yield ['jump', { ...state, jumps: jumps - 1, aheadMs: aheadMs + jumpMs, gateways: unstated }]
    }
    // Nothing is lost by these: what has been used and is not stated again counts on.
    if (state.backs > 0) {
      const { server, aheadMs, nowMs } = state
      const backs = state.backs - 1
      yield ['back', { ...state, backs, aheadMs: aheadMs - jumpMs }]
      const epoch = server.epoch && { ...server.epoch, now: nowMs + aheadMs + jumpMs }
      yield ['poison', { ...state, backs, server: { ...server, epoch } }]
    }
  }

  *#callsOf(state: State, index: number, gateway: Gateway): Generator<Next> {
    const { calls, window } = this.#world
    const { nowMs } = state
    const name = nameOf(index)
    const { uses } = gateway
    const used = usedBy(gateway)
    const allotment = this.#allotmentOf(gateway)
    let ceiling = 0
    if (allotment.isValid(nowMs)) {
      ceiling = (allotment.isWanted ? allotment.kept([used]) : allotment.held)[0]!
    }
    for (const amount of calls) {
      if (used + amount > ceiling) continue
      const use = { atMs: window === 0 ? 0 : nowMs, amount, isStray: false }
      yield [`use ${name} ${amount}`, withGateway(state, index, { ...gateway, uses: [...uses, use] })]
    }
    if (window > 0) return
    for (const at of uses.keys()) {
      yield [`end ${name}`, withGateway(state, index, { ...gateway, uses: uses.toSpliced(at, 1) })]
    }
  }

  /**
   * What reaches the server: at once, or after a tick at least. What others do between the sending and the arrival, or between the
   * arrival and the reply, is the same before or after, while no time passes; so what is under way is so over a tick.
   */
  *#exchangesOf(state: State, index: number, gateway: Gateway): Generator<Next> {
    const { pending } = gateway
    if (pending === undefined) {
      for (const sent of this.#sendings(gateway, state.nowMs)) yield* this.#arrivals(state, index, sent)
    } else if (pending.reply === undefined) yield* this.#arrivals(state, index, gateway)
  }

  /** Exchanges that a gateway may send. */
  *#sendings(gateway: Gateway, nowMs: number): Generator<Gateway> {
    const used = usedBy(gateway)
    for (const amount of [0, ...this.#world.calls]) {
      const changed = this.#allotmentOf(gateway)
      const wish = amount === 0 ? undefined : { first: [amount], all: [amount] }
      const exchange = this.#stated(changed, gateway, used, wish, nowMs, false)
      if (amount > 0 && exchange.dimensions[0]!.needed === 0) continue
      const pending = { exchange, sentMs: nowMs, reply: undefined }
      yield { ...gateway, ...this.#partsOf(changed, nowMs), pending, lastNumber: exchange.number }
    }
  }

  *#arrivals(state: State, index: number, gateway: Gateway): Generator<Next> {
    const name = nameOf(index)
    const { exchange, sentMs } = gateway.pending!
    const { needed } = exchange.dimensions[0]!
    const { server, reply } = this.#deliver(state, name, exchange)
    const pending = { exchange, sentMs, reply }
    const arrived = { ...gateway, isStated: true }
    const become = (then: Gateway): State => withGateway({ ...state, server }, index, then)
    yield [`${reply.kind} ${name} ${needed}`, become(this.#received({ ...arrived, pending }, state.nowMs))]
    // What was under way is paid for.
    const delays = state.delays - (state.gateways[index]!.pending === undefined ? 1 : 0)
    if (delays < 0) return
    yield [`lost ${name} ${needed}`, { ...become({ ...arrived, pending: undefined }), delays }]
    yield [`slow ${name} ${needed}`, { ...become({ ...arrived, pending }), delays }]
  }

  #received(gateway: Gateway, nowMs: number): Gateway {
    const { reply, sentMs } = gateway.pending!
    if (reply?.kind !== 'ok' && reply?.kind !== 'grace') return { ...gateway, pending: undefined }
    const changed = this.#allotmentOf(gateway)
    changed.agree(reply, sentMs)
    return { ...gateway, ...this.#partsOf(changed, nowMs), pending: undefined }
  }

  /** What a gateway does by itself. */
  *#changesOf(state: State, index: number, gateway: Gateway): Generator<Next> {
    const { window, ends, late } = this.#world
    const { nowMs } = state
    const name = nameOf(index)
    const used = usedBy(gateway)
    const become = (change: Partial<Gateway>): State => withGateway(state, index, { ...gateway, ...change })
    if (gateway.pending === undefined) {
      for (const way of ['yield', 'release'] as const) {
        const changed = this.#allotmentOf(gateway)
        const hasLowered =
          way === 'yield' ? changed.isWanted && changed.yield([used]) : changed.release([used])
        if (hasLowered) yield [`${way} ${name}`, become(this.#partsOf(changed, nowMs))]
      }
      if (ends && gateway.late.length < late && (window > 0 || used === 0)) {
        const changed = this.#allotmentOf(gateway)
        changed.release([used])
        const exchange = this.#stated(changed, gateway, used, undefined, nowMs, true)
        const left = { status: 'left' as const, late: [...gateway.late, exchange] }
        yield [`leave ${name}`, become({ ...this.#partsOf(changed, nowMs), ...left })]
      }
    }
    if (ends) {
      const uses = window === 0 ? [] : gateway.uses
      yield [`die ${name}`, become({ status: 'dead', pending: undefined, uses })]
    }
  }

  /** Time passes, and each gateway has something under way meanwhile or not, or learns what was. */
  *#ticks(state: State): Generator<Next> {
    const later = this.#tick(state)
    if (later === undefined) return
    let states: Next[] = [['tick', later]]
    for (const [index, gateway] of state.gateways.entries()) {
      if (gateway.status !== 'live') continue
      const name = nameOf(index)
      const { pending, late } = gateway
      const ways: (readonly [string, Partial<Gateway>])[] = []
      if (pending === undefined) {
        for (const { uses: _, ...sent } of this.#sendings(gateway, state.nowMs)) {
          ways.push([` send ${name} ${sent.pending!.exchange.dimensions[0]!.needed}`, sent])
        }
      } else if (pending.reply === undefined) {
        const isFull = late.length >= this.#world.late
        ways.push([
          ` give-up ${name}`,
          { pending: undefined, late: isFull ? late : [...late, pending.exchange] },
        ])
      } else {
        const { uses: _, ...received } = this.#received(gateway, later.nowMs)
        ways.push([` ${pending.reply.kind} ${name}`, received])
      }
      states = states.flatMap(([action, each]) => {
        const delays = each.delays - (pending === undefined ? 1 : 0)
        const become = (change: Partial<Gateway>): State => ({
          ...withGateway(each, index, { ...each.gateways[index]!, ...change }),
          delays,
        })
        const further = delays < 0 ? [] : ways.map(([way, change]): Next => [action + way, become(change)])
        return [[action, each] as const, ...further]
      })
    }
    yield* states
  }

  /** What the gateway says of itself. */
  #stated(
    allotment: Allotment,
    { lastNumber }: Gateway,
    used: number,
    wish: Parameters<Allotment['state']>[2],
    nowMs: number,
    leaves: boolean,
  ): Exchange {
    const limits = [{ limit: this.#world.limit, lingerMs: this.#windowMs }]
    const dimensions = allotment.state([used], limits, wish, nowMs)
    return { number: lastNumber + 1, nextMs: undefined, leaves, dimensions }
  }

  #deliver(state: State, member: string, exchange: Exchange): { server: TwinState; reply: TwinReply } {
    const { epoch, members, wants } = state.server
    const server: TwinState = { epoch, members: new Map(members), wants: new Map(wants) }
    const times = { leaseMs: this.#leaseMs, wantMs: this.#world.want * stepMs, aheadMs: this.#leaseMs }
    const call = { ...times, member, exchange }
    const { reply } = twinExchange(server, call, state.nowMs + state.aheadMs)
    // Gateways that live join all the time.
    if (this.#world.jumps > 0) server.epoch!.aliveUntil = server.epoch!.now + this.#leaseMs
    return { server, reply }
  }

  /**
   * Undefined: grace ends, and a gateway has not said what it has used, since the server lost it. That such use is forgotten is
   * known; nothing is looked for behind it.
   */
  #tick(state: State): State | undefined {
    const nowMs = state.nowMs + stepMs
    const { window } = this.#world
    const graceUntil = state.server.epoch?.graceUntil ?? Infinity
    const isForgotten = state.gateways.some((gateway) => !gateway.isStated && usedBy(gateway) > 0)
    if (isForgotten && nowMs + state.aheadMs >= graceUntil) {
      if (state.aheadMs === 0 || state.server.epoch!.now >= state.nowMs + jumpMs) return undefined
    }
    const gateways = state.gateways.map((gateway) => {
      const { uses } = gateway
      if (uses.length === 0) return gateway
      if (window > 0) {
        const left = uses.filter(({ atMs }) => atMs + this.#windowMs > nowMs)
        return left.length === uses.length ? gateway : { ...gateway, uses: left }
      }
      if (gateway.untilMs > nowMs) return gateway
      return { ...gateway, uses: uses.map((use) => ({ ...use, isStray: true })) }
    })
    return { ...state, nowMs, gateways }
  }

  #allotmentOf({ held, agreed, untilMs }: Gateway): Allotment {
    const allotment = new Allotment(1, false, this.#leaseMs)
    const [dimension] = agreed.dimensions
    allotment.agree({ ...agreed, dimensions: [{ ...dimension!, held }] }, untilMs - this.#leaseMs)
    return allotment
  }

  #partsOf(allotment: Allotment, nowMs: number): Pick<Gateway, 'held' | 'agreed' | 'untilMs'> {
    let untilMs = nowMs
    while (allotment.isValid(untilMs)) untilMs += stepMs
    return { held: allotment.held[0]!, agreed: allotment.agreed, untilMs }
  }

  /** All that matters for what can happen, with times from now on. One character for each number. */
  #keyOf(state: State): string {
    const { nowMs, server, gateways, delays, flushes, jumps, backs, aheadMs } = state
    const serverMs = nowMs + aheadMs
    const numbers: number[] = [Math.min(delays, 254), flushes, jumps, backs]
    const { epoch } = server
    numbers.push(epoch === undefined ? 253 : soon(epoch.graceUntil - serverMs))
    if (this.#world.jumps > 0 && epoch !== undefined) {
      numbers.push(
        Math.min(this.#world.lease + 1, soon(serverMs - epoch.now)),
        epoch.aliveUntil > epoch.now ? 1 : 0,
      )
    }
    if (this.#world.backs > 0 && epoch !== undefined) numbers.push(soon(epoch.now - serverMs))
    const parts = gateways.map((gateway, index) => this.#partOfKey(state, gateway, index)).toSorted()
    return String.fromCharCode(...numbers) + parts.join('\u00ff')
  }

  #partOfKey({ nowMs, server, aheadMs }: State, gateway: Gateway, index: number): string {
    const serverMs = nowMs + aheadMs
    const numbers: number[] = []
    const say = ({ dimensions: [dimension], leaves }: Exchange) => {
      const { held, used, wanted, needed } = dimension!
      numbers.push(Math.max(held, used), wanted, needed, leaves ? 1 : 0)
    }
    const { status, held, agreed, untilMs, uses, pending, late, isStated } = gateway
    const name = nameOf(index)
    const isLive = status === 'live'
    numbers.push(isLive ? 0 : 1, isStated ? 1 : 0)
    if (isLive) {
      const { keep } = agreed.dimensions[0]!
      numbers.push(held, keep === Infinity ? 254 : keep, soon(untilMs - nowMs))
    }
    numbers.push(uses.length)
    for (const { atMs, amount, isStray } of uses) {
      numbers.push(this.#windowMs === 0 ? 0 : (nowMs - atMs) / stepMs, amount, isStray ? 1 : 0)
    }
    const member = server.members.get(name)
    const known = [member?.number, pending?.exchange.number, ...late.map(({ number }) => number)]
    const rank = (number: number) => known.filter((other) => other !== undefined && other < number).length
    if (pending === undefined) numbers.push(0)
    else {
      const { reply } = pending
      numbers.push(reply === undefined ? 1 : 2, soon(pending.sentMs + this.#leaseMs - nowMs))
      if (reply === undefined) {
        numbers.push(rank(pending.exchange.number))
        say(pending.exchange)
      } else if (reply.kind === 'ok' || reply.kind === 'grace') {
        const [{ held: granted, keep }] = reply.dimensions as [Agreed['dimensions'][number]]
        numbers.push(granted, keep === Infinity ? 254 : keep)
      } else numbers.push(252)
    }
    numbers.push(late.length)
    for (const exchange of late) {
      numbers.push(rank(exchange.number))
      say(exchange)
    }
    if (member === undefined) numbers.push(0)
    else
      numbers.push(
        1,
        rank(member.number),
        member.held[0]!,
        soon(member.leaseEnds + this.#windowMs - serverMs),
      )
    const want = server.wants.get(name)
    if (want === undefined || want.until <= serverMs) numbers.push(0)
    else {
      let order = 0
      for (const [other, { since }] of server.wants) {
        if (since < want.since || (since === want.since && other < name)) order++
      }
      // Of those of one moment the name decides.
      numbers.push(
        want.since === serverMs ? 2 + index : 1,
        order,
        soon(want.until - serverMs),
        want.needed[0]!,
      )
    }
    return String.fromCharCode(...numbers)
  }
}

function soon(ms: number): number {
  return ms === Infinity ? 254 : Math.max(0, Math.ceil(ms / stepMs))
}

function nameOf(index: number): string {
  return String.fromCharCode(97 + index)
}

function withGateway(state: State, index: number, gateway: Gateway): State {
  return { ...state, gateways: state.gateways.with(index, gateway) }
}

function usedBy({ uses }: Gateway): number {
  let sum = 0
  for (const { amount } of uses) sum += amount
  return sum
}

function pathTo(origins: readonly (readonly [number, string])[], index: number): string[] {
  const path: string[] = []
  for (let at = index; at > 0; at = origins[at]![0]) path.push(origins[at]![1])
  return path.toReversed()
}
