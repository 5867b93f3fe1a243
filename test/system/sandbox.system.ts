// What the unit promises, tried out within its sandbox: a score does not know what a manager silently drops.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { missing } from '../support/needs.ts'
import {
  home,
  noUserManager,
  runtimeDirectory,
  startInstalled,
  streamCommand,
  untilUp,
} from '../support/user-manager.ts'
import type { UserManager } from '../support/user-manager.ts'

const skip = noUserManager()
const key = '.config/llm-gateway/credentials/slow_api_key'

/** Makes `probe.service` of the gateway's unit, with `probe.mjs` in its place. */
const probeUnit = `sed "s|^ExecStart=\\([^ ]*\\) .*|ExecStart=\\1 --disable-sigusr1 $HOME/probe.mjs|; s|^Type=notify|Type=exec|; s|^Requires=.*||; s|^Restart=.*|Restart=no|; s|^SyslogIdentifier=.*|StandardOutput=file:/home/gateway/out|" .config/systemd/user/llm-gateway.service >.config/systemd/user/probe.service`

/** The service with this program in the place of the gateway, under the same directives; gives what it wrote. */
async function inSandbox(manager: UserManager, script: string): Promise<string> {
  await manager.ok('cat >probe.mjs', { input: script })
  await manager.ok(probeUnit)
  await manager.ok('systemctl --user daemon-reload && systemctl --user start probe')
  await manager.ok('while systemctl --user is-active -q probe; do sleep 0.05; done')
  return manager.ok('cat out')
}

test('no write anywhere but in the state directory', { skip }, async (t) => {
  const manager = await startInstalled(t)
  const result = await inSandbox(
    manager,
    `import { writeFileSync } from 'node:fs'
    for (const folder of ['/home/gateway', '/home/gateway/.config/llm-gateway', '/home/gateway/.config/systemd/user',
      '/home/gateway/.local/state', '/etc', '/usr', '/run/user/1501', '/home/gateway/.local/state/llm-gateway']) {
      try { writeFileSync(folder + '/probe', 'x'); console.log(folder, 'written') }
      catch (error) { console.log(folder, error.code) }
    }`,
  )
  const allowed = result.split('\n').filter((line) => line.endsWith('written'))
  assert.deepEqual(allowed, ['/home/gateway/.local/state/llm-gateway written'])
})

test('the ledger can be written', { skip }, async (t) => {
  const manager = await startInstalled(t)
  await manager.ok(streamCommand())
  await manager.ok('systemctl --user stop llm-gateway.socket llm-gateway.service')
  const calls = await inSandbox(
    manager,
    `import { DatabaseSync } from 'node:sqlite'
    const ledger = new DatabaseSync('/home/gateway/.local/state/llm-gateway/usage.db')
    console.log(ledger.prepare('SELECT COUNT(*) AS calls FROM calls').get().calls)`,
  )
  assert.equal(Number(calls), 1)
})

test('the stored keys and those of other programs can not be read', { skip }, async (t) => {
  const manager = await startInstalled(t)
  await manager.ok(`mkdir -p .ssh .aws; echo x | tee .ssh/id .aws/credentials ${key}`)
  const result = await inSandbox(
    manager,
    `import { readFileSync } from 'node:fs'
    for (const file of ['.ssh/id', '.aws/credentials', '${key}']) {
      try { readFileSync('/home/gateway/' + file); console.log(file, 'read') }
      catch (error) { console.log(file, error.code) }
    }`,
  )
  assert.doesNotMatch(result, / read$/m)
})

test('no new privileges, no capabilities, a filter for system calls, no core dumps', { skip }, async (t) => {
  const manager = await startInstalled(t)
  await manager.ok(streamCommand())
  const pid = await manager.ok('systemctl --user show -P MainPID llm-gateway')
  const status = await manager.ok(`cat /proc/${pid}/status`)
  for (const line of [
    'NoNewPrivs:\t1',
    'Seccomp:\t2',
    'CapBnd:\t0000000000000000',
    'CapEff:\t0000000000000000',
  ]) {
    assert.ok(status.includes(line), line)
  }
  assert.match(await manager.ok(`cat /proc/${pid}/limits`), /^Max core file size +0 +0 /m)
  assert.match(await manager.ok(`cat /proc/${pid}/uid_map`), /^1501\s+1501\s+1$/)
})

