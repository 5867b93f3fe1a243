// The starter of the system's service, under a real system manager with a real polkit: its user may start and stop the units of the
// configuration, and do nothing else.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { startMachine } from '../support/machine.ts'
import { missing } from '../support/needs.ts'
import { StarterClient } from '../support/starter-client.ts'
import { noUserManager, type RunOptions } from '../support/user-manager.ts'

const skip = noUserManager() || missing('dbus-daemon', 'pkcheck', 'systemd-sysusers')

const root: RunOptions = { isRoot: true, env: { HOME: '/root', SUDO_USER: 'gateway', SUDO_UID: '1501' } }
const gateway = '/home/gateway/llm-gateway/bin/llm-gateway'
const socket = '/run/llm-gateway-services.sock'
const config = `services: { manager: system }
providers:
  sleeper: { base_url: "http://127.0.0.1:9101/v1", service: { unit: sleeper.service } }
models: { m: { provider: sleeper } }
access: { allowed_users: [root] }
`

test(
  "polkit lets the starter's user start and stop the units of the configuration",
  { skip, timeout: 240_000 },
  async (t) => {
    const machine = await startMachine(t)
    const ok = (command: string, options: RunOptions = {}) => machine.ok(command, { ...root, ...options })
    await ok(`cd /lib/systemd/system && cp dbus.service dbus.socket polkit.service /run/units/
    systemctl daemon-reload && systemctl start dbus.socket dbus.service polkit.service`)
    for (const name of ['sleeper', 'other']) {
      const text = '[Service]\nExecStart=/bin/sleep infinity\n'
      await ok(`cat >/etc/systemd/system/${name}.service`, { input: text })
    }
    await ok('mkdir -p /etc/llm-gateway && umask 022 && cat >/etc/llm-gateway/llm-gateway.yaml', {
      input: config,
    })
    assert.match(await ok(`${gateway} systemd install --system`), /enabled +llm-gateway-services\.socket/)

    await t.test(
      'the socket belongs to the user of the gateway, which reaches the starter by it',
      async () => {
        assert.equal(await ok(`stat -c '%U %a' ${socket}`), 'llm-gateway 600')
        await ok('systemctl start llm-gateway')
        const user = await ok('ps -o user:32= -p $(systemctl show -P MainPID llm-gateway)')
        assert.equal(user, 'llm-gateway')
        const pid = await ok('systemctl show -P MainPID llm-gateway-services')
        assert.notEqual(pid, '0')
        assert.equal(await ok(`ps -o user:32= -p ${pid}`), 'llm-gateway-services')
      },
    )

    const client = await StarterClient.connect(t, machine.root + socket)
    await client.reported('sleeper', { active: 'inactive' })

    await t.test('without the rule, the manager refuses', async () => {
      assert.equal(await client.request('start', 'sleeper'), 'not-permitted')
    })

    await t.test('with the rule, it starts and stops', async () => {
      await ok(`${gateway} services polkit-rule >/etc/polkit-1/rules.d/50-llm-gateway-services.rules
      chmod 644 /etc/polkit-1/rules.d/50-llm-gateway-services.rules && systemctl restart polkit`)
      assert.equal(await client.request('start', 'sleeper'), 'done')
      await client.reported('sleeper', { active: 'active' })
      assert.equal(await client.request('stop', 'sleeper'), 'done')
      await client.reported('sleeper', { active: 'inactive' })
    })

    await t.test('the rule allows no other unit, no other verb and no other user', async () => {
      const as = (user: string, command: string) =>
        machine.sh(`setpriv --reuid ${user} --regid ${user} --clear-groups ${command}`, root)
      const starter = 'llm-gateway-services'
      for (const [user, command] of [
        [starter, 'systemctl --no-ask-password start other'],
        [starter, 'systemctl --no-ask-password stop llm-gateway'],
        [starter, 'systemctl --no-ask-password restart sleeper'],
        [starter, 'systemctl --no-ask-password kill sleeper'],
        [starter, 'systemctl --no-ask-password daemon-reload'],
        [starter, 'systemctl --no-ask-password set-property --runtime sleeper MemoryMax=1M'],
        [starter, 'systemd-run --no-ask-password true'],
        ['www-data', 'systemctl --no-ask-password start sleeper'],
        ['llm-gateway', 'systemctl --no-ask-password start sleeper'],
      ] as const) {
        const { status, stderr } = await as(user, command)
        assert.notEqual(status, 0, `${user}: ${command}`)
        assert.match(stderr, /authentication required|Access denied|Failed to/, `${user}: ${command}`)
      }
      assert.equal((await as(starter, 'systemctl --no-ask-password start sleeper')).status, 0)
    })

    await t.test("within the gateway's sandbox there is no bus", async () => {
      const pid = await ok('systemctl show -P MainPID llm-gateway')
      const within = (command: string) => machine.sh(`nsenter -t ${pid} -m ${command}`, root)
      assert.equal((await within('ls -A /run/dbus')).stdout, '')
      // Even root finds no manager there.
      assert.notEqual((await within('systemctl list-units')).status, 0)
      assert.notEqual((await within('systemd-run --quiet true')).status, 0)
    })

    await t.test('uninstall removes the starter', async () => {
      client.socket.destroy()
      await ok(`${gateway} systemd uninstall --system`)
      const left = await machine.sh(
        `ls /etc/sysusers.d/llm-gateway.conf /etc/systemd/system/llm-gateway* ${socket}`,
        root,
      )
      assert.equal(left.stdout, '')
    })
  },
)

test(
  'a service that is installed without model servers gets a lasting user with them, and keeps its state',
  { skip, timeout: 240_000 },
  async (t) => {
    const machine = await startMachine(t)
    const ok = (command: string, input = '') => machine.ok(command, { ...root, input })
    const write = (text: string) =>
      ok('mkdir -p /etc/llm-gateway && cat >/etc/llm-gateway/llm-gateway.yaml', text)
    await write(
      'providers: { e: { kind: echo } }\nmodels: { m: { provider: e } }\naccess: { allowed_users: [root] }\n',
    )
    await ok(`${gateway} systemd install --system && systemctl start llm-gateway`)
    await write(config)
    // Where systemd's own users can be looked up by name (nss-systemd(8)).
    const holdsName = (await machine.sh('getent passwd llm-gateway', root)).status === 0
    const { status, stderr } = await machine.sh(`${gateway} systemd install --system`, root)
    assert.equal(status, holdsName ? 1 : 0, stderr)
    const advice = /Run: (systemctl stop .*), then install again/.exec(stderr)?.[1] ?? 'true'
    await ok(`${advice} && ${gateway} systemd install --system && systemctl restart llm-gateway`)
    const uid = await ok('id -u llm-gateway')
    assert.match(await ok('cat /etc/passwd'), new RegExp(`^llm-gateway:x:${uid}:`, 'm'))
    assert.equal(await ok('find /var/lib/private/llm-gateway -printf "%U\\n" | sort -u'), uid)
    assert.equal(
      await ok('systemctl is-active llm-gateway.socket llm-gateway-services.socket'),
      'active\nactive',
    )
  },
)
