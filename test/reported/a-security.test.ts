// Security faults that were found by trying: each test is one of them.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { chat } from '../support/calls.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { echo } from '../support/gateway-config.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'

suite('security, as reported', () => {
  test('what was admitted before a kill still counts after the next start', async (t) => {
    const setup = {
      ...echo,
      models: { small: { provider: 'echo' } },
      rate_limit_settings: { per_client: {}, limits: { small: { rpm: 5 } } },
    }
    const env = { STATE_DIRECTORY: scratchDirectory(t) }
    const first = await startGatewayProcess(t, setup, env)
    for (let call = 0; call < 5; call++) assert.equal((await chat(first.gateway, 'small')).status, 200)
    // As long as it takes to serve some more requests, far less than a second.
    for (let request = 0; request < 30; request++) await fetch(`${first.gateway.url}/healthz`)
    await first.gateway.stop('SIGKILL')

    const second = await startGatewayProcess(t, setup, env)

    assert.equal((await chat(second.gateway, 'small')).status, 429)
  })
})
