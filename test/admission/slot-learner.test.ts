import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { type ObservedCall, SlotLearner } from '../../src/admission/slot-learner.ts'

/** A server that works at `slots` calls together, in the order in which they come. */
class Server {
  nowMs = 0
  slots: number
  readonly learner = new SlotLearner(() => this.nowMs)
  readonly #waiting: ObservedCall[] = []
  readonly #busy: ObservedCall[] = []

  constructor(slots: number) {
    this.slots = slots
  }

  begin(): void {
    this.#waiting.push(this.learner.begin())
    this.#serve()
  }

  /** The oldest call under way ends after so long. */
  endOne(afterMs: number): void {
    this.nowMs += afterMs
    this.learner.end(this.#busy.shift()!)
    this.#serve()
  }

  #serve(): void {
    while (this.#busy.length < this.slots && this.#waiting.length > 0) {
      const call = this.#waiting.shift()!
      this.#busy.push(call)
      this.nowMs += 200
      this.learner.answer(call)
    }
  }
}

suite('the slots of a server', () => {
  for (const slots of [1, 2, 5]) {
    test(`are found when calls queue there: ${slots}`, () => {
      const server = new Server(slots)
      for (let call = 0; call < slots + 6; call++) server.begin()
      assert.equal(server.learner.bound, undefined)
      for (let end = 0; end < slots + 5; end++) server.endOne(3_000)
      assert.equal(server.learner.bound, slots)
    })
  }

  test('are not guessed while every call is answered at once', () => {
    const server = new Server(100)
    for (let round = 0; round < 20; round++) {
      for (let call = 0; call < 4; call++) server.begin()
      for (let end = 0; end < 4; end++) server.endOne(2_000)
    }
    assert.equal(server.learner.bound, undefined)
  })

  test('are tried again after a minute, and found to be more', () => {
    const server = new Server(1)
    for (let call = 0; call < 8; call++) server.begin()
    for (let end = 0; end < 8; end++) server.endOne(3_000)
    assert.equal(server.learner.bound, 1)
    server.slots = 3
    server.nowMs += 60_000
    assert.equal(server.learner.bound, 2)
    server.begin()
    server.begin()
    assert.equal(server.learner.bound, 2)
    server.nowMs += 60_000
    assert.equal(server.learner.bound, 3)
  })

  test('are fewer than the calls of which it refuses one', () => {
    const server = new Server(100)
    for (let call = 0; call < 5; call++) server.begin()
    server.learner.refuse()
    assert.equal(server.learner.bound, 4)
  })
})
