// Whether each gateway that wants something gets it: from every state that a small world can come to, a game against everything else.
//
// From then on nothing is lost, and in each step of the clock each gateway that is there has one exchange. All else is the
// adversary's choice: in which order, what the others ask for and use, and when calls end, after `mostSteps` at the latest. The one
// gateway asks for the same in each of its exchanges until it is served. If there is a way on which it never is, it leads to a
// state where it has been before; if there is none, the longest way says how many steps it waits at most.
import type { Allotment, Wanted } from '../../../../src/admission/stores/valkey/allotment.ts'
import { search } from './exchange-search.ts'
import {
  type Gateway,
  nameOf,
  Rules,
  type State,
  stepMs,
  usedBy,
  withGateway,
  type World,
} from './exchange-world.ts'

export interface Waits {
  /** States in which somebody waits. */
  readonly states: number
  /** The most steps of the clock that anybody waits. Infinity: somebody is never served. */
  readonly longest: number
  /** What has led there, and, if it is never served, goes round; it begins in some state of the world. */
  readonly way: readonly string[]
}

/** A state in which a gateway waits. */
interface Node {
  readonly state: State
  /** The gateway that waits. */
  readonly who: number
  readonly amount: number
  /** Those that have had their exchange in this step. */
  readonly done: ReadonlySet<number>
}

interface Worst {
  /** Undefined while it is being found out. */
  steps: number | undefined
  /** Where the worst way goes on. Undefined: it is served next, whatever happens. */
  next: readonly [action: string, to: Worst] | undefined
}

/** Slots: how long a call takes at most, in steps. */
const mostSteps = 2
const maxNodes = 3_000_000

/** @throws RangeError when there are too many states. */
export function longestWait(world: World): Waits {
  return new Game(world).run()
}

class Game {
  readonly #world: World
  readonly #rules: Rules
  readonly #known = new Map<string, Worst>()
  /** What has happened between the first state and the one that is looked at. */
  readonly #way: string[] = []

  constructor(world: World) {
    this.#world = world
    this.#rules = new Rules(world)
  }

