import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fc } from '../support/properties.ts'

import {
  nanoOfPico,
  nanoOfUsd,
  picoPerCall,
  picoPerToken,
  usdOfNano,
  usdOfPico,
  usdPerMillion,
} from '../../src/prices/usd.ts'

suite('prices in USD', () => {
  test('become whole pico-USD per token', () => {
    for (const [written, pico] of [
      [1.25, 1_250_000],
      ['1.25', 1_250_000],
      [0.000001, 1],
      [0, 0],
      ['10000', 10_000_000_000],
      ['0.075', 75_000],
      [0.1 + 0.2, undefined],
      [1e-7, undefined],
      [-1, undefined],
      ['10000.000001', undefined],
      [Number.NaN, undefined],
      [Infinity, undefined],
      ['', undefined],
      ['1e3', undefined],
      ['1.', undefined],
      [' 1', undefined],
      ['0x10', undefined],
    ] as const) {
      assert.equal(picoPerToken(written), pico, String(written))
    }
    assert.equal(picoPerCall('0.005'), 5_000_000_000)
    assert.equal(picoPerCall(1000.5), undefined)
  })

  test('are shown as they were written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000_000_000 }), (pico) => {
        assert.equal(picoPerToken(usdPerMillion(pico)), pico)
      }),
    )
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 15 }), (pico) => {
        assert.equal(picoPerCall(usdOfPico(pico)), pico)
      }),
    )
  })
})

suite('amounts', () => {
  test('that a provider reports become whole nano-USD, rounded up', () => {
    for (const [value, nano] of [
      [0.00014, 140_000],
      ['0.00014', 140_000],
      [0, 0],
      [1e-9, 1],
      [1.5e-9, 2],
      [1e-300, 1],
      ['1.00E+2', 100_000_000_000],
      [0.1, 100_000_000],
      [10_000, 10 ** 13],
      [10_001, undefined],
      [1e308, undefined],
      [-0.1, undefined],
      [Number.NaN, undefined],
      ['NaN', undefined],
      ['', undefined],
      ['.', undefined],
      [null, undefined],
      [undefined, undefined],
      [true, undefined],
      [{}, undefined],
    ] as const) {
      assert.equal(nanoOfUsd(value), nano, JSON.stringify(value))
    }
  })

  test('are the same again after they were shown', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 13 }), (nano) => {
        assert.equal(nanoOfUsd(usdOfNano(nano)), nano)
      }),
    )
    assert.equal(usdOfNano(0), '0')
    assert.equal(usdOfNano(1_234_500_000), '1.2345')
    assert.equal(usdOfNano(7), '0.000000007')
  })

  test('of pico-USD are rounded up', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (pico) => {
        const nano = nanoOfPico(pico)
        assert.equal(nano, nanoOfPico(BigInt(pico)))
        assert.ok(BigInt(nano) * 1000n >= BigInt(pico))
        assert.ok((BigInt(nano) - 1n) * 1000n < BigInt(pico))
      }),
    )
  })
})
