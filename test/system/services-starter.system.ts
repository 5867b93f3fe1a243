// The starter of model servers under a real user manager: it starts what the configuration names, and nothing else.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { until } from '../support/deadline.ts'
import { StarterClient } from '../support/starter-client.ts'
import {
  configFile,
  home,
  noUserManager,
  runtimeDirectory,
  startUserManager,
  type UserManager,
  writeConfig,
} from '../support/user-manager.ts'

const skip = noUserManager()
const gateway = 'llm-gateway/bin/llm-gateway'
const socketPath = `${runtimeDirectory}/llm-gateway/services.sock`

const odd = ['$HOME', '${HOME}', '$$', '%n', '%%', '"', "'", 'a b', ';', '\\x41', '', 'é']

/** Each with a port of its own, where nothing listens. */
function configOf(services: Readonly<Record<string, object>>): string {
  const providers = Object.entries(services).map(([name, service], index) => [
    name,
    { base_url: `http://127.0.0.1:${9100 + index}/v1`, service },
  ])
  const models = { m: { provider: Object.keys(services)[0] } }
  // The file has variables of its own: `${NAME}`.
  return JSON.stringify({ providers: Object.fromEntries(providers), models }).replaceAll('${', () => '$${')
}

const services = {
  sleeper: { unit: 'sleeper.service' },
  crasher: { unit: 'crasher.service' },
  killed: { unit: 'killed.service' },
  masked: { unit: 'masked.service' },
  missing: { unit: 'missing.service' },
  odd: {
    run: ['/bin/sh', '-c', `printf '<%s>' "$PWD" "$ODD" "$@" >${home}/args`, 'sh', ...odd],
    environment: { ODD: '$HOME %n "x" ;' },
    working_directory: '/usr/share',
  },
  bounded: { run: ['/bin/sleep', 'infinity'], memory_max: '64M' },
  failing: { run: ['/bin/sh', '-c', 'exit 7'] },
  absent: { run: ['/nonexistent/server'] },
}

const unitFiles = {
  sleeper: 'ExecStart=/bin/sleep infinity',
  crasher: "ExecStart=/bin/sh -c 'sleep 0.2; exit 3'",
  killed: 'ExecStart=/bin/sleep infinity',
  masked: 'ExecStart=/bin/sleep infinity',
}

async function startStarter(t: TestContext): Promise<{ manager: UserManager; client: StarterClient }> {
  const manager = await startUserManager(t)
  await manager.ok('mkdir -p .config/systemd/user')
  for (const [name, line] of Object.entries(unitFiles)) {
    await manager.ok(`cat >.config/systemd/user/${name}.service`, { input: `[Service]\n${line}\n` })
  }
  await manager.ok('mv .config/systemd/user/masked.service . && systemctl --user mask masked.service')
  await writeConfig(manager, configOf(services))
  await manager.ok(`${gateway} systemd install`)
  const client = await StarterClient.connect(t, manager.root + socketPath)
  await client.reported('sleeper', { active: 'inactive' })
  return { manager, client }
}

