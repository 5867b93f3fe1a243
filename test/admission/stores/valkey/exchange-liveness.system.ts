// The protocol of shared limits is fair: whatever the other gateways do, each that wants something gets it within a bounded number
// of exchanges. And the game notices what starves a gateway: with one line of the protocol changed, it names a way that goes round.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { longestWait } from './exchange-liveness.ts'
import type { World } from './exchange-world.ts'
import { mutated, type Mutation } from './mutated.ts'

const small: World = {
  gateways: 2,
  limit: 1,
  calls: [1],
  lease: 1,
  want: 2,
  window: 1,
  delays: 0,
  late: 0,
  ends: false,
  flushes: 0,
  jumps: 0,
  backs: 0,
}
/** With a lease that outlasts a step, what lies unused is not free by itself. */
const longer: Partial<World> = { lease: 2 }
const larger: Partial<World> = { lease: 2, limit: 2, calls: [1, 2] }

/** @param longest that a gateway waits, in steps, each of which has an exchange of each gateway. */
const cases: readonly (readonly [name: string, longest: number, Partial<World>])[] = [
  ['one request', 4, {}],
  ['one request, a longer lease', 6, longer],
  ['one request after exchanges that were late or lost', 4, { delays: 1, late: 1 }],
  ['calls of one and two', 12, larger],
  ['one slot', 6, { window: 0 }],
  ['gateways that die or leave', 4, { ends: true, late: 1 }],
  ['a server that has lost its state', 4, { flushes: 1 }],
  ['a clock that has jumped', 4, { jumps: 1 }],
  ['three gateways', 6, { gateways: 3 }],
]

for (const [name, most, world] of cases) {
  test(`whoever waits is served: ${name}`, (t) => {
    const { states, longest, way } = longestWait({ ...small, ...world })
    t.diagnostic(`${states} states, at most ${longest} steps: ${way.join(', ')}`)
    assert.ok(longest <= most, `${longest} steps: ${way.join(', ')}`)
    assert.ok(longest > 1 && states > 100, `${states} states`)
  })
}

const mutations: readonly (Mutation & { readonly name: string; readonly world?: Partial<World> })[] = [
  {
    name: 'a turn is kept by nobody',
    in: 'twin',
    from: 'const since = ownWant?.since ?? now',
    to: 'const since = now',
  },
  {
    name: 'room is not kept for those who came before',
    in: 'twin',
    from: 'limit - others[index]! - held[index]! - promised',
    to: 'limit - others[index]! - held[index]! - 0 * promised',
  },
  {
    name: 'a want is forgotten before its gateway asks again',
    in: 'twin',
    from: 'until: now + wantMs',
    to: 'until: now',
  },
  {
    name: 'nobody hears that others wait',
    in: 'twin',
    from: 'keep: keep[index]! }',
    to: 'keep: Infinity }',
    world: longer,
  },
  {
    name: 'what is larger than a fair part comes of what nobody holds alone',
    in: 'twin',
    from: 'unused + needed[index]! > fair',
    to: 'unused + needed[index]! > limit',
    world: larger,
  },
  {
    name: 'what lies unused where a call waits is no part of what it takes',
    in: 'twin',
    from: 'unused + needed[index]! > fair',
    to: 'needed[index]! > fair',
    world: larger,
  },
  {
    name: 'a grant leaves out what lay unused before',
    in: 'twin',
    from: 'stated[index]! + granted',
    to: 'dimensions[index]!.used + granted',
    world: larger,
  },
  {
    name: 'a grant is given back at once',
    in: 'twin',
    from: 'return asks && fits && most !== Infinity',
    to: 'return asks && !fits && most !== Infinity',
  },
  {
    name: 'what others wait for is used on',
    in: 'allotment',
    from: 'Math.min(held, Math.max(used[index]!, this.#last.dimensions[index]!.keep)),',
    to: 'held,',
    world: longer,
  },
  {
    name: 'what others wait for is not given back',
    in: 'allotment',
    from: 'return this.#lower((index) => this.#last.dimensions[index]!.keep, used)',
    to: 'return used.length === 0',
    world: longer,
  },
]

for (const { name, world, ...mutation } of mutations) {
  test(`the game notices who starves: ${name}`, async (t) => {
    const { longestWait: changed } = await mutated(mutation)
    const { states, longest, way } = changed({ ...small, ...world })
    assert.equal(longest, Infinity, `served after ${longest} steps in ${states} states`)
    t.diagnostic(way.join(', '))
  })
}
