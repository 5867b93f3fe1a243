// exchange.lua after epoch.lua, once more, without a server: the same words, over a state that can be copied and compared. A test
// holds it against the scripts on a real server, so that what is searched with it holds of them.
import {
  type DimensionReply,
  type Exchange,
  type ExchangeReply,
  schemaVersion,
} from '../../../../src/admission/stores/valkey/exchange.ts'

export interface TwinEpoch {
  schema: number
  now: number
  graceUntil: number
  aliveUntil: number
}

/** What is stored of a gateway, in the order of the fields of `m:MEMBER`. */
export interface TwinMember {
  number: number
  leaseEnds: number
  /** 0: unknown. */
  leavesAt: number
  held: readonly number[]
  used: readonly number[]
}

/** In the order of the fields of `w:MEMBER`. */
export interface TwinWant {
  since: number
  until: number
  wanted: readonly number[]
  needed: readonly number[]
}

export interface TwinState {
  epoch: TwinEpoch | undefined
  readonly members: Map<string, TwinMember>
  readonly wants: Map<string, TwinWant>
}

export interface TwinCall {
  readonly schema?: number
  /** How far the latest time seen may be ahead of the server's clock. Absent: as epoch.lua has it. */
  readonly aheadMs?: number
  readonly leaseMs: number
  readonly wantMs: number
  readonly member: string
  readonly exchange: Exchange
}

/** `outdated`: the state is of a later version, and nothing was done. */
export type TwinReply = ExchangeReply | { readonly kind: 'outdated' }

/** A message of the channel, without the scope's key. */
export interface TwinNews {
  readonly kind: 'freed' | 'wanted'
  readonly member: string
}

/** Of numbers of exchanges. */
const maxAhead = 2 ** 40

export function emptyTwin(): TwinState {
  return { epoch: undefined, members: new Map(), wants: new Map() }
}

/** Runs one exchange. Changes the state's maps, and puts new records into them rather than change one. @param realMs what TIME says. */
export function twinExchange(
  state: TwinState,
  call: TwinCall,
  realMs: number,
): { reply: TwinReply; news: TwinNews[] } {
  const { leaseMs, wantMs, member, exchange } = call
  const news: TwinNews[] = []
  const begun = begin(state, call, realMs)
  if (begun === undefined) return { reply: { kind: 'outdated' }, news }
  const { now, isGrace } = begun
  const { number, nextMs, leaves, dimensions } = exchange
  const longestMs = Math.max(0, ...dimensions.map(({ lingerMs }) => lingerMs))
  const stated = dimensions.map((dimension) => Math.max(dimension.held, dimension.used))
  const held = [...stated]

  for (const [name, { since, until }] of state.wants) {
    const isOfNow = since <= now && until <= now + wantMs
    if (until <= now || !isOfNow) state.wants.delete(name)
  }
  const own = state.members.get(member)
  const ownWant = state.wants.get(member)
  const others = dimensions.map(() => 0)
  const usedByOthers = dimensions.map(() => 0)
  const holds = new Map<string, TwinMember>()
  const activeOthers = new Set<string>()
  let soonestAt = Infinity
  for (const [name, stored] of state.members) {
    if (name === member) continue
    if (stored.leaseEnds + longestMs <= now) {
      state.members.delete(name)
      continue
    }
    const latestEnd = now + leaseMs + 2
    const other = stored.leaseEnds > latestEnd ? { ...stored, leaseEnds: latestEnd } : stored
    state.members.set(name, other)
    holds.set(name, other)
    let isActive = false
    for (const [index, { lingerMs }] of dimensions.entries()) {
      if (other.held[index]! <= 0 || other.leaseEnds + lingerMs <= now) continue
      others[index]! += other.held[index]!
      usedByOthers[index]! += other.used[index]!
      isActive = true
    }
    if (!isActive) continue
    activeOthers.add(name)
    const allLeaveAt = other.leaseEnds + longestMs
    const isGone = other.leaseEnds <= now || other.leavesAt === 0
    const leavesAt = isGone ? allLeaveAt : Math.min(other.leavesAt, allLeaveAt)
    if (leavesAt > now) soonestAt = Math.min(soonestAt, leavesAt)
  }
  if (own !== undefined && own.number >= number && own.number <= number + maxAhead)
    return { reply: { kind: 'stale', number: own.number }, news }

  const allWants = Array.from(state.wants).filter(([name]) => name !== member)
  const active = 1 + new Set([...activeOthers, ...allWants.map(([name]) => name)]).size
  const wants = allWants
    .filter(([name, { needed }]) =>
      dimensions.every(
        ({ limit = Infinity }, index) => (holds.get(name)?.held[index] ?? 0) + needed[index]! <= limit,
      ),
    )
    .toSorted(
      ([one, { since }], [other, { since: otherSince }]) => since - otherSince || (one < other ? -1 : 1),
    )

  const since = ownWant?.since ?? now
  const asks = !leaves && dimensions.some(({ needed, wanted }) => needed > 0 || wanted > 0)
  const earlier = wants.filter(
    ([name, want]) => want.since < since || (want.since === since && name < member),
  )
  const free = dimensions.map(({ limit }, index) => {
    if (limit === undefined) return Infinity
    const promised = earlier.reduce((sum, [, want]) => sum + want.needed[index]!, 0)
    return limit - others[index]! - held[index]! - promised
  })
  const fits = !isGrace && dimensions.every(({ needed }, index) => needed <= 0 || needed <= free[index]!)
  let isNewWant = false
  if (asks && fits) {
    for (const [index, { wanted }] of dimensions.entries()) {
      held[index]! += Math.max(0, Math.min(wanted, free[index]!))
    }
  }
  if (asks && !fits) {
    isNewWant = ownWant === undefined
    const wanted = dimensions.map((each) => each.wanted)
    const needed = dimensions.map((each) => each.needed)
    state.wants.set(member, { since, until: now + wantMs, wanted, needed })
  } else {
    state.wants.delete(member)
  }

  const keep = dimensions.map(({ limit, needed: granted }, index) => {
    if (limit === undefined) return Infinity
    const fair = Math.floor(limit / active)
    let most = held[index]! + others[index]! > limit ? Math.max(0, limit - others[index]!) : Infinity
    for (const [name, { needed }] of wants) {
      if (needed[index]! <= 0) continue
      const wanting = holds.get(name)
      const unused = (wanting?.held[index] ?? 0) - (wanting?.used[index] ?? 0)
      if (unused + needed[index]! > fair) most = 0
      else if ((wanting?.held[index] ?? 0) < fair) most = Math.min(most, fair)
    }
    return asks && fits && most !== Infinity ? Math.max(most, stated[index]! + granted) : most
  })

  state.members.set(member, {
    number,
    leaseEnds: leaves ? now : now + leaseMs + 2,
    leavesAt: nextMs === undefined ? 0 : now + nextMs,
    held,
    used: dimensions.map(({ used }) => used),
  })

  const [first] = wants
  if (first !== undefined) {
    const hasRoom = dimensions.every(({ limit }, index) => {
      const needed = first[1].needed[index]!
      return needed <= 0 || limit === undefined || needed <= limit - others[index]! - held[index]!
    })
    if (hasRoom && !isGrace) news.push({ kind: 'freed', member: first[0] })
  }
  if (isNewWant) news.push({ kind: 'wanted', member })

  const reply = {
    kind: isGrace ? ('grace' as const) : ('ok' as const),
    active,
    nextMs: soonestAt === Infinity ? undefined : soonestAt - now,
    dimensions: held.map((each, index): DimensionReply => {
      return { held: each, others: others[index]!, usedByOthers: usedByOthers[index]!, keep: keep[index]! }
    }),
  }
  return { reply, news }
}

