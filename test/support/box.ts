// A box for deploy: the user of a test's manager behind a real sshd, and a second user, `you`, on the same loopback who has this
// checkout and types the commands.
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pinnedNode } from '../../src/cli/deploy/node-package.ts'
import { shellWord } from '../../src/platform/shell-word.ts'
import { checkout } from './built-checkout.ts'
import { commandCacheEnv } from './compile-cache.ts'
import { findProgram } from './needs.ts'
import type { Cleanup } from './scripted-upstream.ts'
import { type Finished, startUserManager, type UserManager } from './user-manager.ts'

const yourId = 1502
export const yourHome = '/home/you'

export interface Box {
  /** Of the user who is logged in to. */
  readonly manager: UserManager
  /** Runs a shell command as `you`; `llm-gateway` is on the PATH, and `box` a name that ssh knows. */
  you: (command: string, input?: string) => Promise<Finished>
  /** The same; throws unless it ends well. @returns both outputs. */
  yours: (command: string, input?: string) => Promise<string>
}

/** With its keys in `ssh/` of the manager's user, for whom it runs; again after it has ended, with the same keys. */
export async function startSshd(manager: UserManager): Promise<void> {
  await manager.ok(`umask 077; mkdir -p ssh
    [ -f ssh/host ] || { ssh-keygen -q -t ed25519 -N '' -f ssh/host; ssh-keygen -q -t ed25519 -N '' -f ssh/user; }
    cp ssh/user.pub ssh/authorized
    echo "[localhost]:2222 $(cut -d' ' -f1,2 ssh/host.pub)" >ssh/known
    printf '%s\\n' 'ListenAddress 127.0.0.1:2222' "HostKey $HOME/ssh/host" "AuthorizedKeysFile $HOME/ssh/authorized" \
      'UsePAM no' 'PasswordAuthentication no' "PidFile $HOME/ssh/pid" >ssh/config
    ${findProgram('sshd')} -f ssh/config`)
}

export async function startBox(t: Cleanup): Promise<Box> {
  const manager = await startUserManager(t)
  await startSshd(manager)
  return addYou(manager)
}

/** @param manager whose home has `ssh/host.pub` of an sshd on port 2222, and `ssh/user`. */
export async function addYou(manager: UserManager): Promise<Box> {
  const { home } = manager
  await manager.ok(
    `grep -q '^you:' /etc/passwd || { echo 'you:x:${yourId}:${yourId}::${yourHome}:/bin/bash' >>/etc/passwd; echo 'you:x:${yourId}:' >>/etc/group; }
    mkdir -p ${yourHome}/llm-gateway ${yourHome}/.ssh ${yourHome}/.cache/llm-gateway ${yourHome}/bin
    mount --bind ${home}/llm-gateway ${yourHome}/llm-gateway
    ln -s ../llm-gateway/bin/llm-gateway ${yourHome}/bin/llm-gateway
    cp ${home}/ssh/user ${yourHome}/.ssh/key
    echo "[localhost]:2222 $(cut -d' ' -f1,2 ${home}/ssh/host.pub)" >${yourHome}/.ssh/known_hosts
    printf '%s\\n' 'Host box' ' HostName localhost' ' Port 2222' ' User gateway' ' IdentityFile ~/.ssh/key' ' StrictHostKeyChecking yes' >${yourHome}/.ssh/config
    chmod 700 ${yourHome}/.ssh; chmod 600 ${yourHome}/.ssh/key
    chown ${yourId}:${yourId} ${yourHome}; chown -R ${yourId}:${yourId} ${yourHome}/.ssh ${yourHome}/.cache`,
    { isRoot: true },
  )
  // The machine has folders of its own for what is temporary.
  const packed = packedNode()
  copyFileSync(packed, join(manager.root, yourHome, '.cache/llm-gateway', basename(packed)))
  const cache = Object.entries(commandCacheEnv).map(([name, value]) => `${name}=${value}`)
  const environment = `env -i ${cache.join(' ')} HOME=${yourHome} USER=you LOGNAME=you SHELL=/bin/bash LANG=C.UTF-8 PATH=${yourHome}/bin:/usr/local/bin:/usr/bin:/bin`
  const prefix = `setpriv --reuid ${yourId} --regid ${yourId} --clear-groups ${environment}`
  const you = (command: string, input = '') =>
    manager.sh(`${prefix} bash -c ${shellWord(`cd ${yourHome}\n${command}`)}`, { isRoot: true, input })
  const yours = async (command: string, input = '') => {
    const { status, stdout, stderr } = await you(command, input)
    if (status === 0) return stdout + stderr
    throw new Error(`${command}\nended with ${status}\n${stdout}${stderr}`)
  }
  return { manager, you, yours }
}

/**
 * Makes a package of the checkout's build in your home, as npm would install it, with a change of its own.
 * @param change a shell command that runs in it.
 * @returns its command.
 */
export async function makePackage({ yours }: Box, name: string, change: string): Promise<string> {
  await yours(`mkdir -p ${name} && cp -r llm-gateway/bin llm-gateway/config llm-gateway/systemd llm-gateway/dist llm-gateway/package.json ${name}/
    ln -sfn llm-gateway/node_modules node_modules
    cd ${name} && ${change}`)
  return `${name}/bin/llm-gateway`
}

/** Ends the connections of the sshd that `startSshd` has started, as a network does: nothing that they run is ended. */
export async function cutConnections(manager: UserManager): Promise<void> {
  // Each connection is a session of processes of sshd; what they run is in others.
  await manager.ok(
    'for each in $(ps -o pid= --ppid "$(cat ssh/pid)"); do kill -KILL $(ps -o pid= -s "$each"); done',
    {
      isRoot: true,
    },
  )
}
/** The package with Node, as npm has it, which is asked once: that takes 1.8 s of CPU. */
function packedNode(): string {
  const { name, version } = pinnedNode(`node-linux-${process.arch}`)!
  const folder = join(checkout, 'node_modules/.cache/packed-node')
  const packed = join(folder, `${name}-${version}.tgz`)
  if (existsSync(packed)) return packed
  mkdirSync(folder, { recursive: true })
  const draft = mkdtempSync(join(folder, 'draft-'))
  const args = ['pack', `${name}@${version}`, '--prefer-offline', '--silent', '--pack-destination', draft]
  execFileSync('npm', args, { cwd: checkout, stdio: 'ignore' })
  // Another test may have done the same meanwhile.
  renameSync(join(draft, basename(packed)), packed)
  rmSync(draft, { recursive: true })
  return packed
}
