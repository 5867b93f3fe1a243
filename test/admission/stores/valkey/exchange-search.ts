// An exhaustive search of small worlds: a few gateways, each with the real `Allotment`, and the twin of exchange.lua between them.
// Every order of what can happen is gone through: calls, exchanges that are lost or late on either way, gateways that stop, die or
// leave, leases that run out, a server that loses its state or whose clock jumps. A paused gateway is one that does nothing
// while time passes. States that differ in nothing that matters later are one state.
import { emptyTwin } from './exchange-twin.ts'
import {
  type Gateway,
  jumpMs,
  nameOf,
  Rules,
  type State,
  usedBy,
  withGateway,
  type World,
} from './exchange-world.ts'

export interface Found {
  readonly states: number
  /** What led to a window, or a moment, that holds more than the limit; undefined: nothing does. */
  readonly violation: readonly string[] | undefined
  /** What happened at least once. */
  readonly seen: ReadonlySet<string>
}

type Next = readonly [action: string, state: State]

const maxStates = 4_000_000

/**
 * @param onState called with each state that is reached.
 * @throws RangeError when there are too many states.
 */
export function search(world: World, onState?: (state: State) => void): Found {
  return new Search(world).run(onState)
}

class Search {
  readonly #world: World
  readonly #rules: Rules
  readonly #actions = new Set<string>()

  constructor(world: World) {
    this.#world = world
    this.#rules = new Rules(world)
  }

  run(onState?: (state: State) => void): Found {
    const start = this.#rules.start()
    onState?.(start)
    const known = new Map<string, number>([[this.#rules.keyOf(start), 0]])
    const origins: (readonly [from: number, action: string])[] = [[-1, 'start']]
    let states: State[] = [start]
    let indexes = [0]
    while (states.length > 0) {
      const nextStates: State[] = []
      const nextIndexes: number[] = []
      for (const [at, state] of states.entries()) {
        for (const [action, next] of this.#nexts(state)) {
          this.#actions.add(action)
          const key = this.#rules.keyOf(next)
          if (known.has(key)) continue
          const index = origins.length
          known.set(key, index)
          origins.push([indexes[at]!, action])
          if (this.#used(next) > this.#world.limit) {
            return { states: known.size, violation: pathTo(origins, index), seen: this.#seen() }
          }
          if (known.size > maxStates) throw new RangeError(`more than ${maxStates} states`)
          nextStates.push(next)
          onState?.(next)
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
        const { server } = this.#rules.deliver(state, name, exchange)
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
    const allotment = this.#rules.allotmentOf(gateway)
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
      const changed = this.#rules.allotmentOf(gateway)
      const wish = amount === 0 ? undefined : { first: [amount], all: [amount] }
      const exchange = this.#rules.stated(changed, gateway, used, wish, nowMs, false)
      if (amount > 0 && exchange.dimensions[0]!.needed === 0) continue
      const pending = { exchange, sentMs: nowMs, reply: undefined }
      yield { ...gateway, ...this.#rules.partsOf(changed, nowMs), pending, lastNumber: exchange.number }
    }
  }

  *#arrivals(state: State, index: number, gateway: Gateway): Generator<Next> {
    const name = nameOf(index)
    const { exchange, sentMs } = gateway.pending!
    const { needed } = exchange.dimensions[0]!
    const { server, reply } = this.#rules.deliver(state, name, exchange)
    const pending = { exchange, sentMs, reply }
    const arrived = { ...gateway, isStated: true }
    const become = (then: Gateway): State => withGateway({ ...state, server }, index, then)
    yield [
      `${reply.kind} ${name} ${needed}`,
      become(this.#rules.received({ ...arrived, pending }, state.nowMs)),
    ]
    // What was under way is paid for.
    const delays = state.delays - (state.gateways[index]!.pending === undefined ? 1 : 0)
    if (delays < 0) return
    yield [`lost ${name} ${needed}`, { ...become({ ...arrived, pending: undefined }), delays }]
    yield [`slow ${name} ${needed}`, { ...become({ ...arrived, pending }), delays }]
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
        const changed = this.#rules.allotmentOf(gateway)
        const hasLowered =
          way === 'yield' ? changed.isWanted && changed.yield([used]) : changed.release([used])
        if (hasLowered) yield [`${way} ${name}`, become(this.#rules.partsOf(changed, nowMs))]
      }
      if (ends && gateway.late.length < late && (window > 0 || used === 0)) {
        const changed = this.#rules.allotmentOf(gateway)
        changed.release([used])
        const exchange = this.#rules.stated(changed, gateway, used, undefined, nowMs, true)
        const left = { status: 'left' as const, late: [...gateway.late, exchange] }
        yield [`leave ${name}`, become({ ...this.#rules.partsOf(changed, nowMs), ...left })]
      }
    }
    if (ends) {
      const uses = window === 0 ? [] : gateway.uses
      yield [`die ${name}`, become({ status: 'dead', pending: undefined, uses })]
    }
  }

  /** Time passes, and each gateway has something under way meanwhile or not, or learns what was. */
  *#ticks(state: State): Generator<Next> {
    const later = this.#rules.tick(state)
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
        const { uses: _, ...received } = this.#rules.received(gateway, later.nowMs)
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
}

function pathTo(origins: readonly (readonly [number, string])[], index: number): string[] {
  const path: string[] = []
  for (let at = index; at > 0; at = origins[at]![0]) path.push(origins[at]![1])
  return path.toReversed()
}