suite('the starter in the user manager', { skip }, async () => {
  test('starts and stops what the configuration names', async (t) => {
    const { manager, client } = await startStarter(t)
    assert.deepEqual(client.messages[0], { kind: 'hello', version: 1 })
    const first = client.messages[1]
    assert.ok(first?.kind === 'units' && first.isWhole)
    assert.deepEqual(first.reports.map(({ service }) => service).toSorted(), Object.keys(services).toSorted())

    await t.test('a unit', async () => {
      assert.equal(await client.request('start', 'sleeper'), 'done')
      const { invocation, activeSinceMs } = await client.reported('sleeper', {
        active: 'active',
        sub: 'running',
      })
      assert.match(invocation, /^[0-9a-f]{32}$/)
      const enteredMs = await manager.ok(
        `date -d "$(systemctl --user show -P ActiveEnterTimestamp sleeper)" +%s`,
      )
      assert.ok(Math.abs(activeSinceMs! - Number(enteredMs) * 1000) < 2_000)
      assert.equal(await client.request('stop', 'sleeper'), 'done')
      const stopped = await client.reported('sleeper', { active: 'inactive' })
      assert.equal(stopped.result, 'success')
      assert.equal(stopped.activeSinceMs, undefined)
      assert.equal(await client.request('stop', 'sleeper'), 'done')
    })

    await t.test('a crash is reported with its exit status, and the unit can be started again', async () => {
      for (const _ of [1, 2]) {
        assert.equal(await client.request('start', 'crasher'), 'done')
        await client.reported('crasher', { active: 'active' })
        const { result, exitStatus } = await client.reported('crasher', { active: 'failed' })
        assert.deepEqual([result, exitStatus], ['exit-code', 3])
      }
    })

    await t.test('a unit that is started too often can be started all the same', async () => {
      for (const _ of Array.from({ length: 7 })) {
        assert.equal(await client.request('start', 'sleeper'), 'done')
        await client.reported('sleeper', { active: 'active' })
        assert.equal(await client.request('stop', 'sleeper'), 'done')
        await client.reported('sleeper', { active: 'inactive', result: 'success' })
      }
    })

    await t.test('a server that the kernel kills is reported with the signal', async () => {
      assert.equal(await client.request('start', 'killed'), 'done')
      await client.reported('killed', { active: 'active' })
      await manager.ok('systemctl --user kill -s KILL killed')
      const { result, exitStatus } = await client.reported('killed', { active: 'failed' })
      assert.deepEqual([result, exitStatus], ['signal', 9])
    })

    await t.test('what somebody else starts and stops is reported', async () => {
      await manager.ok('systemctl --user start sleeper')
      await client.reported('sleeper', { active: 'active' })
      await manager.ok('systemctl --user stop sleeper')
      await client.reported('sleeper', { active: 'inactive' })
    })

    await t.test('masked, missing and unknown ones are refused', async () => {
      assert.equal(client.reports.get('masked')?.load, 'masked')
      assert.equal(await client.request('start', 'masked'), 'masked')
      assert.equal(client.reports.get('missing')?.load, 'not-found')
      assert.equal(await client.request('start', 'missing'), 'not-found')
      for (const name of ['other', 'sleeper.service', '../sleeper', '--help', '']) {
        assert.equal(await client.request('start', name), 'unknown-service')
        assert.equal(await client.request('stop', name), 'unknown-service')
      }
      await manager.ok(
        'systemctl --user unmask masked && mv masked.service .config/systemd/user/ && systemctl --user daemon-reload',
      )
      assert.equal(await client.request('start', 'masked'), 'done')
    })

    await t.test(
      'a transient unit gets its arguments, its environment and its directory literally',
      async () => {
        assert.equal(client.reports.get('odd')?.load, 'transient')
        assert.equal(await client.request('start', 'odd'), 'done')
        await until(async () => (await manager.sh('test -s args')).status === 0, 'the arguments')
        const expected = ['/usr/share', services.odd.environment.ODD, ...odd].map((word) => `<${word}>`)
        assert.equal(await manager.ok('cat args'), expected.join(''))
      },
    )

    await t.test('a transient unit has its memory bounded, and no core dumps', async () => {
      assert.equal(await client.request('start', 'bounded'), 'done')
      await client.reported('bounded', { active: 'active', load: 'loaded' })
      const shown = await manager.ok('systemctl --user show llm-gateway-run-bounded')
      for (const line of ['MemoryMax=67108864', 'NoNewPrivileges=yes', 'LimitCORE=0', 'OOMPolicy=stop']) {
        assert.ok(shown.split('\n').includes(line), line)
      }
      const { invocation } = client.reports.get('bounded')!
      assert.equal(await client.request('start', 'bounded'), 'done')
      assert.equal(await client.request('look'), 'done')
      assert.equal(client.reports.get('bounded')?.invocation, invocation)
      assert.equal(await client.request('stop', 'bounded'), 'done')
      await client.reported('bounded', { active: 'inactive', load: 'transient' })
    })

    await t.test(
      'the result of a transient unit that failed can be read, and it can be started again',
      async () => {
        for (const _ of [1, 2]) {
          const before = client.reports.get('failing')?.invocation
          assert.equal(await client.request('start', 'failing'), 'done')
          await until(() => client.reports.get('failing')?.invocation !== before, 'another start')
          const { result, exitStatus } = await client.reported('failing', { active: 'failed' })
          assert.deepEqual([result, exitStatus], ['exit-code', 7])
        }
        assert.equal(await client.request('start', 'absent'), 'no-program')
      },
    )
  })

  test('the configuration decides, and only while nobody else can write it', async (t) => {
    const { manager, client } = await startStarter(t)
    await t.test('a service that is added is reported and can be started', async () => {
      await writeConfig(manager, configOf({ ...services, late: { run: ['/bin/sleep', 'infinity'] } }))
      assert.equal(await client.request('start', 'late'), 'unknown-service')
      await client.request('reload')
      await client.reported('late', { load: 'transient' })
      assert.equal(await client.request('start', 'late'), 'done')
      await client.reported('late', { active: 'active' })
    })
    await t.test('a service that is removed can no longer be started, but stopped by its unit', async () => {
      await writeConfig(manager, configOf(services))
      await client.request('reload')
      assert.equal(await client.request('stop', 'late'), 'unknown-service')
      assert.equal(
        await client.request('start', 'late', 'llm-gateway-run-late.service'),
        'configuration-changed',
      )
      assert.equal(await client.request('stop', 'late', 'llm-gateway-run-late.service'), 'done')
      await client.reported('late', { active: 'inactive' })
    })
    await t.test('a file with an error changes nothing', async () => {
      await writeConfig(manager, 'providers: [')
      assert.equal(await client.request('start', 'sleeper'), 'done')
      await writeConfig(manager, configOf(services))
    })
    await t.test('a file that others can write is not used', async () => {
      await manager.ok(`chmod 666 ${configFile}`)
      assert.equal(await client.request('stop', 'sleeper'), 'configuration')
      await manager.ok(`chmod 600 ${configFile} && chmod 777 .config/llm-gateway`)
      assert.equal(await client.request('stop', 'sleeper'), 'configuration')
      await manager.ok('chmod 700 .config/llm-gateway')
      assert.equal(await client.request('stop', 'sleeper'), 'done')
    })
  })

  test('its socket is for the gateway alone', async (t) => {
    const { manager } = await startStarter(t)
    assert.equal(await manager.ok(`stat -c '%a %u' ${socketPath}`), '600 1501')
    const connect = `curl -sS --max-time 5 --unix-socket ${socketPath} http://x/`
    // The directory is private as well.
    await manager.ok(`chmod 755 ${runtimeDirectory} ${runtimeDirectory}/llm-gateway`)
    const stranger = `setpriv --reuid www-data --regid www-data --clear-groups ${connect}`
    const { status, stderr } = await manager.sh(stranger, { isRoot: true })
    assert.equal(status, 7, stderr)
    // The same words by its owner reach the starter, which ends a connection that speaks HTTP.
    assert.notEqual((await manager.sh(connect)).status, 7)
  })

  test('it has no network, no keys and nothing to write', async (t) => {
    const { manager } = await startStarter(t)
    const pid = await manager.ok('systemctl --user show -P MainPID llm-gateway-services')
    const status = await manager.ok(`cat /proc/${pid}/status`)
    for (const line of ['NoNewPrivs:\t1', 'Seccomp:\t2', 'CapBnd:\t0000000000000000']) {
      assert.ok(status.includes(line), line)
    }
    const ns = await manager.ok(`readlink /proc/${pid}/ns/net /proc/self/ns/net`)
    assert.equal(new Set(ns.split('\n')).size, 2)
    const within = (script: string) =>
      manager.sh(`nsenter -t ${pid} -U --preserve-credentials -m sh -c '${script}'`)
    assert.notEqual((await within(`echo x >${home}/probe`)).status, 0)
    assert.notEqual((await within(`ls ${home}/.config/llm-gateway/credentials`)).status, 0)
  })
})

