// What other users of the machine, and programs of the gateway's own, can do to model servers that are started on demand.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { until } from '../support/deadline.ts'
import { callCommand, startServices, stateOf } from '../support/installed-services.ts'
import { missing } from '../support/needs.ts'
import { noUserManager, type UserManager } from '../support/user-manager.ts'

const skip = noUserManager()

const asOther = 'setpriv --reuid 1777 --regid 1777 --clear-groups'

const servicesOf = (manager: UserManager) => manager.ok('llm-gateway/bin/llm-gateway services')

test(
  "another user's program on a server's port receives no prompt and no key",
  { skip: skip || missing('python3') },
  async (t) => {
    const key = 'sk-of-the-server-123456'
    const provider = {
      kind: 'llama_cpp',
      base_url: 'http://127.0.0.1:9200/v1',
      api_key: { file: '/home/gateway/k' },
      headers: { 'x-team': 'a-configured-header' },
      service: { unit: 'one.service' },
    }
    const manager = await startServices(t, {
      servers: { one: { loads: 3_000 } },
      config: { providers: { one: provider } },
    })
    await manager.ok(`umask 077; echo ${key} >k; systemctl --user restart llm-gateway`)
    const squatter = `import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def log_message(self, *rest): pass
    def answer(self):
        body = self.rfile.read(int(self.headers.get('content-length') or 0))
        print(self.command, self.path, str(self.headers), body, flush=True)
        self.send_response(200); self.send_header('content-length', '2'); self.end_headers(); self.wfile.write(b'{}')
    do_GET = do_POST = answer
server = http.server.ThreadingHTTPServer(('127.0.0.1', 9200), Handler)
print(os.getpid(), flush=True)
server.serve_forever()
`
    await manager.ok('mkdir -m 777 /run/squat; cat >/run/squat/squatter.py', {
      input: squatter,
      isRoot: true,
    })
    await manager.ok(`${asOther} python3 /run/squat/squatter.py >/run/squat/seen 2>&1 </dev/null &`, {
      isRoot: true,
    })
    const seen = () => manager.ok('cat /run/squat/seen', { isRoot: true })
    await until(async () => /^\d+$/.test(await seen()), 'the listener of the other user')
    const response = await manager.ok(callCommand('one', { isStream: false, options: '-sS -i' }))
    assert.match(response, /^HTTP\/1.1 503 /)
    assert.match(response, /one\.service, port-taken/)
    const [pid, ...received] = (await seen()).split('\n')
    assert.match(received.join('\n'), /GET \/health/)
    assert.doesNotMatch(received.join('\n'), /POST|sk-of-the-server|a-configured-header/)
    assert.match(await servicesOf(manager), /port-taken/)
    await until(async () => (await stateOf(manager, 'one')) !== 'active', 'the stop of the unit')
    await manager.ok(`kill ${pid}`, { isRoot: true })
    await manager.ok('llm-gateway/bin/llm-gateway services start one')
    assert.match(await manager.ok(callCommand('one')), /DONE/)
  },
)

test("root's program on a server's port, as Docker's proxy is, serves its calls", { skip }, async (t) => {
  const manager = await startServices(t, { servers: { one: {} } })
  await manager.ok('cat >.config/systemd/user/one.service; systemctl --user daemon-reload', {
    input: '[Service]\nExecStart=/bin/sleep infinity\n',
  })
  const server = `${process.execPath} llm-gateway/test/support/model-server.ts 9200 one 0`
  await manager.ok(`${server} >/dev/null 2>&1 </dev/null &`, { isRoot: true })
  assert.match(await manager.ok(callCommand('one')), /DONE/)
  // Otherwise this would hold of every user.
  const pid = await manager.ok('systemctl --user show -P MainPID llm-gateway')
  assert.match(await manager.ok(`cat /proc/${pid}/uid_map`), /^1501\s+1501\s+1$/)
})