test('no address families but IPv4, IPv6 and Unix', { skip: skip || missing('python3') }, async (t) => {
  const manager = await startInstalled(t)
  const result = await inSandbox(
    manager,
    `import { execFileSync } from 'node:child_process'
    const code = 'import socket,sys\\nfor n in sys.argv[1:]:\\n  try: socket.socket(getattr(socket,n), socket.SOCK_RAW if n in ("AF_NETLINK","AF_PACKET") else socket.SOCK_STREAM); print(n,"opened")\\n  except OSError as e: print(n,e.errno)'
    console.log(execFileSync('/usr/bin/python3', ['-c', code, 'AF_INET', 'AF_INET6', 'AF_UNIX', 'AF_NETLINK', 'AF_PACKET', 'AF_VSOCK', 'AF_ALG'].map(String)).toString())`,
  )
  const opened = result.match(/^\S+(?= opened$)/gm)
  assert.deepEqual(opened, ['AF_INET', 'AF_INET6', 'AF_UNIX'])
})

test(
  'no service manager, no bus and no container engine can be reached, but notifications can',
  { skip },
  async (t) => {
    const manager = await startInstalled(t)
    // A user's bus and a machine have these; here something listens there in their place.
    const own = ['bus', 'podman/podman.sock', 'systemd/io.systemd.Manager'].map(
      (name) => `${runtimeDirectory}/${name}`,
    )
    const machines = [
      '/run/dbus/system_bus_socket',
      '/run/docker.sock',
      '/run/systemd/io.systemd.Manager',
      '/run/systemd/machine/io.systemd.Machine',
      '/run/systemd/private',
    ]
    const others = [...own, ...machines]
    const listen = `import { mkdirSync, chmodSync, writeFileSync } from 'node:fs'
    import { createServer } from 'node:net'
    import { dirname } from 'node:path'
    process.umask(0)
    for (const path of ${JSON.stringify(others)}) {
      mkdirSync(dirname(path), { recursive: true })
      // Some are there, depending on what the machine has.
      await new Promise((resolve) =>
        createServer((socket) => socket.end()).on('error', resolve).listen(path, resolve))
    }
    writeFileSync('${home}/listening', '')`
    await manager.ok(`cat >listen.mjs`, { input: listen })
    await manager.ok(
      `llm-gateway/node_modules/.bin/node listen.mjs >listen.log 2>&1 &
    for i in $(seq 200); do [ -e listening ] && exit; sleep 0.05; done; cat listen.log; exit 1`,
      { isRoot: true },
    )
    const paths = [...others, `${runtimeDirectory}/systemd/private`]
    const probe = `import { execFileSync } from 'node:child_process'
    import { connect } from 'node:net'
    for (const path of ${JSON.stringify(paths)}) {
      const code = await new Promise((resolve) => {
        connect(path).on('connect', () => resolve('reached')).on('error', (error) => resolve(error.code))
      })
      console.log(path, code)
    }
    const commands = [['systemctl', '--user', 'list-units'], ['systemctl', 'list-units'],
      ['systemd-run', '--user', 'touch', '${home}/escaped'], ['systemd-notify', '--status=seen']]
    for (const [program, ...args] of commands) {
      try { execFileSync('/usr/bin/' + program, args, { stdio: 'ignore' }); console.log(program, 'done') }
      catch (error) { console.log(program, 'failed') }
    }
    process.exit()`
    await manager.ok('cat >outside.mjs', { input: probe.replace('escaped', 'outside') })
    const outside = await manager.ok('llm-gateway/node_modules/.bin/node outside.mjs')
    // Otherwise the probe would prove nothing.
    for (const path of paths) assert.ok(outside.includes(`${path} reached`), outside)
    assert.match(outside, /systemctl done\n[^]*systemd-run done/)
    const inside = await inSandbox(manager, probe)
    assert.doesNotMatch(inside, / reached$/m)
    assert.match(inside, /systemctl failed\nsystemctl failed\nsystemd-run failed\nsystemd-notify done$/)
    assert.equal((await manager.sh('test -e escaped')).status, 1)
    // Ends well once the gateway has notified the manager that it is ready.
    await manager.ok('systemctl --user start llm-gateway')
  },
)

