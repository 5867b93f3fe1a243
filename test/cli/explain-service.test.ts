// What `explain` shows of servers that systemd starts.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { printExplanation } from '../../src/cli/explain-print.ts'
import { explain, type Explanation } from '../../src/cli/explanation.ts'
import { Output } from '../../src/cli/output.ts'
import { RouteTable } from '../../src/routing/route-table.ts'
import { serverKindsOf } from '../../src/routing/server-kinds.ts'
import { recordedIo } from '../support/command-io.ts'
import { loadText } from '../support/config-file.ts'

const text = `providers:
  qwen: { kind: llama_cpp, base_url: "http://127.0.0.1:8081/v1", service: { unit: llama-server@qwen.service } }
  gemma: { base_url: "http://127.0.0.1:8082/v1", service: { unit: g.service, ready: /up, keep: true, start: boot, when_starting: failover } }
  whisper:
    kind: ollama
    base_url: http://127.0.0.1:8083/v1
    service: { run: [/usr/bin/whisper, --api-key, hunter2], environment: { A: hunter3 }, start_timeout_ms: 5000, stop_after_idle_ms: 60000 }
  plain: { base_url: "http://127.0.0.1:8084/v1" }
models: { m: { targets: [{ provider: qwen }, { provider: gemma }, { provider: whisper }, { provider: plain }] } }
services: { groups: { gpu0: { members: [qwen, gemma, whisper], running: 2, max_run_ms: 60000 } } }
`

function explained(t: TestContext): { explanation: Explanation; shown: string } {
  const loaded = loadText(t, text, { hasServiceManager: true })
  assert.ok(loaded.ok)
  const route = new RouteTable(loaded.config.models, new Map(), serverKindsOf(loaded.config.providers)).find(
    'm',
  )!
  const explanation = explain('m', route, {
    ...loaded,
    file: '/x.yaml',
    storedCredentials: new Set(),
    dialect: undefined,
    probes: new Map(),
  })
  const io = recordedIo({})
  printExplanation(new Output(io.stdout, io.env), explanation, false)
  return { explanation, shown: io.written.stdout }
}

test('a target shows its unit, when it starts and stops, and with whom it shares its place', (t) => {
  const { shown } = explained(t)
  const [qwen = '', gemma = '', whisper = '', plain = ''] = shown.split(/^\d\. /m).slice(1)
  assert.match(qwen, /^ +service +llama-server@qwen\.service \(the user's systemd\)$/m)
  assert.match(qwen, /^ +starts +when a call comes, which waits for it$/m)
  assert.match(
    qwen,
    /^ +ready +when http:\/\/127\.0\.0\.1:8081\/health answers with 2xx, 401 or 403, within 2 min$/m,
  )
  assert.match(qwen, /^ +stops +after 15 min without a call$/m)
  assert.match(
    qwen,
    /^ +group +gpu0: 2 of qwen, gemma, whisper at once; while others wait, .* 30 s to 1 min /m,
  )
  assert.match(gemma, /^ +starts +with the gateway, and when a call comes, which goes to another target/m)
  assert.match(gemma, /^ +ready +when http:\/\/127\.0\.0\.1:8082\/up answers/m)
  assert.match(gemma, /^ +stops +never \(keep\)$/m)
  assert.match(gemma, /^ +group .* at once; it does not make room for others$/m)
  assert.match(
    whisper,
    /^ +service +llm-gateway-run-whisper\.service \(.*, transient, runs \/usr\/bin\/whisper\)$/m,
  )
  assert.match(
    whisper,
    /^ +ready +when http:\/\/127\.0\.0\.1:8083\/api\/version answers with 2xx, 401 or 403, within 5 s$/m,
  )
  assert.match(whisper, /^ +stops +after 1 min without a call$/m)
  assert.doesNotMatch(plain, /service|stops/)
})

test('programs get the same, and neither arguments nor the environment', (t) => {
  const { explanation, shown } = explained(t)
  assert.deepEqual(explanation.targets[0]!.service, {
    unit: 'llama-server@qwen.service',
    manager: 'user',
    group: {
      name: 'gpu0',
      members: ['qwen', 'gemma', 'whisper'],
      running: 2,
      minRunMs: 30_000,
      maxRunMs: 60_000,
    },
    readyUrl: 'http://127.0.0.1:8081/health',
    startTimeoutMs: 120_000,
    stopAfterIdleMs: 900_000,
    isKept: false,
    startsAtBoot: false,
    whenStarting: 'wait',
  })
  assert.equal(explanation.targets[1]!.service?.stopAfterIdleMs, null)
  assert.equal(explanation.targets[3]!.service, undefined)
  assert.doesNotMatch(JSON.stringify(explanation) + shown, /hunter/)
})
