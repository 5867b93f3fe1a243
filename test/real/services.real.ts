// Real llama.cpp servers as units of a real user manager, one of them at a time: started by calls, stopped when nobody calls, and
// exchanged for one another.
import assert from 'node:assert/strict'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite, test } from 'node:test'

import { until } from '../support/deadline.ts'
import { callCommand, startServices, stateOf } from '../support/installed-services.ts'
import { noUserManager, type UserManager } from '../support/user-manager.ts'
import { missingLlamaCpp } from './llama-cpp.ts'

const skip = noUserManager() || missingLlamaCpp()
const python = process.env['LLM_GATEWAY_TEST_PYTHON']
const program = fileURLToPath(new URL('llama_service.py', import.meta.url)).replace(
  /^.*\/test\//,
  '%h/llm-gateway/test/',
)

const unitOf = (port: number, name: string) => ({
  lines: ['ExecStart=', `ExecStart=${python} ${program} ${port} ${name}`],
  service: { stop_after_idle_ms: 3_000 },
})

/** Python may lie in the home of whoever tests: then that is an empty folder in the namespaces of the test, but for Python. */
async function openPrefix(manager: UserManager): Promise<void> {
  const prefix = await manager.ok(`${python} -c 'import sys; print(sys.base_prefix)'`, { isRoot: true })
  const home = homedir()
  if (!prefix.startsWith(join(home, '/'))) return
  await manager.ok(
    `mkdir /run/prefix && mount --bind '${prefix}' /run/prefix && mount -t tmpfs -o mode=755 tmpfs '${home}' && mkdir -p '${prefix}' && mount --move /run/prefix '${prefix}'`,
    { isRoot: true },
  )
}

suite('real llama.cpp servers that share a place', { skip }, () => {
  test('are started by calls, take turns without a cut, and are stopped', async (t) => {
    const manager = await startServices(t, {
      servers: { one: unitOf(9200, 'one'), two: unitOf(9201, 'two') },
      config: {
        server: { heartbeat_after_ms: 300 },
        services: {
          groups: { gpu0: { members: ['one', 'two'], running: 1, min_run_ms: 2_000, max_run_ms: 5_000 } },
        },
      },
    })
    await openPrefix(manager)
    const call = async (name: string) => {
      const text = await manager.ok(callCommand(name, { more: { max_tokens: 20 } }))
      assert.match(text, /"content":"[^"]/, text)
      assert.match(text, /data: \[DONE\]$/)
      return text
    }
    const first = await call('one')
    t.diagnostic(`heartbeats before the first answer: ${first.split(': ping').length - 1}`)
    assert.equal(await stateOf(manager, 'one'), 'active')
    const names = Array.from({ length: 24 }, (_, index) => (index % 2 === 0 ? 'one' : 'two'))
    await Promise.all(names.map(call))
    const running = await Promise.all(['one', 'two'].map((name) => stateOf(manager, name)))
    assert.deepEqual(running.filter((state) => state === 'active').length, 1)
    await until(async () => {
      const states = await Promise.all(['one', 'two'].map((name) => stateOf(manager, name)))
      return states.every((state) => state !== 'active' && state !== 'deactivating')
    }, 'the idle stop')
  })
})
