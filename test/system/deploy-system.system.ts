// The system-wide service by way of sudo, on a machine whose first process is systemd.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { addYou } from '../support/box.ts'
import { startMachine } from '../support/machine.ts'
import { findProgram, missing } from '../support/needs.ts'
import { noUserManager, streamCommand, type UserManager } from '../support/user-manager.ts'

const skip = noUserManager() || missing('sshd', 'ssh', 'ssh-keygen', 'sudo', 'npm', 'curl')

/** As root, and with a login shell that sh's quoting must survive. */
async function startSshd(machine: UserManager): Promise<void> {
  await machine.ok(`umask 077; mkdir -p ssh; ssh-keygen -q -t ed25519 -N '' -f ssh/host
    ssh-keygen -q -t ed25519 -N '' -f ssh/user; cp ssh/user.pub ssh/authorized`)
  await machine.ok(
    `mkdir -p /run/sshd; chmod 755 /run/sshd
    cp ssh/host /run/sshd-host; chown root:root /run/sshd-host; chmod 600 /run/sshd-host
    printf '%s\\n' 'ListenAddress 127.0.0.1:2222' 'HostKey /run/sshd-host' "AuthorizedKeysFile /home/gateway/ssh/authorized" \
      'UsePAM no' 'PasswordAuthentication no' 'PidFile /run/sshd.pid' >/run/sshd-config
    ${findProgram('sshd')} -f /run/sshd-config`,
    { isRoot: true },
  )
}

const config = `providers:
  echo: { kind: echo }
  near: { base_url: "http://127.0.0.1:9999/v1", api_key: { credential: near_key } }
models:
  echo: { provider: echo }
access: { allowed_users: [gateway, root] }
`
const key = 'sk-key-of-the-system-test'

test(
  '--system goes by sudo without a password, and by nothing else',
  { skip, timeout: 300_000 },
  async (t) => {
    const machine = await startMachine(t)
    await startSshd(machine)
    const { you, yours } = await addYou(machine)
    await yours('umask 077; cat >gateway.yaml; mkdir -p .config/llm-gateway/credentials', config)
    await yours('umask 077; cat >.config/llm-gateway/credentials/near_key', key)
    const deploy = 'llm-gateway deploy box --system --config gateway.yaml --yes'

    const refused = await you(deploy)
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /sudo on the box does not run commands without a password: sudo: /)
    assert.match(
      refused.stderr,
      /^ {2}ssh -t box "echo 'gateway ALL=\(root\) NOPASSWD: ALL' \| sudo tee \/etc\/sudoers\.d\/llm-gateway-deploy"$/m,
    )
    assert.equal(
      await machine.ok('ls -d /etc/llm-gateway /usr/local/lib/llm-gateway* 2>/dev/null; true', {
        isRoot: true,
      }),
      '',
    )

    await machine.ok(
      "echo 'gateway:*:19000:0:99999:7:::' >>/etc/shadow; echo 'gateway ALL=(root) NOPASSWD: ALL' >/etc/sudoers.d/gateway; chmod 440 /etc/sudoers.d/gateway",
      { isRoot: true },
    )
    const deployed = await yours(deploy)
    assert.match(deployed, /^Stored near_key in \/etc\/llm-gateway\/credentials\/near_key/m)
    assert.match(deployed, /0 failures/)
    assert.ok(!deployed.includes(key))
    assert.match(await machine.ok(streamCommand()), /DONE/)
    const owners = await machine.ok(
      'find /usr/local/lib/llm-gateway-deployed /etc/llm-gateway \\( ! -user root -o ! -group root -o -perm /022 \\) ! -type l',
      { isRoot: true },
    )
    assert.equal(owners, '', 'root alone can change what the system runs')
    assert.equal(await machine.ok('stat -c %a /etc/llm-gateway/llm-gateway.yaml', { isRoot: true }), '644')
    assert.match(await yours(deploy), /The box has all of this already/)

    // The gateway would refuse whoever comes through the tunnel.
    await yours("sed -i 's/gateway, root/self/' gateway.yaml")
    assert.match(
      (await you(`${deploy} --dry-run`)).stderr,
      /access\.allowed_users does not list gateway[^]*allowed_users: \[self, gateway\]/,
    )
    await machine.ok(
      '/usr/local/lib/llm-gateway-deployed/current/bin/llm-gateway systemd uninstall --system',
      {
        isRoot: true,
      },
    )
    assert.equal(
      await machine.ok('ls -d /usr/local/lib/llm-gateway* 2>/dev/null; true', { isRoot: true }),
      '',
    )
  },
)
