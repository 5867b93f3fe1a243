// Real sshd and ssh, with keys made for the test.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { findProgram, missing } from '../support/needs.ts'
import { noUserManager, startInstalled } from '../support/user-manager.ts'
import type { UserManager } from '../support/user-manager.ts'

const skip = noUserManager() || missing('sshd', 'ssh', 'ssh-keygen')
const stream = `${process.execPath} llm-gateway/test/support/stream-client.ts`

async function startSshd(manager: UserManager): Promise<void> {
  await manager.ok(`umask 077; mkdir -p ssh
    ssh-keygen -q -t ed25519 -N '' -f ssh/host; ssh-keygen -q -t ed25519 -N '' -f ssh/user; cp ssh/user.pub ssh/authorized
    echo "[localhost]:2222 $(cut -d' ' -f1,2 ssh/host.pub)" >ssh/known
    printf '%s\\n' 'ListenAddress 127.0.0.1:2222' "HostKey $HOME/ssh/host" "AuthorizedKeysFile $HOME/ssh/authorized" \
      'UsePAM no' 'PasswordAuthentication no' "PidFile $HOME/ssh/pid" >ssh/config
    ${findProgram('sshd')} -f ssh/config`)
}

/** Opens the tunnel; it stands when ssh has gone to the background. */
async function tunnel(manager: UserManager, forward: string): Promise<void> {
  await manager.ok(
    `ssh -fN -F none -p 2222 -i ssh/user -o UserKnownHostsFile=ssh/known -o ExitOnForwardFailure=yes -L ${forward} gateway@localhost </dev/null >/dev/null 2>&1`,
  )
}

test('the SDK streams through ssh -L to the port', { skip }, async (t) => {
  const manager = await startInstalled(t)
  await startSshd(manager)
  await tunnel(manager, '5000:localhost:4000')
  assert.equal(await manager.ok(`${stream} http://127.0.0.1:5000/v1`), 'streamed')
})

test('the SDK streams through ssh -L to the Unix socket', { skip }, async (t) => {
  const manager = await startInstalled(t)
  await startSshd(manager)
  await tunnel(manager, `5001:${manager.runtimeDirectory}/llm-gateway/api.sock`)
  assert.equal(await manager.ok(`${stream} http://localhost:5001/v1`), 'streamed')
})

test('a forwarded Unix socket is for its owner alone', { skip: skip || missing('curl') }, async (t) => {
  const manager = await startInstalled(t)
  await startSshd(manager)
  const socket = `${manager.runtimeDirectory}/the-box.sock`
  await tunnel(manager, `${socket}:localhost:4000`)
  assert.equal(await manager.ok(`stat -c %a ${socket}`), '600')
  assert.match(await manager.ok(`curl -sf --unix-socket ${socket} http://localhost/v1/models`), /"echo"/)
})