test('a starter that stands still does not make two members run in one place', { skip }, async (t) => {
  const groups = { g: { members: ['one', 'two'], running: 1 } }
  const manager = await startServices(t, {
    servers: { one: {}, two: {} },
    config: { services: { groups } },
  })
  await manager.ok(callCommand('two'))
  await manager.ok('llm-gateway/bin/llm-gateway services stop two')
  const pid = await manager.ok('systemctl --user show -P MainPID llm-gateway-services')
  await manager.ok(`kill -STOP ${pid}`)
  assert.match(await manager.ok(callCommand('one', { isStream: false })), /starter-unreachable/)
  const two = manager.ok(callCommand('two', { isStream: false }))
  await manager.ok(`kill -CONT ${pid}`)
  await two
  for (let look = 0; look < 30; look++) {
    const states = await manager.ok('systemctl --user show -P ActiveState one two')
    assert.ok(states.split('\n').filter((state) => state === 'active').length <= 1, states)
  }
  assert.match(await manager.ok(callCommand('one')), /DONE/)
})

test('two names of one unit are one service: the second is refused', { skip }, async (t) => {
  const manager = await startServices(t, { servers: { one: {}, two: {} } })
  await manager.ok(
    'cd .config/systemd/user && rm two.service && ln -s one.service two.service && systemctl --user daemon-reload',
  )
  assert.match(await manager.ok(callCommand('one')), /DONE/)
  assert.match(await manager.ok(callCommand('two', { isStream: false })), /two\.service, same-unit/)
  assert.match(await manager.ok('llm-gateway/bin/llm-gateway services stop two; true'), /two/)
  assert.equal(await stateOf(manager, 'one'), 'active')
})

test(
  'the environment of a transient unit is in no argument',
  { skip: skip || missing('python3') },
  async (t) => {
    const run = [
      process.execPath,
      '/home/gateway/llm-gateway/test/support/model-server.ts',
      '9200',
      'own',
      '0',
    ]
    const service = { run, environment: { HF_TOKEN: 'hf_of_the_owner' } }
    const provider = { kind: 'llama_cpp', base_url: 'http://127.0.0.1:9200/v1', service }
    const manager = await startServices(t, { servers: { own: {} }, config: { providers: { own: provider } } })
    const watch = `import os, sys
seen = False
while not os.path.exists('/run/over'):
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try: line = open('/proc/' + pid + '/cmdline', 'rb').read()
        except OSError: continue
        if b'systemd-run' in line and not seen:
            seen = True
            print('systemd-run', flush=True)
        if b'hf_of_the_owner' in line: print('token', flush=True)
print('over', flush=True)
`
    await manager.ok('cat >/run/watch.py', { isRoot: true, input: watch })
    const watching = manager.ok(`timeout 60 ${asOther} python3 /run/watch.py`, { isRoot: true })
    await manager.ok(callCommand('own'))
    const pid = await manager.ok('systemctl --user show -P MainPID llm-gateway-run-own')
    assert.match(await manager.ok(`tr '\\0' '\\n' </proc/${pid}/environ`), /^HF_TOKEN=hf_of_the_owner$/m)
    await manager.ok('touch /run/over', { isRoot: true })
    assert.doesNotMatch(await watching, /token/)
  },
)

test(
  'a configuration that others can replace stops all starts at once, and is used again once it is mended',
  {
    skip,
  },
  async (t) => {
    const manager = await startServices(t, { servers: { one: {} } })
    await manager.ok(callCommand('one'))
    await manager.ok('llm-gateway/bin/llm-gateway services stop one')
    await manager.ok('chmod o+w .config/llm-gateway')
    const refused = async () => {
      // A starter that has just been killed is unreachable for a moment.
      await until(async () => {
        const answer = await manager.ok(callCommand('one', { isStream: false }))
        assert.match(answer, /one\.service, (?:configuration|starter-unreachable)\./)
        return answer.includes('configuration')
      }, 'the refusal for the configuration')
      assert.match(await servicesOf(manager), /configuration/)
    }
    await refused()
    const serves = () =>
      until(
        async () => (await manager.ok(callCommand('one'))).includes('DONE'),
        'an answer after the configuration was mended',
      )
    await manager.ok('chmod o-w .config/llm-gateway')
    await serves()
    await manager.ok('llm-gateway/bin/llm-gateway services stop one')
    // A new starter has never had a list.
    await manager.ok('chmod o+w .config/llm-gateway; systemctl --user kill -s KILL llm-gateway-services')
    await refused()
    await manager.ok('chmod o-w .config/llm-gateway')
    await serves()
  },
)