/** Undefined: the state is of a later version. */
function begin(
  state: TwinState,
  { schema = schemaVersion, leaseMs, aheadMs = 3_000 }: TwinCall,
  realMs: number,
): { now: number; isGrace: boolean } | undefined {
  const known = state.epoch
  if (known !== undefined && known.schema > schema) return undefined
  if (known === undefined || known.now > realMs + aheadMs) {
    state.epoch = { schema, now: realMs, graceUntil: realMs + leaseMs, aliveUntil: 0 }
    return { now: realMs, isGrace: true }
  }
  const now = Math.max(realMs, known.now)
  const isSurprise = now - known.now > leaseMs && known.aliveUntil > known.now
  const graceUntil = isSurprise ? now + leaseMs : Math.min(known.graceUntil, now + leaseMs)
  state.epoch = { ...known, schema, now, graceUntil }
  return { now, isGrace: now < graceUntil }
}

/** The fields of the scope's hash as the scripts write them. */
export function scopeFields({ members, wants }: TwinState): Map<string, string> {
  const fields = new Map<string, string>()
  const pairs = (one: readonly number[], other: readonly number[]) =>
    one.flatMap((each, index) => [each, other[index]!])
  for (const [name, { number, leaseEnds, leavesAt, held, used }] of members) {
    fields.set(`m:${name}`, [number, leaseEnds, leavesAt, ...pairs(held, used)].join(' '))
  }
  for (const [name, { since, until, wanted, needed }] of wants) {
    fields.set(`w:${name}`, [since, until, ...pairs(wanted, needed)].join(' '))
  }
  return fields
}

export function epochFields({ epoch }: TwinState): Map<string, string> {
  if (epoch === undefined) return new Map()
  const { schema, now, graceUntil, aliveUntil } = epoch
  const numbers = { schema, now, grace_until: graceUntil, alive_until: aliveUntil }
  return new Map(Object.entries(numbers).map(([name, value]) => [name, String(value)]))
}
