import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { contenders } from '../../../bench/gateways/contenders/all.ts'
import { ours, variants } from '../../../bench/gateways/contenders/ours.ts'
import { type Measurement, takesPart } from '../../../bench/gateways/figure.ts'
import { dialects } from '../../../bench/gateways/figures/dialects.ts'
import { cpu } from '../../../bench/gateways/figures/cpu.ts'
import { life } from '../../../bench/gateways/figures/life.ts'
import { translation } from '../../../bench/gateways/figures/translation.ts'
import { readOptions, scaleOf } from '../../../bench/gateways/options.ts'

function named(name: string) {
  return contenders.find((contender) => contender.name === name)!
}

suite('the contenders', () => {
  test('begin with ours, and have names of their own', () => {
    assert.equal(contenders[0], ours)
    assert.equal(new Set(contenders.map(({ name }) => name)).size, contenders.length)
  })

  test('can be named in --only', () => {
    for (const { name, isVariant } of contenders) {
      const known = name === ours.name ? 'ours' : isVariant === true ? 'variants' : name
      assert.doesNotThrow(() => readOptions(['--only', known], 'results'), name)
    }
  })

  test('are rivals where people pick them in place of ours', () => {
    const rivals = contenders.filter(({ isRival }) => isRival).map(({ name }) => name)
    assert.deepEqual(rivals, [
      'LiteLLM',
      'Olla',
      'llama-swap',
      'llm-router',
      'Portkey',
      'claude-code-router',
      'Bifrost',
      'agentgateway',
    ])
  })
})

suite('a contender', () => {
  const chat: Measurement = { name: 'cpu', figures: () => [], measure: () => Promise.resolve() }

  test('without chat takes part where its calls are made, and in no figure of chat calls', () => {
    const contender = named('claude-code-router')
    assert.deepEqual(
      [chat, dialects, life].map((measurement) => takesPart(measurement, contender)),
      [false, true, true],
    )
    const figures = dialects.figures({} as never).filter(({ has }) => has?.(contender))
    assert.deepEqual(
      figures.map(({ id }) => id),
      ['messages_call', 'messages_event'],
    )
  })

  test('that translates nothing is in no figure of translated calls', () => {
    assert.ok(!takesPart(dialects, named('nginx')))
  })

  test('that is a variant of ours takes part in what it may change', () => {
    for (const variant of variants) {
      assert.ok(takesPart(chat, variant))
      assert.ok(!takesPart(dialects, variant))
    }
  })
})

suite('figures of calls like each other', () => {
  test('have titles of their own', () => {
    const options = readOptions([], 'results')
    assert.notEqual(options, 'help')
    const scale = scaleOf(options as Exclude<typeof options, 'help'>, 20_000)
    const titles = [cpu, dialects, translation]
      .flatMap(({ figures }) => figures(scale))
      .map(({ title }) => title)
    assert.deepEqual(titles, [...new Set(titles)])
  })
})
