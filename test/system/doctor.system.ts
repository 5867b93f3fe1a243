// The weekly run as docs/systemd.md sets it up, under a real user manager.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { findKey } from '../support/key-forms.ts'
import { echoConfig, noUserManager, startInstalled, type UserManager } from '../support/user-manager.ts'

const skip = noUserManager()
const gateway = 'llm-gateway/bin/llm-gateway'
const key = 'sk-Rr7Qe2RtYk90Lm'

const onlyEcho = 'providers: { echo: { kind: echo } }\nmodels: { echo: { provider: echo } }\n'

/** The command below the heading, as a reader types it in the checkout. */
function command(): string {
  const text = readFileSync(join(import.meta.dirname, '../../docs/systemd.md'), 'utf8')
  return text.slice(text.indexOf('## A weekly check')).split('```sh\n')[1]?.split('```')[0] ?? ''
}

async function setUp(manager: UserManager): Promise<void> {
  await manager.ok(command().replace(/^llm-gateway/, gateway))
}

/** What the unit wrote, with the priority of each line. */
async function said(manager: UserManager): Promise<string[]> {
  await manager.ok('journalctl --sync && chmod -R a+rX /run/log/journal', { isRoot: true })
  const text = await manager.ok('journalctl -q -o json -t llm-gateway-doctor')
  return text.split('\n').map((line) => {
    const { PRIORITY: priority, MESSAGE: message } = JSON.parse(line) as Record<string, string>
    return `${priority} ${message}`
  })
}

test('the timer is set for a week, and a run in which all is well ends well', { skip }, async (t) => {
  const manager = await startInstalled(t, onlyEcho)
  await setUp(manager)
  assert.equal(await manager.ok('systemctl --user is-active llm-gateway-doctor.timer'), 'active')
  await manager.ok('systemctl --user start llm-gateway-doctor.service')
  const lines = await said(manager)
  assert.ok(lines.some((line) => line.startsWith('6 ok ') && line.includes('echo: reachable')))
  assert.ok(
    lines.some((line) => line.includes('port: 127.0.0.1:4000')),
    lines.join('\n'),
  )
  assert.ok(lines.some((line) => line.startsWith('6 ok ') && line.includes('service: units')))
})

test('a failure is among the failed units, and in the journal as an error', { skip }, async (t) => {
  const manager = await startInstalled(t)
  await setUp(manager)
  const { status } = await manager.sh('systemctl --user start llm-gateway-doctor.service')
  assert.notEqual(status, 0)
  assert.match(await manager.ok('systemctl --user --failed'), /llm-gateway-doctor\.service/)
  const errors = (await said(manager)).filter((line) => line.startsWith('3 '))
  assert.ok(errors.some((line) => line.includes('slow: reachable') && line.includes('ECONNREFUSED')))
})

test("the weekly run has the service's keys, and shows none", { skip }, async (t) => {
  const config = echoConfig.replace('/v1 }', '/v1, api_key: { credential: slow_api_key } }')
  const manager = await startInstalled(t, config)
  await manager.ok(`${gateway} credential set slow`, { input: key })
  await setUp(manager)
  await manager.sh('systemctl --user start llm-gateway-doctor.service')
  const lines = (await said(manager)).join('\n')
  assert.match(lines, /6 ok +credentials: providers\.slow\.api_key +found: credential slow_api_key/)
  assert.deepEqual(findKey(lines, key), [])
})

test(
  'by hand a stored key is known to be there, and the command that asks with it works',
  { skip },
  async (t) => {
    const config = echoConfig.replace('/v1 }', '/v1, api_key: { credential: slow_api_key } }')
    const manager = await startInstalled(t, config)
    await manager.ok(`${gateway} credential set slow`, { input: key })
    await manager.ok(
      `cat >answers.py <<'END'
import http.server
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        body = b'{"data":[{"id":"slow"}]}'
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(('127.0.0.1', 9999), Answers).serve_forever()
END
systemd-run --user --collect python3 $PWD/answers.py
for i in $(seq 100); do curl -s http://127.0.0.1:9999 >/dev/null && exit; sleep 0.05; done; exit 1`,
    )
    const { stdout } = await manager.sh(`${gateway} doctor --json`)
    const { checks } = JSON.parse(stdout) as {
      checks: { area: string; subject: string; state: string; detail: string; fix: string | null }[]
    }
    const stored = checks.find(({ area }) => area === 'credentials')
    assert.match(stored?.detail ?? '', /slow_api_key/)
    const skipped = checks.find(({ subject }) => subject === 'slow: key')
    assert.equal(skipped?.state, 'skipped')
    const run = await manager.sh(`${skipped?.fix} --no-calls`)
    assert.match(
      run.stdout,
      /credentials: providers\.slow\.api_key +found: credential slow_api_key/,
      run.stderr,
    )
    assert.deepEqual(findKey(stdout + run.stdout + run.stderr, key), [])
  },
)
