// A machine that fails around the gateway: no name server answers. That no file descriptor is left: a-survival.system.ts.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { used } from '../support/calls.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { until } from '../support/deadline.ts'
import { connectRaw, rawRequest } from '../support/raw-client.ts'

const path = 'POST /v1/chat/completions'

/**
 * Node's option with which a look-up of a name under `.test` never ends and occupies a thread of Node's pool, as one does
 * that no name server answers.
 */
function withoutNameServer(t: TestContext): string {
  const folder = scratchDirectory(t)
  const [pipe, script] = [join(folder, 'pipe'), join(folder, 'script.mjs')]
  spawnSync('mkfifo', [pipe])
  const code = `
    import dns from 'node:dns'
    import { open, writeSync } from 'node:fs'
    const { lookup } = dns
    dns.lookup = (host, ...rest) => {
      if (!host.endsWith('.test')) return lookup(host, ...rest)
      writeSync(2, 'looks up ' + host + '\\n')
      open(${JSON.stringify(pipe)}, 'r', () => {})
    }`
  writeFileSync(script, code)
  return `--import=${script}`
}

suite('While no name server answers,', () => {
  for (const workers of [1, 2]) {
    test(`the process ends with its last line, stopped (server.workers: ${workers})`, async (t) => {
      const { gateway } = await startGatewayProcess(
        t,
        {
          server: { workers, shutdown_grace_ms: 50 },
          providers: { cloud: { base_url: 'https://silent.test/v1', api_key: { env: 'SCRIPTED_KEY' } } },
          rate_limit_settings: { limits: { plain: { max_parallel_requests: 9 } } },
        },
        // Real look-ups leave half of the pool to others.
        { UV_THREADPOOL_SIZE: '16' },
        { options: [withoutNameServer(t)] },
      )
      const clients = await Promise.all(Array.from({ length: 3 }, () => connectRaw(t, gateway.url)))
      for (const client of clients) client.send(rawRequest(path, {}, '{"model":"plain","messages":[]}'))
      await until(async () => (await used(gateway, 'plain')).parallel === 3, 'three calls under way')

      assert.equal(await gateway.stop(), 'SIGTERM')
      for (const client of clients) assert.equal((await client.response()).status, 503)
      const lines = gateway.stdout().trim().split('\n')
      assert.equal((JSON.parse(lines.at(-1)!) as { event: string }).event, 'stopped')
      const lookups = gateway.stderr().match(/looks up silent.test/g)!
      assert.ok(lookups.length <= workers + 1, `${lookups.length} look-ups of one name at once`)
    })
  }
})
