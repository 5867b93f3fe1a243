// The tunnel as a unit of a real user manager, to a real sshd.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { cutConnections, startSshd } from '../support/box.ts'
import { until } from '../support/deadline.ts'
import { missing } from '../support/needs.ts'
import { noUserManager, startInstalled, streamCommand } from '../support/user-manager.ts'

const skip = noUserManager() || missing('sshd', 'ssh', 'ssh-keygen', 'curl', 'ps')
const unit = "'llm-gateway-tunnel-gateway\\x40box.service'"
const tunnel = 'llm-gateway/bin/llm-gateway tunnel gateway@box'
const stream = streamCommand('http://127.0.0.1:5000')

test('a tunnel is up, comes back after it was cut, and goes', { skip }, async (t) => {
  const manager = await startInstalled(t)
  await startSshd(manager)
  await manager.ok('mkdir -m 700 .ssh; cat >.ssh/config', {
    input:
      'Host box\n HostName localhost\n Port 2222\n IdentityFile ~/ssh/user\n UserKnownHostsFile ~/ssh/known\n StrictHostKeyChecking yes\n',
  })
  const status = () => manager.sh(`${tunnel} status`)
  assert.match((await status()).stderr, /There is no tunnel to gateway@box/)
  assert.match(
    await manager.ok(`${tunnel} --print`),
    /-L 127\.0\.0\.1:4000:localhost:4000 .*-- gateway@box$/m,
  )

  assert.match(await manager.ok(`${tunnel} --port 5000`), /The tunnel is up: http:\/\/127\.0\.0\.1:5000\/v1/)
  assert.match(await manager.ok(stream), /DONE/)
  assert.equal(await manager.ok(`systemctl --user show -P StatusText ${unit}`), 'the tunnel is up')
  assert.match(await manager.ok(tunnel), /^unchanged/m)

  const before = await manager.ok(`systemctl --user show -P MainPID ${unit}`)
  await cutConnections(manager)
  const isBack = async () =>
    (await status()).status === 0 && (await manager.ok(`systemctl --user show -P MainPID ${unit}`)) !== before
  await until(isBack, 'the tunnel to come back')
  assert.match(await manager.ok(stream), /DONE/)

  // Without its sshd, the port closes, and the status has the reason.
  await cutConnections(manager)
  await manager.ok('kill "$(cat ssh/pid)"')
  await until(async () => (await status()).status === 1, 'the tunnel to go down')
  await manager.ok('journalctl --sync && chmod -R a+rX /run/log/journal', { isRoot: true })
  const isRefused = async () => /is down: .*Connection refused/.test((await status()).stderr)
  await until(isRefused, 'its reason')
  await startSshd(manager)
  await until(async () => (await status()).status === 0, 'the tunnel to be up again')

  await manager.ok(`${tunnel} --remove`)
  assert.equal((await manager.sh(stream)).status, 7)
  assert.equal(await manager.ok('ls .config/systemd/user | grep tunnel; true'), '')
})

test('a tunnel that cannot come up has its reason', { skip }, async (t) => {
  const manager = await startInstalled(t)
  await startSshd(manager)
  await manager.ok('mkdir -m 700 .ssh; ssh-keygen -q -t ed25519 -N "" -f other; cat >.ssh/config', {
    input:
      'Host box\n HostName localhost\n Port 2222\n IdentityFile ~/ssh/user\n UserKnownHostsFile ~/known\n StrictHostKeyChecking yes\n',
  })
  // A journal in memory is not split by users, so hers is not her own.
  await manager.ok('journalctl --sync && chmod -R a+rX /run/log/journal', { isRoot: true })
  await manager.ok(`echo "[localhost]:2222 $(cut -d' ' -f1,2 other.pub)" >known`)
  const wrongKey = await manager.sh(`${tunnel} --port 5000`)
  assert.deepEqual([wrongKey.status, /is down/.test(wrongKey.stderr)], [1, true])
  assert.match(wrongKey.stderr, /Host key verification failed[^]*Connect once by hand/)

  await manager.ok('cp ssh/known known')
  const taken = await manager.sh(`${tunnel} --port 4000`)
  assert.equal(taken.status, 1)
  assert.match(taken.stderr, /Port 4000 of 127\.0\.0\.1 is taken by .*Choose another port: --port 4001/)

  const noGateway = await manager.sh(`${tunnel} --port 5000 --to 4444`)
  assert.match(noGateway.stderr, /The tunnel is up .*no gateway answers at its end, port 4444/)
  await manager.ok(`${tunnel} --remove`)
})

test('a tunnel is not up while another program has the IPv4 port', { skip }, async (t) => {
  const manager = await startInstalled(t)
  await startSshd(manager)
  await manager.ok('mkdir -m 700 .ssh; cat >.ssh/config', {
    input:
      'Host box\n HostName localhost\n Port 2222\n IdentityFile ~/ssh/user\n UserKnownHostsFile ~/ssh/known\n StrictHostKeyChecking yes\n',
  })
  const server = `require('node:http').createServer((_, response) => response.end('{}')).listen(5000, '127.0.0.1')`
  await manager.ok(
    `systemd-run --user --quiet --unit=other "$(ls -d "$PWD"/llm-gateway/node_modules/node-linux-*/bin/node)" -e "${server}"`,
  )
  await until(
    async () => (await manager.sh('curl -sf http://127.0.0.1:5000/')).status === 0,
    'the other program',
  )
  const { status, stdout, stderr } = await manager.sh(`${tunnel} --port 5000`)
  assert.equal(status, 1, stdout)
  assert.match(stderr, /Port 5000 of 127\.0\.0\.1 is taken by node\S* \(pid \d+\)/)
  assert.equal(await manager.ok('ls .config/systemd/user | grep tunnel; true'), '')

  // It comes later, while the tunnel is down, and the unit is told to start again.
  await manager.ok('systemctl --user stop other')
  assert.match(await manager.ok(`${tunnel} --port 5000`), /The tunnel is up/)
  await manager.ok(`systemctl --user stop ${unit}`)
  await manager.ok(
    `systemd-run --user --quiet --unit=other2 "$(ls -d "$PWD"/llm-gateway/node_modules/node-linux-*/bin/node)" -e "${server}"`,
  )
  await until(
    async () => (await manager.sh('curl -sf http://127.0.0.1:5000/')).status === 0,
    'the other program again',
  )
  await manager.sh(`systemctl --user start ${unit}`)
  const later = await manager.sh(`${tunnel} status`)
  assert.deepEqual([later.status, later.stdout], [1, ''])
})
