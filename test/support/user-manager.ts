// A real systemd user manager with a journal, in namespaces of its own: processes, mounts, network, cgroups. Nothing of
// the machine changes, and everything ends with the test.
import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

import { checkout, provideBuild } from './built-checkout.ts'
import { commandCacheEnv, makeCommandCache, mountCommandCache } from './compile-cache.ts'
import { missing, unless } from './needs.ts'
import type { Cleanup } from './scripted-upstream.ts'

export interface Finished {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: string
  /** Instead of the manager's user. */
  readonly isRoot?: boolean
  readonly env?: Readonly<Record<string, string>>
  /** Use the machine's network, not the empty one of the namespace. */
  readonly hasNetwork?: boolean
}

export interface UserManager {
  readonly home: string
  readonly runtimeDirectory: string
  /** Where its files are for this process: a path below is one of hers. */
  readonly root: string
  /** Runs a shell command as the manager's user in her home; never rejects for its status. */
  sh(command: string, options?: RunOptions): Promise<Finished>
  /** The same; throws unless it ends well, and gives what it wrote, trimmed. */
  ok(command: string, options?: RunOptions): Promise<string>
}

export const uid = 1501
const user = 'gateway'
export const home = `/home/${user}`
export const runtimeDirectory = `/run/user/${uid}`

/** For `skip`: the reason for which no manager can be had here, false when one can. */
export function noUserManager(): string | false {
  return (
    unless(process.getuid?.() === 0, 'namespaces need root') ||
    missing('flock', 'unshare', 'nsenter', 'setpriv', 'ip', 'systemctl') ||
    unless(unifiedCgroups() !== undefined, 'no cgroup2 file system')
  )
}

/** Where version 2 of the cgroups is mounted, alone or beside version 1. */
function unifiedCgroups(): string | undefined {
  return ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find(
    (path) => statSync(join(path, 'cgroup.procs'), { throwIfNoEntry: false }) !== undefined,
  )
}

/**
 * Starts a manager for the user `gateway`, whose home has this checkout as `llm-gateway`, read-only, and nothing else.
 * It ends after the test.
 */
export async function startUserManager(t: Cleanup): Promise<UserManager> {
  const manager = await startInNamespaces(t, namespaces, setup)
  // Answers once the manager is up.
  await manager.ok(untilUp('--user'))
  return manager
}

/** A shell command that ends well once the manager has reached its target. */
export function untilUp(option: '--user' | '--system'): string {
  return `for i in $(seq 1200); do systemctl ${option} is-active -q basic.target && exit; sleep 0.05; done; exit 1`
}

