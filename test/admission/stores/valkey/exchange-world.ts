// Small worlds: a few gateways, each with the real `Allotment`, and the twin of exchange.lua between them, as states that can be
// compared. States that differ in nothing that matters later are one state.
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

export interface Pending {
  readonly exchange: Exchange
  readonly sentMs: number
  /** Undefined: it has not reached the server. */
  readonly reply: TwinReply | undefined
}

export interface Gateway {
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

export interface Used {
  readonly atMs: number
  readonly amount: number
  /** Of slots: the lease ended before the call did, so that others may have its slot. */
  readonly isStray: boolean
}

export interface State {
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

export const stepMs = 10
export const jumpMs = 1_000

/** What happens in a world, one thing at a time. */
export class Rules {
  readonly #world: World
  readonly #leaseMs: number
  readonly #windowMs: number

  constructor(world: World) {
    this.#world = world
    this.#leaseMs = world.lease * stepMs
    this.#windowMs = world.window * stepMs
  }

  start(): State {
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

  received(gateway: Gateway, nowMs: number): Gateway {
    const { reply, sentMs } = gateway.pending!
    if (reply?.kind !== 'ok' && reply?.kind !== 'grace') return { ...gateway, pending: undefined }
    const changed = this.allotmentOf(gateway)
    changed.agree(reply, sentMs)
    return { ...gateway, ...this.partsOf(changed, nowMs), pending: undefined }
  }

  /** What the gateway says of itself. */
  stated(
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

  deliver(state: State, member: string, exchange: Exchange): { server: TwinState; reply: TwinReply } {
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
  tick(state: State): State | undefined {
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

  allotmentOf({ held, agreed, untilMs }: Gateway): Allotment {
    const allotment = new Allotment(1, false, this.#leaseMs)
    const [dimension] = agreed.dimensions
    allotment.agree({ ...agreed, dimensions: [{ ...dimension!, held }] }, untilMs - this.#leaseMs)
    return allotment
  }

  partsOf(allotment: Allotment, nowMs: number): Pick<Gateway, 'held' | 'agreed' | 'untilMs'> {
    let untilMs = nowMs
    while (allotment.isValid(untilMs)) untilMs += stepMs
    return { held: allotment.held[0]!, agreed: allotment.agreed, untilMs }
  }

  /**
   * All that matters for what can happen, with times from now on. One character for each number.
   * @param more what else matters of a gateway.
   */
  keyOf(state: State, more: (index: number) => readonly number[] = () => []): string {
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
    const parts = gateways
      .map((gateway, index) => this.#partOfKey(state, gateway, index) + String.fromCharCode(...more(index)))
      .toSorted()
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

export function nameOf(index: number): string {
  return String.fromCharCode(97 + index)
}

export function withGateway(state: State, index: number, gateway: Gateway): State {
  return { ...state, gateways: state.gateways.with(index, gateway) }
}

export function usedBy({ uses }: Gateway): number {
  let sum = 0
  for (const { amount } of uses) sum += amount
  return sum
}
