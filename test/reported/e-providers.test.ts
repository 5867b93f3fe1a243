// Real model servers as providers, and what their clients get.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'

import { startUpstream } from '../support/scripted-upstream.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'

suite('model servers', () => {
  test('a start only connects to a provider, because any request may load a model', async (t) => {
    const swap = await startUpstream(t)
    const base_url = `${swap.url}/upstream/gemma/v1`
    const { gateway } = await startGatewayProcess(t, { providers: { swap: { base_url } } })
    await gateway.says(/"event":"provider_reachable","provider":"swap"/)
    // The system has accepted it; this process may not have seen it yet.
    while (swap.connections === 0) await nextTurn()
    await swap.allClosed()
    assert.deepEqual([swap.connections, swap.requests.length], [1, 0])
  })
})
