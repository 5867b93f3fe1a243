// The protocol of shared limits, searched exhaustively: no order of events lets a window hold more than the limit. And the search
// finds what is wrong: with one line of the protocol changed, it names the events that do.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { search } from './exchange-search.ts'
import type { World } from './exchange-world.ts'
import { type Mutation, mutated } from './mutated.ts'

const small: World = {
  gateways: 2,
  limit: 1,
  calls: [1],
  lease: 2,
  want: 1,
  window: 2,
  delays: 1,
  late: 1,
  ends: false,
  flushes: 0,
  jumps: 0,
  backs: 0,
}

interface Case {
  readonly name: string
  readonly world: Partial<World>
  /** Must have happened. */
  readonly sees: readonly string[]
}

const always = ['use', 'ok', 'tick', 'release']
const delayed = ['lost', 'slow', 'send', 'give-up', 'late']
const cases: readonly Case[] = [
  { name: 'one request, one delay', world: {}, sees: ['yield', ...delayed] },
  { name: 'two requests', world: { limit: 2, delays: 0 }, sees: [] },
  { name: 'a call of two', world: { limit: 2, calls: [2], delays: 0 }, sees: [] },
  { name: 'gateways that die or leave', world: { lease: 1, ends: true }, sees: ['die', 'leave', 'late'] },
  { name: 'a server that loses its state', world: { lease: 1, flushes: 1 }, sees: ['flush', 'grace'] },
  { name: 'a clock that jumps', world: { lease: 1, jumps: 1 }, sees: ['jump', 'grace'] },
  {
    name: 'a clock that goes back, or a time that has not come',
    world: { lease: 1, backs: 1, ends: true, delays: 0 },
    sees: ['back', 'poison', 'grace', 'die'],
  },
  { name: 'one slot', world: { window: 0 }, sees: ['end', ...delayed] },
  { name: 'two slots', world: { window: 0, limit: 2, delays: 0 }, sees: ['end'] },
  { name: 'three gateways', world: { gateways: 3, lease: 1, delays: 0 }, sees: [] },
]

for (const { name, world, sees } of cases) {
  test(`no order of events exceeds the limit: ${name}`, (t) => {
    const { states, violation, seen } = search({ ...small, ...world })
    assert.deepEqual(violation, undefined)
    assert.ok(states > 500, `${states} states`)
    for (const event of [...always, ...sees]) assert.ok(seen.has(event), event)
    t.diagnostic(`${states} states`)
  })
}

const mutations: readonly (Mutation & { readonly name: string; readonly world?: Partial<World> })[] = [
  {
    name: 'what was used does not outlast the lease',
    in: 'twin',
    from: 'other.leaseEnds + lingerMs <= now) continue',
    to: 'other.leaseEnds <= now) continue',
    world: { window: 3 },
  },
  {
    name: 'a late exchange counts',
    in: 'twin',
    from: 'own.number >= number',
    to: 'own.number > 1e9',
  },
  {
    name: 'what a gateway holds counts only as far as it is used',
    in: 'twin',
    from: 'dimensions.map((dimension) => Math.max(dimension.held, dimension.used))',
    to: 'dimensions.map((dimension) => dimension.used)',
  },
  {
    name: 'the lease is a step shorter in the server',
    in: 'twin',
    from: 'now + leaseMs + 2,',
    to: 'now + leaseMs - 22,',
  },
  {
    name: 'a gateway that leaves has used nothing',
    in: 'twin',
    from: 'leaseEnds: leaves ? now :',
    to: 'leaseEnds: leaves ? 0 :',
    world: { ends: true, lease: 1 },
  },
  {
    name: 'no grace after a flush',
    in: 'twin',
    from: 'return { now: realMs, isGrace: true }',
    to: 'state.epoch.graceUntil = 0\n    return { now: realMs, isGrace: false }',
    world: { flushes: 1 },
  },
  {
    name: 'no grace after a jump of the clock',
    in: 'twin',
    from: 'isSurprise ? now + leaseMs : Math.min(',
    to: 'Math.min(',
    world: { jumps: 1 },
  },
  {
    name: 'what was granted before time began anew is forgotten',
    in: 'twin',
    from: 'state.members.set(name, other)\n',
    to: 'state.members.set(name, other)\n    if (other !== stored) continue\n',
    world: { lease: 1, backs: 1 },
  },
  {
    name: 'of what was granted before time began anew, the lease is over',
    in: 'twin',
    from: 'leaseEnds: latestEnd } : stored',
    to: 'leaseEnds: now } : stored',
    world: { lease: 2, backs: 1 },
  },
  {
    name: 'more is used before the reply',
    in: 'allotment',
    from: 'return { limit, lingerMs, held, used: used[index]!, wanted: more, needed }',
    to: 'this.#held[index] = held + more\n      return { limit, lingerMs, held, used: used[index]!, wanted: more, needed }',
  },
  {
    name: 'what is given back is used until the reply',
    in: 'allotment',
    from: 'const held = Math.max(this.#held[index]!, used[index]!)',
    to: 'const held = used[index]!',
  },
  {
    name: 'what is used beyond what is held may be used again',
    in: 'twin',
    from: 'held[index]! + others[index]! > limit ?',
    to: 'false ?',
    world: { window: 0 },
  },
  {
    name: 'a lease does not end',
    in: 'allotment',
    from: 'return this.#isLasting || nowMs < this.#leaseUntilMs',
    to: 'return this.#leaseUntilMs > 0 && nowMs < this.#leaseUntilMs + 60',
  },
  {
    name: 'the lease begins with the reply',
    in: 'world',
    from: 'changed.agree(reply, sentMs)',
    to: 'changed.agree(reply, nowMs)',
  },
]

for (const { name, world, ...mutation } of mutations) {
  test(`the search finds what is wrong: ${name}`, async (t) => {
    const changed = await mutated(mutation)
    const { states, violation } = changed.search({ ...small, ...world })
    assert.ok(violation !== undefined && violation.length > 2, `nothing in ${states} states`)
    t.diagnostic(`${states} states: ${violation.join(', ')}`)
  })
}