test(
  'install without services removes the starter, and status shows it while it is there',
  { skip },
  async (t) => {
    const manager = await startUserManager(t)
    await writeConfig(manager, configOf({ s: { run: ['/bin/sleep', 'infinity'] } }))
    assert.match(await manager.ok(`${gateway} systemd install`), /enabled +llm-gateway-services\.socket/)
    assert.match(
      await manager.ok(`${gateway} systemd status`),
      /^services +socket active \(listening\), starter inactive \(dead\)$/m,
    )
    const added = await manager.sh(`${gateway} doctor --no-calls`)
    assert.match(added.stdout, /ok +(service: )?units/)
    await manager.ok('sed -i s/0600/0666/ .config/systemd/user/llm-gateway-services.socket')
    const changed = await manager.sh(`${gateway} doctor --no-calls`)
    assert.match(changed.stdout, /llm-gateway-services\.socket: differs from/)
    await writeConfig(manager, 'providers: { echo: { kind: echo } }\nmodels: { echo: { provider: echo } }\n')
    assert.match(await manager.ok(`${gateway} systemd install`), /removed .*llm-gateway-services\.socket/)
    assert.equal(
      (await manager.sh('systemctl --user is-active llm-gateway-services.socket')).stdout,
      'inactive\n',
    )
    assert.doesNotMatch(await manager.ok(`${gateway} systemd status`), /^services/m)
    await writeConfig(manager, configOf({ s: { run: ['/bin/sleep', 'infinity'] } }))
    await manager.ok(`${gateway} systemd install`)
    await manager.ok(`${gateway} systemd uninstall`)
    assert.equal(await manager.ok("find .config/systemd -name 'llm-gateway-services*'"), '')
  },
)

/** Answers every call with one word, and is ready at once. */
const modelServer = `import { createServer } from 'node:http'
createServer((request, response) => {
  const isCall = request.method === 'POST'
  const message = { role: 'assistant', content: 'started' }
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(isCall
    ? { id: 'x', object: 'chat.completion', model: 'm', choices: [{ index: 0, finish_reason: 'stop', message }] }
    : { object: 'list', data: [{ id: 'm', object: 'model' }] }))
}).listen(9100, '127.0.0.1')
`

test(
  "a call through the gateway's sandbox starts the server, and the next gateway finds it running",
  { skip },
  async (t) => {
    const manager = await startUserManager(t)
    await manager.ok('cat >server.mjs', { input: modelServer })
    const run = [`${home}/llm-gateway/node_modules/.bin/node`, `${home}/server.mjs`]
    await writeConfig(manager, configOf({ s: { run } }))
    await manager.ok(`${gateway} systemd install`)
    const body = '{"model":"m","messages":[{"role":"user","content":"hello"}]}'
    const call = `curl -sS --max-time 20 http://127.0.0.1:4000/v1/chat/completions -H 'content-type: application/json' -d '${body}'`
    assert.match(await manager.ok(call), /"content":"started"/)
    const pid = 'systemctl --user show -P MainPID llm-gateway-run-s'
    const first = await manager.ok(pid)
    assert.notEqual(first, '0')
    await manager.ok('systemctl --user restart llm-gateway')
    assert.match(await manager.ok(call), /"content":"started"/)
    assert.equal(await manager.ok(pid), first)
  },
)