/** @param script runs as the first process; prints `set up` when its mounts are done. */
export async function startInNamespaces(t: Cleanup, options: string, script: string): Promise<UserManager> {
  // Otherwise every `systemd install` would build the checkout again.
  provideBuild()
  makeCommandCache()
  const cgroup = join(unifiedCgroups()!, `llm-gateway-test-${randomUUID()}`)
  mkdirSync(cgroup)
  const unshare = spawn(
    'setpriv',
    [
      '--pdeathsig',
      'KILL',
      'bash',
      '-c',
      `echo $$ >${cgroup}/cgroup.procs
exec unshare ${options} bash -c "$0"`,
      script,
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  t.after(async () => {
    if (unshare.exitCode === null && unshare.kill('SIGKILL')) await once(unshare, 'close')
    await removeCgroups(cgroup)
  })
  for await (const line of unshare.stdout) if (String(line).includes('set up')) break
  const init = readFileSync(`/proc/${unshare.pid}/task/${unshare.pid}/children`, 'utf8').trim()
  const manager: UserManager = {
    home,
    runtimeDirectory,
    root: `/proc/${init}/root`,
    sh: (command, options = {}) => run(init, command, options),
    async ok(command, options) {
      const { status, stdout, stderr } = await this.sh(command, options)
      if (status === 0) return stdout.trim()
      throw new Error(`${command}\nended with ${status}\n${stdout}${stderr}`)
    },
  }
  return manager
}

export const namespaces = '-mnpfC --kill-child --mount-proc --propagation private'

/** Where logind would put the manager; the journal tells units apart by it. */
const managerGroup = `/sys/fs/cgroup/user.slice/user-${uid}.slice/user@${uid}.service`

export const asUser = `setpriv --reuid ${uid} --regid ${uid} --clear-groups`

/** Runs as the first process of the namespaces; it stays, because a manager may not be the first one itself. */
const setup = `set -eu
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /home
mkdir -p /run/systemd/system /run/systemd/unit-root /run/credentials /run/log/journal ${home}/llm-gateway ${runtimeDirectory}
chown ${uid}:${uid} ${home} ${runtimeDirectory}
chmod 700 ${home} ${runtimeDirectory}
(cat /etc/passwd; echo '${user}:x:${uid}:${uid}::${home}:/bin/bash') >/run/passwd
(cat /etc/group; echo '${user}:x:${uid}:') >/run/group
mount --bind /run/passwd /etc/passwd
mount --bind /run/group /etc/group
mount --bind '${checkout}' ${home}/llm-gateway
${mountCommandCache(`${home}/llm-gateway`)}
mount -o remount,bind,ro ${home}/llm-gateway
ip link set lo up
mkdir -p ${managerGroup} /sys/fs/cgroup/system.slice/systemd-journald.service
chown -R ${uid}:${uid} ${managerGroup}
(echo $BASHPID >/sys/fs/cgroup/system.slice/systemd-journald.service/cgroup.procs; exec /lib/systemd/systemd-journald) &
(echo $BASHPID >${managerGroup}/cgroup.procs; exec ${asUser} ${environment()} SYSTEMD_LOG_TARGET=journal /lib/systemd/systemd --user --unit=basic.target) &
echo set up
wait
`

export function environment(): string {
  const path = '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'
  return `env -i HOME=${home} USER=${user} LOGNAME=${user} SHELL=/bin/bash LANG=C.UTF-8 XDG_RUNTIME_DIR=${runtimeDirectory} PATH=${path}`
}

function run(init: string, command: string, options: RunOptions): Promise<Finished> {
  const { input = '', isRoot = false, env = {}, hasNetwork = false } = options
  const assignments = Object.entries({ ...commandCacheEnv, ...env }).map(
    ([name, value]) => `${name}=${value}`,
  )
  const prefix = (isRoot ? environment() : `${asUser} ${environment()}`).split(' ')
  const args = ['-t', init, '-m', '-p', '-C', ...(hasNetwork ? [] : ['-n'])]
  return new Promise((resolve) => {
    const child = execFile(
      'nsenter',
      [...args, ...prefix, ...assignments, 'bash', '-c', `cd ${home}\n${command}`],
      { maxBuffer: 64 * 1024 * 1024, timeout: 120_000 },
      (error, stdout, stderr) => {
        const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
        resolve({ status, stdout, stderr })
      },
    )
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

/** Deepest first; a cgroup goes only when its last process has, which the kernel may do a moment later. */
async function removeCgroups(path: string): Promise<void> {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeCgroups(join(path, entry.name))
  }
  for (let tries = 0; ; tries++) {
    try {
      return rmdirSync(path)
    } catch (error) {
      if (tries === 200) throw error
      await setTimeout(20)
    }
  }
}

/** A configuration that needs no provider; with a `slow` one, for who listens on 127.0.0.1:9999. */
export const echoConfig = `
providers:
  echo: { kind: echo }
  slow: { base_url: http://127.0.0.1:9999/v1 }
models:
  echo: { provider: echo }
  slow: { provider: slow }
`

export const configFile = `${home}/.config/llm-gateway/llm-gateway.yaml`

/** A manager whose user has written `config` and typed `llm-gateway systemd install`. */
export async function startInstalled(t: Cleanup, config = echoConfig): Promise<UserManager> {
  const manager = await startUserManager(t)
  await writeConfig(manager, config)
  await manager.ok('llm-gateway/bin/llm-gateway systemd install')
  return manager
}

export async function writeConfig(manager: UserManager, text: string): Promise<void> {
  await manager.ok(`umask 077; mkdir -p .config/llm-gateway; cat >${configFile}`, { input: text })
}

/** A streamed response of `echo`, as curl prints it. `where` is what curl takes as address, or its options before that. */
export function streamCommand(where = 'http://127.0.0.1:4000'): string {
  const body = '{"model":"echo","stream":true,"messages":[{"role":"user","content":"hello there"}]}'
  return `curl -sSN --max-time 20 ${where}/v1/chat/completions -H 'content-type: application/json' -d '${body}'`
}

/** Entries of the gateway's journal, oldest first, as its user finds them. */
export async function journal(manager: UserManager): Promise<{ priority: string; message: string }[]> {
  // A journal in memory is not split by users, so hers is not her own.
  await manager.ok('journalctl --sync && chmod -R a+rX /run/log/journal', { isRoot: true })
  const text = await manager.ok('journalctl -q -o json --user-unit llm-gateway')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { PRIORITY: priority, MESSAGE: message } = JSON.parse(line) as Record<string, string>
      return { priority: priority ?? '', message: message ?? '' }
    })
}
