import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import type { Ability } from '../../src/domain.ts'
import { ServerFacts } from '../../src/routing/server-facts.ts'

suite('server facts', () => {
  test('the configuration counts before the report, and the report before the list', () => {
    const facts = new ServerFacts()
    facts.setListed('one', new Map([['m', { contextLength: 1, state: 'unloaded' as const }]]))
    assert.equal(facts.modelOf('one', 'm').contextLength, 1)
    facts.setReported('one', { models: new Map([['m', { contextLength: 2, slots: 4 }]]) })
    assert.equal(facts.modelOf('one', 'm').contextLength, 2)
    facts.setConfigured(new Map([['one', { contextLength: 3 }]]))
    const { contextLength, state, slots } = facts.modelOf('one', 'm')
    assert.deepEqual({ contextLength, state, slots }, { contextLength: 3, state: 'unloaded', slots: 4 })
  })

  test('what a server reports of any model holds for names that it does not list', () => {
    const facts = new ServerFacts()
    const takes = new Set<Ability>(['text', 'image'])
    facts.setReported('one', { slots: 2, anyModel: { contextLength: 2048, takes } })
    assert.equal(facts.modelOf('one', 'whatever').takes, takes)
    assert.equal(facts.slotsOf('one'), 2)
    assert.deepEqual(facts.modelOf('other', 'whatever'), {})
  })

  test('a server that was stopped is expected to come back as it was, with nothing in memory', () => {
    const facts = new ServerFacts()
    const state = 'loaded' as const
    facts.setListed('one', new Map([['listed', { contextLength: 1, state }]]))
    const models = new Map([['m', { slots: 4, state }]])
    facts.setReported('one', { slots: 2, isSleeping: true, anyModel: { contextLength: 2048, state }, models })
    facts.setStopped('one')
    const known = ['m', 'listed', 'other'].map((name) => facts.modelOf('one', name))
    assert.deepEqual(
      known.map(({ contextLength, slots, state: now }) => [contextLength, slots, now]),
      [
        [2048, 4, undefined],
        [2048, undefined, undefined],
        [2048, undefined, undefined],
      ],
    )
    assert.deepEqual([facts.slotsOf('one'), facts.isSleeping('one')], [2, false])
  })

  test('of a server that cannot be reached, the list keeps what does not change', () => {
    const facts = new ServerFacts()
    facts.setListed('one', new Map([['m', { contextLength: 1, state: 'loaded' as const }]]))
    facts.setReported('one', { slots: 2 })
    const known = () => [facts.modelOf('one', 'm').contextLength, facts.modelOf('one', 'm').state]
    facts.setUnreachable('one')
    assert.deepEqual([facts.slotsOf('one'), ...known()], [undefined, 1, undefined])
    facts.setReported('one', { slots: 3 })
    assert.deepEqual([facts.slotsOf('one'), ...known()], [3, 1, 'loaded'])
  })

  test('a removed provider is forgotten, and changes are reported by name', () => {
    const facts = new ServerFacts()
    const changed: string[] = []
    facts.onChange = (provider) => changed.push(provider)
    facts.setReported('one', { isSleeping: true })
    assert.equal(facts.isSleeping('one'), true)
    facts.setConfigured(new Map([['other', {}]]))
    assert.equal(facts.isSleeping('one'), false)
    assert.deepEqual(changed, ['one', 'other'])
  })
})