test('a manager that executes itself again makes nothing reachable', { skip }, async (t) => {
  const manager = await startInstalled(t)
  const foreign = `${runtimeDirectory}/editor.sock`
  const sockets = [
    `${runtimeDirectory}/systemd/private`,
    `${runtimeDirectory}/bus`,
    foreign,
    '/run/docker.sock',
  ]
  await manager.ok('cat >listen.mjs', {
    input: `import { rmSync, writeFileSync } from 'node:fs'
    import { createServer } from 'node:net'
    process.umask(0)
    for (const path of ${JSON.stringify(sockets.slice(1))}) {
      rmSync(path, { force: true })
      await new Promise((resolve) => createServer((socket) => socket.end()).listen(path, resolve))
    }
    writeFileSync('${home}/listening', '')`,
  })
  await manager.ok('cat >probe.mjs', {
    input: `import { execFileSync } from 'node:child_process'
    import { existsSync } from 'node:fs'
    import { connect } from 'node:net'
    import { setTimeout } from 'node:timers/promises'
    const manager = execFileSync('/usr/bin/pgrep', ['-x', '-u', '1501', 'systemd']).toString().split('\\n')[0]
    execFileSync('/usr/bin/kill', ['-s', 'RTMIN+25', manager])
    while (!existsSync('${home}/listening')) await setTimeout(50)
    for (const path of ${JSON.stringify(sockets)}) {
      console.log(path, await new Promise((resolve) => {
        connect(path).on('connect', () => resolve('reached')).on('error', (error) => resolve(error.code))
      }))
    }
    execFileSync('/usr/bin/systemd-notify', ['--status=seen'])
    process.exit()`,
  })
  const before = await manager.ok(`stat -c %i ${sockets[0]}`)
  await manager.ok(probeUnit)
  await manager.ok('systemctl --user daemon-reload && systemctl --user start probe')
  // The manager has executed itself again once its socket is another one.
  await manager.ok(
    `for i in $(seq 200); do [ "$(stat -c %i ${sockets[0]})" != ${before} ] && exit; sleep 0.05; done; exit 1`,
  )
  await manager.ok('llm-gateway/node_modules/.bin/node listen.mjs >/dev/null 2>&1 &', { isRoot: true })
  await manager.ok('while systemctl --user is-active -q probe; do sleep 0.05; done')
  assert.deepEqual(
    (await manager.ok('cat out')).split('\n'),
    sockets.map((path) => `${path} ENOENT`),
  )
  assert.equal(await manager.ok('systemctl --user show -P Result probe'), 'success')
})

test(
  'notifications, the watchdog and reloads go on after the manager has executed itself again',
  { skip },
  async (t) => {
    const manager = await startInstalled(t)
    await manager.ok(
      'mkdir -p .config/systemd/user/llm-gateway.service.d; cat >.config/systemd/user/llm-gateway.service.d/a.conf; systemctl --user daemon-reload',
      { input: '[Service]\nWatchdogSec=2\n' },
    )
    await manager.ok(streamCommand())
    const pid = await manager.ok('systemctl --user show -P MainPID llm-gateway')
    await manager.ok('systemctl --user daemon-reexec')
    await manager.ok(untilUp('--user'))
    const show = 'systemctl --user show -P WatchdogTimestampMonotonic llm-gateway'
    await manager.ok(
      `for n in 1 2 3; do last=$(${show}); for i in $(seq 200); do [ "$(${show})" != "$last" ] && break; sleep 0.05; [ $i != 200 ] || exit 1; done; done`,
    )
    await manager.ok('systemctl --user reload llm-gateway')
    await manager.ok(streamCommand())
    assert.equal(await manager.ok('systemctl --user show -P MainPID llm-gateway'), pid)
  },
)
