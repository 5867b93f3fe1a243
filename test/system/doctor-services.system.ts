// What doctor finds of servers that systemd starts, under a real user manager, and that it starts and stops none of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { missing } from '../support/needs.ts'
import { home, noUserManager, startUserManager, writeConfig } from '../support/user-manager.ts'

const skip = noUserManager() || missing('python3')
const gateway = 'llm-gateway/bin/llm-gateway'

/** Answers every GET at its port with its status. */
const server = `import http.server, sys
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"data":[{"id":"m"}]}'
        self.send_response(int(sys.argv[2]))
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Answers).serve_forever()
`

const names = [
  'stopped',
  'missing',
  'masked',
  'bad',
  'failing',
  'ready',
  'wrong',
  'taken',
  'run',
  'absent',
] as const

const units: Readonly<Record<string, string>> = {
  stopped: 'ExecStart=/bin/sleep infinity',
  bad: 'ExecStart=relative/path',
  failing: "ExecStart=/bin/sh -c 'echo no model file >&2; sleep 0.3; exit 3'",
  masked: 'ExecStart=/bin/sleep infinity',
  ready: `ExecStart=/usr/bin/python3 ${home}/server.py 9105 200`,
  wrong: `ExecStart=/usr/bin/python3 ${home}/server.py 9106 404`,
  taken: 'ExecStart=/bin/sleep infinity',
}

function configText(): string {
  const providers = names.map((name, index) => {
    const service =
      name === 'run'
        ? { run: ['/bin/sleep', 'infinity'] }
        : name === 'absent'
          ? { run: ['/nonexistent/server'] }
          : { unit: `${name}.service`, start_timeout_ms: 100 }
    return [name, { base_url: `http://127.0.0.1:${9100 + index}/v1`, service }]
  })
  const models = names.map((name) => [`m-${name}`, { provider: name, model: 'm' }])
  return JSON.stringify({ providers: Object.fromEntries(providers), models: Object.fromEntries(models) })
}

interface Found {
  readonly area: string
  readonly subject: string
  readonly state: string
  readonly detail: string
  readonly fix: string | null
  readonly lines?: readonly string[]
}

test('doctor finds what is wrong with each unit, and starts none', { skip }, async (t) => {
  const manager = await startUserManager(t)
  await manager.ok('mkdir -p .config/systemd/user && cat >server.py', { input: server })
  for (const [name, line] of Object.entries(units)) {
    await manager.ok(`cat >.config/systemd/user/${name}.service`, { input: `[Service]\n${line}\n` })
  }
  await manager.ok('mv .config/systemd/user/masked.service . && systemctl --user mask masked.service')
  await writeConfig(manager, configText())
  await manager.ok(`systemctl --user daemon-reload
systemctl --user start ready wrong failing; systemd-run --user --collect python3 $PWD/server.py 9107 200
until systemctl --user is-failed failing; do sleep 0.05; done
for port in 9105 9106 9107; do
  for i in $(seq 100); do curl -s http://127.0.0.1:$port >/dev/null && continue 2; sleep 0.05; done; exit 1
done`)
  await manager.ok('journalctl --sync && chmod -R a+rX /run/log/journal', { isRoot: true })
  const states = 'systemctl --user show -P ActiveState -P InvocationID stopped taken ready wrong failing'
  const before = await manager.ok(states)

  const { stdout, stderr, status } = await manager.sh(`${gateway} doctor --no-calls --json`)

  assert.equal(await manager.ok(states), before)
  assert.equal(status, 1, stderr)
  const { checks } = JSON.parse(stdout) as { checks: Found[] }
  const of = (subject: string) => {
    const found = checks.find((check) => check.subject === subject)
    assert.ok(found !== undefined, `${subject}\n${stdout}`)
    return found
  }
  const shown = (subject: string) => {
    const { state, detail, fix } = of(subject)
    return `${state} ${detail} → ${fix ?? ''}`
  }
  assert.match(shown('services'), /^fail llm-gateway-services\.socket is not installed \(not-found\), /)
  assert.match(shown('stopped: unit'), /^ok stopped\.service is stopped; the first call starts it/)
  assert.match(shown('stopped: ready'), /^skipped it does not run/)
  assert.match(shown('missing: unit'), /^fail missing\.service does not exist/)
  assert.match(shown('masked: unit'), /^fail masked\.service is masked/)
  assert.match(shown('bad: unit'), /^fail bad\.service cannot be loaded: .+ → systemd-analyze --user verify/)
  assert.match(shown('failing: unit'), /^fail failing\.service has failed \(exit-code 3\)/)
  assert.ok(of('failing: unit').lines?.includes('no model file'), stdout)
  assert.match(shown('ready: unit'), /^ok ready\.service is active/)
  assert.match(shown('ready: ready'), /^ok .*\/v1\/models answers with 200/)
  assert.match(shown('ready: reachable'), /^ok /)
  assert.match(shown('wrong: ready'), /^fail .* answers with 404, and wrong\.service has been active for /)
  assert.match(
    shown('taken: ready'),
    /^fail http:\/\/127\.0\.0\.1:9107 is taken by python3 \(pid \d+\), while/,
  )
  assert.match(shown('run: unit'), /^ok llm-gateway-run-run\.service is stopped/)
  assert.match(shown('absent: unit'), /^fail \/nonexistent\/server does not exist/)

  const { stdout: table } = await manager.sh(`${gateway} doctor --no-calls --provider failing`)
  assert.match(
    table,
    /^fail +failing: unit +failing\.service has failed .*\n(?: {9}\| .*\n)* {9}\| no model file$/m,
  )
  assert.doesNotMatch(table, /stopped\.service/)
})

test(
  'an installation with a server on demand passes, within the sandboxes of the gateway and of the weekly check',
  { skip },
  async (t) => {
    const providers = {
      stopped: { base_url: 'http://127.0.0.1:9100/v1', service: { unit: 'stopped.service' } },
    }
    const manager = await startUserManager(t)
    const unit = `[Service]\n${units['stopped']}\n`
    await manager.ok('mkdir -p .config/systemd/user && cat >.config/systemd/user/stopped.service', {
      input: unit,
    })
    await writeConfig(manager, JSON.stringify({ providers, models: { m: { provider: 'stopped' } } }))
    await manager.ok(`${gateway} systemd install --doctor-timer`)

    assert.match(await manager.ok('curl -sS --max-time 20 http://127.0.0.1:4000/v1/models'), /"id":"m"/)
    const { stdout, stderr } = await manager.sh(`${gateway} doctor --json`)
    const { checks } = JSON.parse(stdout) as { checks: Found[] }
    assert.deepEqual(
      checks.filter(({ state }) => state === 'fail'),
      [],
      stderr,
    )
    assert.equal(checks.find(({ subject }) => subject === 'services')?.state, 'ok')
    assert.equal(checks.find(({ subject }) => subject === 'stopped: unit')?.state, 'ok')

    await manager.ok('systemctl --user start llm-gateway-doctor.service')
    await manager.ok('journalctl --sync && chmod -R a+rX /run/log/journal', { isRoot: true })
    const lines = await manager.ok('journalctl -q -o cat -t llm-gateway-doctor')
    assert.match(lines, /^ok +stopped: unit +stopped\.service is stopped; the first call starts it/m)
    assert.equal(await manager.ok('systemctl --user is-active stopped || true'), 'inactive')
  },
)
