// Other accounts of this machine, as which a test running as root can call: by number, or through a login over SSH.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { soon } from '../support/deadline.ts'
import { findProgram } from '../support/needs.ts'
import type { Address } from '../support/raw-client.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'

/** A number that no account has. */
export const strangerUid = 61_184

/** An account that every Debian has and nobody uses: no home of its own, no password, no shell. */
export const otherUser = 'games'

/** Becomes the user for good and then connects, as any program of that user would. */
const client = `
  const [, uid, to, request, leaves] = process.argv
  process.setgroups([])
  process.setgid(Number(uid))
  process.setuid(Number(uid))
  const socket = require('node:net').connect(JSON.parse(to))
  socket.on('error', ({ code }) => process.stdout.write(code))
  socket.on('connect', () => {
    socket.write(request, () => leaves === 'true' && socket.destroy())
  })
  socket.pipe(process.stdout)
`

/**
 * @param leaves whether it leaves as soon as the request is sent.
 * @returns all that came back until the connection ended; the code of the error where it could not be made.
 */
export async function callAs(
  uid: number,
  address: Address,
  request: Uint8Array,
  leaves = false,
): Promise<string> {
  const to =
    typeof address === 'string'
      ? { host: new URL(address).hostname, port: Number(new URL(address).port) }
      : { path: address.socketPath }
  const args = [String(uid), JSON.stringify(to), request.toString(), String(leaves)]
  const child = spawn(process.execPath, ['-e', client, ...args], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  await soon(once(child, 'close'), () => `the client of user ${uid}; it got ${output}`)
  return output
}

/** The same for each port that it reads: connects from there, sends, resets, and reports whether it did. */
const resetter = `
  const [, uid, to, request] = process.argv
  process.setgroups([])
  process.setgid(Number(uid))
  process.setuid(Number(uid))
  process.stdin.on('data', (port) => {
    const socket = require('node:net').connect({ ...JSON.parse(to), localPort: Number(port) })
    socket.on('error', ({ code }) => process.stdout.write(code))
    socket.on('connect', () => {
      socket.write(request, () => {
        socket.resetAndDestroy()
        process.stdout.write('left')
      })
    })
  })
`

export interface Resetter {
  /** @returns `left` when the port is free again, else the code of the error. */
  connectAndReset(localPort: number): Promise<string>
}

/** A client of that user which runs until the test is over. */
export function startResetter(t: Cleanup, uid: number, url: string, request: Uint8Array): Resetter {
  const { hostname, port } = new URL(url)
  const to = JSON.stringify({ host: hostname, port: Number(port) })
  const child = spawn(process.execPath, ['-e', resetter, String(uid), to, request.toString()], {
    cwd: '/',
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  t.after(async () => {
    child.stdin.end()
    await ended
  })
  child.stdout.setEncoding('utf8')
  return {
    async connectAndReset(localPort) {
      const left = once(child.stdout, 'data')
      child.stdin.write(String(localPort))
      const [how] = (await soon(left, () => `the client of user ${uid}`)) as [string]
      return how
    },
  }
}

/** Where sshd wants an empty directory of root's; Debian makes it when the service starts. */
const separationFolder = '/run/sshd'

/**
 * Logs in over SSH as a user of this machine and forwards to the gateway, as `ssh -L` does. sshd runs with keys and a
 * configuration of the test's own, on the pipe that ssh gives it: no port is opened.
 * @param target what follows `-L …:`, as sshd connects to it: `127.0.0.1:4000` or the path of a socket.
 * @returns the near end of the tunnel.
 */
export async function openTunnel(t: Cleanup, user: string, target: string): Promise<{ socketPath: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'ssh-'))
  const key = join(folder, 'key')
  for (const file of [key, join(folder, 'host_key')]) {
    execFileSync(findProgram('ssh-keygen')!, ['-q', '-t', 'ed25519', '-N', '', '-f', file])
  }
  const configuration = join(folder, 'sshd_config')
  writeFileSync(
    configuration,
    [
      `HostKey ${folder}/host_key`,
      // A file of keys would be read as the user who logs in, who may not come this far.
      `AuthorizedKeysCommand ${findProgram('cat')!} ${key}.pub`,
      'AuthorizedKeysCommandUser root',
      'AuthorizedKeysFile none',
      'AuthenticationMethods publickey',
      'PermitRootLogin prohibit-password',
      'StrictModes no',
      'UsePAM no',
      'PidFile none',
      '',
    ].join('\n'),
  )
  const madeFolder = !existsSync(separationFolder)
  if (madeFolder) mkdirSync(separationFolder, { mode: 0o755 })
  const near = join(folder, 'near.sock')
  const log = join(folder, 'sshd.log')
  const options = [
    'BatchMode=yes',
    'ExitOnForwardFailure=yes',
    'IdentitiesOnly=yes',
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    `ProxyCommand=${findProgram('sshd')!} -i -f ${configuration} -E ${log}`,
  ].flatMap((option) => ['-o', option])
  const args = ['-F', 'none', '-v', '-N', '-i', key, ...options, '-L', `${near}:${target}`, `${user}@gateway`]
  const ssh = spawn('ssh', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(ssh, 'close')
  t.after(async () => {
    ssh.kill()
    await ended
    rmSync(folder, { recursive: true })
    if (madeFolder) rmdirSync(separationFolder)
  })
  let said = ''
  const open = new Promise<void>((resolve) => {
    ssh.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.includes('Entering interactive session')) resolve()
    })
  })
  const account = () => `${said}\n${existsSync(log) ? readFileSync(log, 'utf8') : ''}`
  await soon(Promise.race([open, ended]), () => `the tunnel of ${user}: ${account()}`)
  if (ssh.exitCode !== null) throw new Error(`no tunnel for ${user}: ${account()}`)
  return { socketPath: near }
}
