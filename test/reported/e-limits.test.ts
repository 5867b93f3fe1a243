// Limits as crowds of callers meet them.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { startLimited } from '../flows/limited.ts'
import { chat } from '../support/calls.ts'

/** `retry-after-ms` of a refused call. */
async function toldMs(gateway: { readonly url: string }): Promise<number> {
  const { status, headers } = await chat(gateway, 'small')
  assert.equal(status, 429)
  return Number(headers.get('retry-after-ms'))
}

suite('callers that are refused at once', () => {
  test('come back when there is room for each of them', async (t) => {
    const { gateway, clock } = await startLimited(t, { limits: { small: { rpm: 5 } } })
    for (let call = 0; call < 5; call++) {
      await chat(gateway, 'small')
      clock.advance(1_000)
    }
    const told = []
    for (let caller = 0; caller < 5; caller++) told.push(await toldMs(gateway))
    assert.deepEqual(told, [55_000, 56_000, 57_000, 58_000, 59_000])
    assert.equal(await toldMs(gateway), 59_000, 'more than fit into a minute')

    let passedMs = 0
    for (const atMs of told) {
      clock.advance(atMs - passedMs)
      passedMs = atMs
      assert.equal((await chat(gateway, 'small')).status, 200, `after ${atMs} ms`)
    }
  })

  test('one that comes back early keeps its place', async (t) => {
    const { gateway, clock } = await startLimited(t, { limits: { small: { rpm: 2 } } })
    await chat(gateway, 'small')
    clock.advance(10_000)
    await chat(gateway, 'small')
    assert.deepEqual([await toldMs(gateway), await toldMs(gateway)], [50_000, 60_000])
    clock.advance(49_999)
    assert.equal(await toldMs(gateway), 1)
  })

  test('are told different times by the limit per client as well', async (t) => {
    const { gateway, clock } = await startLimited(t, { per_client: { rpm: 2 } })
    await chat(gateway, 'small')
    clock.advance(10_000)
    await chat(gateway, 'small')
    assert.deepEqual([await toldMs(gateway), await toldMs(gateway)], [50_000, 60_000])
  })
})
