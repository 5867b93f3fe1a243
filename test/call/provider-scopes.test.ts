import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { ProviderScopes } from '../../src/call/provider-scopes.ts'
import { ServerFacts } from '../../src/routing/server-facts.ts'

function start(maxParallelRequests: number | 'auto' | undefined) {
  const facts = new ServerFacts()
  const scopes = new ProviderScopes(facts, () => 0)
  scopes.follow([{ name: 'box', isLocal: true, maxParallelRequests }])
  facts.onChange = (name) => void scopes.refresh(name)
  const limit = (model = 'm') => scopes.of('box', model).limits.maxParallelRequests
  return { facts, scopes, limit }
}

suite('the scope of a provider', () => {
  test('has the number of its entry, whatever its server reports', () => {
    const { facts, limit } = start(3)
    facts.setReported('box', { slots: 8 })
    assert.equal(limit(), 3)
  })

  test('follows the slots with auto, as the same scope', () => {
    const { facts, scopes, limit } = start('auto')
    const scope = scopes.of('box', 'm')
    assert.equal(limit(), undefined)
    facts.setReported('box', { slots: 2 })
    assert.equal(limit(), 2)
    facts.setReported('box', { slots: 4 })
    assert.equal(limit(), 4)
    assert.equal(scopes.of('box', 'm'), scope)
  })

  test('leaves out the slots that other programs use, but for one', () => {
    const { facts, limit } = start('auto')
    facts.setReported('box', { slots: 4 })
    facts.setBusyElsewhere('box', 1)
    assert.equal(limit(), 3)
    facts.setBusyElsewhere('box', 4)
    assert.equal(limit(), 1)
    facts.setBusyElsewhere('box', 0)
    assert.equal(limit(), 4)
  })

  test('is one of the model where each has slots of its own', () => {
    const { facts, scopes, limit } = start('auto')
    facts.setReported('box', { models: new Map([['a', { slots: 1 }]]) })
    assert.deepEqual([limit('a'), limit('b')], [1, undefined])
    assert.notEqual(scopes.of('box', 'a').name, scopes.of('box', 'b').name)
    facts.setReported('box', { models: new Map() })
    assert.equal(scopes.of('box', 'a').name, 'box')
  })

  test('is the same one when its model has been unloaded and comes back', () => {
    const { facts, scopes } = start('auto')
    const report = (slots: number) => facts.setReported('box', { models: new Map([['a', { slots }]]) })
    report(1)
    const scope = scopes.of('box', 'a')
    facts.setReported('box', { models: new Map([['b', { slots: 2 }]]) })
    assert.equal(scopes.of('box', 'a').name, 'box')
    report(3)
    assert.equal(scopes.of('box', 'a'), scope)
    assert.equal(scope.limits.maxParallelRequests, 3)
  })

  test('is the same one after a configuration with a number of its own', () => {
    const { facts, scopes, limit } = start('auto')
    facts.setReported('box', { models: new Map([['a', { slots: 1 }]]) })
    const scope = scopes.of('box', 'a')
    scopes.follow([{ name: 'box', isLocal: true, maxParallelRequests: 5 }])
    assert.equal(limit('a'), 5)
    scopes.follow([{ name: 'box', isLocal: true, maxParallelRequests: 'auto' }])
    assert.equal(scopes.of('box', 'a'), scope)
  })

  test('follows another configuration', () => {
    const { facts, scopes, limit } = start('auto')
    facts.setReported('box', { slots: 2 })
    scopes.follow([{ name: 'box', isLocal: true, maxParallelRequests: undefined }])
    assert.equal(limit(), undefined)
  })
})