  run(): Waits {
    const starts = new Map<string, State>()
    search(this.#world, (state) => {
      const settled = this.#settled(state)
      starts.set(this.#rules.keyOf(settled), settled)
    })
    let worst: Worst = { steps: 0, next: undefined }
    for (const state of starts.values()) {
      for (const [who, gateway] of state.gateways.entries()) {
        if (gateway.status !== 'live') continue
        for (const amount of this.#world.calls) {
          const found = this.#worst({ state, who, amount, done: new Set() })
          if (found === undefined) return { states: this.#known.size, longest: Infinity, way: this.#way }
          if (found.steps! > worst.steps!) worst = found
        }
      }
    }
    const way: string[] = []
    for (let at = worst; at.next !== undefined; [, at] = at.next) way.push(at.next[0])
    return { states: this.#known.size, longest: worst.steps!, way }
  }

  /** Without what is under way: whether it has arrived or not, and is heard of or not, there is a state for each of that. */
  #settled(state: State): State {
    const { nowMs } = state
    const gateways = state.gateways.map((gateway): Gateway => {
      const uses =
        this.#world.window > 0 ? gateway.uses : gateway.uses.map((use) => ({ ...use, atMs: nowMs }))
      return { ...gateway, pending: undefined, late: [], uses }
    })
    return { ...state, gateways, delays: 0, flushes: 0, jumps: 0 }
  }

  /** Undefined: there is a way on which it is never served. */
  #worst(node: Node): Worst | undefined {
    const key = this.#keyOf(node)
    const known = this.#known.get(key)
    if (known !== undefined) return known.steps === undefined ? undefined : known
    if (this.#known.size > maxNodes) throw new RangeError(`more than ${maxNodes} states`)
    const worst: Worst = { steps: undefined, next: undefined }
    this.#known.set(key, worst)
    let longest = 0
    for (const [action, next] of this.#nexts(node)) {
      this.#way.push(action)
      const found = this.#worst(next)
      if (found === undefined) return undefined
      this.#way.pop()
      const steps = found.steps! + (action.startsWith('tick') ? 1 : 0)
      if (steps < longest || (steps === longest && worst.next !== undefined)) continue
      longest = steps
      worst.next = [action, found]
    }
    worst.steps = longest
    return worst
  }

  /** All that may happen next, but that it is served. */
  *#nexts(node: Node): Generator<readonly [string, Node]> {
    const { state, who, amount, done } = node
    // Whoever waits takes what there is.
    if (usedBy(state.gateways[who]!) + amount <= this.#ceiling(state, who)) return
    for (const [index, gateway] of state.gateways.entries()) {
      if (gateway.status !== 'live') continue
      if (index !== who) yield* this.#usesOf(node, index)
      if (done.has(index)) continue
      for (const wanted of index === who ? [amount] : [0, ...this.#world.calls]) {
        const next = this.#exchanged(state, index, wanted)
        const action = `${wanted > 0 ? 'ask' : 'renew'} ${nameOf(index)} ${wanted}`
        yield [action, { ...node, state: next, done: new Set([...done, index]) }]
      }
    }
    const areAllDone = state.gateways.every(({ status }, index) => status !== 'live' || done.has(index))
    if (!areAllDone) return
    const later = this.#rules.tick(state)
    if (later === undefined) return
    for (const [ends, next] of this.#ended(later))
      yield [`tick${ends}`, { ...node, state: next, done: new Set() }]
  }

  *#usesOf(node: Node, index: number): Generator<readonly [string, Node]> {
    const { state } = node
    const gateway = state.gateways[index]!
    for (const amount of this.#world.calls) {
      if (usedBy(gateway) + amount > this.#ceiling(state, index)) continue
      const uses = [...gateway.uses, { atMs: state.nowMs, amount, isStray: false }]
      yield [
        `use ${nameOf(index)} ${amount}`,
        { ...node, state: withGateway(state, index, { ...gateway, uses }) },
      ]
    }
  }

  /** Slots: any of the calls may end with a step, and those that have taken long do. */
  *#ended(state: State, from = 0): Generator<readonly [string, State]> {
    const gateway = state.gateways[from]
    if (gateway === undefined || this.#world.window > 0) {
      yield ['', state]
      return
    }
    const least = gateway.uses.filter(({ atMs }) => state.nowMs - atMs < mostSteps * stepMs)
    // Calls are alike but for how old they are.
    for (let kept = 0; kept <= least.length; kept++) {
      const uses = least.slice(least.length - kept)
      const ended = gateway.uses.length - uses.length
      const then = ended === 0 ? state : withGateway(state, from, { ...gateway, uses })
      for (const [ends, next] of this.#ended(then, from + 1)) {
        yield [ended === 0 ? ends : ` end ${nameOf(from)} ${ended}${ends}`, next]
      }
    }
  }

  /** As a gateway does it: who others wait for has given back first. */
  #exchanged(state: State, index: number, wanted: number): State {
    const gateway = state.gateways[index]!
    const used = usedBy(gateway)
    const { nowMs } = state
    const changed: Allotment = this.#rules.allotmentOf(gateway)
    if (changed.isWanted) changed.yield([used])
    const wish: Wanted | undefined = wanted === 0 ? undefined : { first: [wanted], all: [wanted] }
    const exchange = this.#rules.stated(changed, gateway, used, wish, nowMs, false)
    const { server, reply } = this.#rules.deliver(state, nameOf(index), exchange)
    const sent = {
      ...gateway,
      ...this.#rules.partsOf(changed, nowMs),
      lastNumber: exchange.number,
      isStated: true,
    }
    const then = this.#rules.received({ ...sent, pending: { exchange, sentMs: nowMs, reply } }, nowMs)
    return withGateway({ ...state, server }, index, then)
  }

  /** What a gateway may use. */
  #ceiling(state: State, index: number): number {
    const gateway = state.gateways[index]!
    const allotment = this.#rules.allotmentOf(gateway)
    if (!allotment.isValid(state.nowMs)) return 0
    return (allotment.isWanted ? allotment.kept([usedBy(gateway)]) : allotment.held)[0]!
  }

  #keyOf({ state, who, amount, done }: Node): string {
    const ages = ({ uses }: Gateway) =>
      this.#world.window > 0 ? [] : uses.map(({ atMs }) => (state.nowMs - atMs) / stepMs)
    const key = this.#rules.keyOf(state, (index) => [
      index === who ? 1 + amount : 0,
      done.has(index) ? 1 : 0,
      ...ages(state.gateways[index]!),
    ])
    return key
  }
}
