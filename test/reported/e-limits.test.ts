// Limits as crowds of callers meet them.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { startLimited } from '../flows/limited.ts'
import { chat, modelsOf, sendChat } from '../support/calls.ts'
import { setImmediate as nextTurn } from 'node:timers/promises'

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

suite('when_limited: wait', () => {
  const limits = { when_limited: 'wait', max_wait_ms: 60_000, per_client: { rpm: 600 } } as const

  test('quick calls of one client beyond its limit pass after a wait, and lists do not wait', async (t) => {
    const { gateway, clock, upstream } = await startLimited(t, limits)
    const calls = (count: number) => Array.from({ length: count }, () => chat(gateway, 'small'))
    const statuses: number[] = []
    for (let round = 0; round < 10; round++) {
      statuses.push(...(await Promise.all(calls(60))).map(({ status }) => status))
    }
    const before = clock.pendingTimers
    const waiting = calls(60)
    while (clock.pendingTimers < before + 60) await nextTurn()
    assert.ok((await modelsOf(gateway)).size > 0)
    clock.advance(59_999)
    await nextTurn()
    assert.equal(upstream.requests.length, 600)
    clock.advance(1)
    statuses.push(...(await Promise.all(waiting)).map(({ status }) => status))
    assert.deepEqual([new Set(statuses), statuses.length], [new Set([200]), 660])
  })

  test('a call that cannot be served within max_wait_ms is refused at once, as is the 65th', async (t) => {
    const rpm = { per_client: { rpm: 1 } }
    const soon = await startLimited(t, { ...limits, ...rpm, max_wait_ms: 59_000 })
    await chat(soon.gateway, 'small')
    const refused = await chat(soon.gateway, 'small')
    assert.deepEqual([refused.status, refused.headers.get('retry-after-ms')], [429, '60000'])

    const atOnce = { server: { shutdown_grace_ms: 0 } }
    const { gateway, clock } = await startLimited(t, { ...limits, ...rpm }, atOnce)
    await chat(gateway, 'small')
    const before = clock.pendingTimers
    for (let call = 0; call < 64; call++) await sendChat(t, gateway)
    while (clock.pendingTimers < before + 64) await nextTurn()
    assert.equal((await chat(gateway, 'small')).status, 429)
  })

  test('a waiting call whose client leaves does not count, and a stop ends the others', async (t) => {
    const { gateway, clock, upstream } = await startLimited(
      t,
      { ...limits, per_client: { rpm: 1 } },
      { server: { shutdown_grace_ms: 0 } },
    )
    await chat(gateway, 'small')
    const before = clock.pendingTimers
    const leaving = await sendChat(t, gateway)
    while (clock.pendingTimers < before + 1) await nextTurn()
    leaving.leave()
    while (clock.pendingTimers > before) await nextTurn()
    clock.advance(60_000)
    assert.equal((await chat(gateway, 'small')).status, 200)

    const waiting = await sendChat(t, gateway)
    while (clock.pendingTimers < before + 1) await nextTurn()
    await gateway.stop()
    assert.equal((await waiting.head()).status, 503)
    assert.equal(upstream.requests.length, 2)
  })
})
