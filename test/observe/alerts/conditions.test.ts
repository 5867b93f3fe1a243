// Conditions over time: repetition, unsteadiness, the quiet after a start, and what outlives a restart.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { minuteMs, Scene, short } from './scene.ts'

const refused = { reload: { isRefused: true, problems: 1 } }
const hourMs = 60 * minuteMs

function refuse(scene: Scene): void {
  scene.counters.add('attempts_total', { provider: 'openai', result: 'auth' })
}

function answer(scene: Scene): void {
  scene.counters.add('attempts_total', { provider: 'openai', result: 'ok' })
}

suite('conditions over time', () => {
  test('what lasts is repeated every four hours', () => {
    const scene = new Scene()
    scene.with(refused)
    scene.pass(5 * minuteMs + 9 * hourMs)
    assert.deepEqual(
      scene.notices.map(({ kind }) => kind),
      ['firing', 'repeated', 'repeated'],
    )
  })

  test('what comes and goes is called unsteady at its third change, and reported again when it has ended', () => {
    const scene = new Scene()
    for (let round = 0; round < 6; round++) {
      refuse(scene)
      scene.pass(minuteMs)
      answer(scene)
      scene.pass(minuteMs)
    }
    assert.deepEqual(
      scene.notices.map(({ kind }) => kind),
      ['firing', 'recovered', 'unsteady'],
    )
    scene.pass(28 * minuteMs)
    assert.equal(scene.notices.length, 3)
    scene.pass(4 * minuteMs)
    assert.deepEqual(
      scene.notices.map(({ kind }) => kind),
      ['firing', 'recovered', 'unsteady', 'recovered'],
    )
    refuse(scene)
    scene.pass(2 * hourMs)
    refuse(scene)
    scene.pass(2_000)
    assert.equal(scene.notices.at(-1)?.kind, 'firing')
  })

  test('nothing is reported in the quiet after a start, and then what still holds', () => {
    const scene = new Scene()
    scene.isQuiet = true
    refuse(scene)
    scene.with(refused)
    scene.pass(minuteMs)
    assert.deepEqual(scene.notices, [])
    assert.deepEqual(
      scene.conditions.attention(scene).map(({ rule, state }) => [rule, state]),
      [
        ['ProviderAuth', 'pending'],
        ['ReloadRefused', 'pending'],
      ],
    )
    scene.isQuiet = false
    scene.pass(2_000)
    assert.deepEqual(scene.notices.map(short), ['firing ProviderAuth of openai'])
  })

  test('a restart reports nothing again, and goes on to repeat and to recover', () => {
    const scene = new Scene()
    refuse(scene)
    scene.pass(3 * hourMs)
    refuse(scene)
    scene.pass(10 * minuteMs)
    const before = scene.notices.length
    scene.restart(minuteMs)
    refuse(scene)
    scene.pass(minuteMs)
    assert.equal(scene.notices.length, before)
    assert.equal(scene.conditions.attention(scene)[0]?.since, scene.notices.at(-1)?.since)
    answer(scene)
    scene.pass(2_000)
    const end = scene.notices.at(-1)
    assert.equal(end?.kind, 'recovered')
    assert.equal(end?.why, 'It lasted 12 min 2 s; 2 attempts were refused.')
  })

  test('what has recovered in the quiet after a start needs no attention, and is reported after it', () => {
    const scene = new Scene()
    refuse(scene)
    scene.pass(2_000)
    scene.restart()
    scene.isQuiet = true
    scene.pass(2_000)
    assert.equal(scene.conditions.attention(scene).length, 1)
    answer(scene)
    scene.pass(2_000)
    assert.deepEqual(scene.conditions.attention(scene), [])
    assert.deepEqual(
      scene.notices.map(({ kind }) => kind),
      ['firing'],
    )
    refuse(scene)
    scene.pass(2_000)
    assert.equal(scene.conditions.attention(scene)[0]?.state, 'firing')
    answer(scene)
    scene.pass(2_000)
    scene.isQuiet = false
    scene.pass(2_000)
    assert.deepEqual(
      scene.notices.map(({ kind }) => kind),
      ['firing', 'recovered'],
    )
  })

  test('a restart that knows nothing of a condition does not call it over at once', () => {
    const scene = new Scene()
    refuse(scene)
    scene.pass(2_000)
    scene.restart()
    scene.pass(29 * minuteMs)
    assert.deepEqual(
      scene.notices.map(({ kind }) => kind),
      ['firing'],
    )
    scene.pass(2 * minuteMs)
    assert.deepEqual(
      scene.notices.map(({ kind }) => kind),
      ['firing', 'recovered'],
    )
  })

  test('a rule that is off is silent, also of what it has reported before', () => {
    const scene = new Scene()
    refuse(scene)
    scene.pass(2_000)
    scene.settings = { ...scene.settings, rules: new Map() }
    scene.pass(hourMs)
    assert.deepEqual(
      scene.notices.map(({ kind }) => kind),
      ['firing'],
    )
    assert.deepEqual(scene.conditions.attention(scene), [])
  })

  test('hostile names are printable and bounded, and there are at most a thousand conditions', () => {
    const scene = new Scene()
    const hostile = `a\u202e\n<!channel>${'é'.repeat(400)}`
    scene.counters.add('attempts_total', { provider: hostile, result: 'auth' })
    for (let index = 0; index < 2_000; index++) {
      scene.counters.add('attempts_total', { provider: `p${index}`, result: 'auth' })
    }
    scene.pass(2_000)
    assert.equal(scene.notices.length, 1_000)
    for (const { subject, what, why, fix } of scene.notices) {
      for (const text of [subject, what, why, fix]) {
        assert.ok(text.length <= 300)
        assert.doesNotMatch(text, /[\n\u202e]/)
      }
    }
  })
})
