// Hosts of a test's own: network namespaces that reach each other over a router, in which packets between two of them can be
// lost without a word to anybody, as a broken network loses them. Nothing of them is seen outside, and they end with the test.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Server } from 'node:net'

import { soon } from './deadline.ts'
import { missing, unless } from './needs.ts'
import type { Cleanup } from './scripted-upstream.ts'

/** The reason for which there can be none, else false. */
export function hostsMissing(): string | false {
  return (
    unless(process.getuid?.() === 0, 'needs root for network namespaces') ||
    missing('unshare', 'nsenter', 'ip')
  )
}

export interface Host {
  /** Of 198.18.0.0/15, which is for tests (RFC 2544). */
  readonly address: string
  /** Before the words of a command, which then runs on it. */
  readonly enter: readonly string[]
  /** A listener of this process at 127.0.0.1 of the host. */
  listen(): Promise<Server>
}

export interface Network {
  readonly hosts: readonly Host[]
  /** What the first ones send to the others is lost from now on; connections that there are stay half open. */
  lose(from: readonly Host[], to: readonly Host[]): Promise<void>
  /** In both directions. */
  part(some: readonly Host[], others: readonly Host[]): Promise<void>
  /** Nothing is lost any more. */
  mend(): Promise<void>
}

export async function startHosts(t: Cleanup, count: number): Promise<Network> {
  const [router, ...spaces] = await Promise.all(Array.from({ length: count + 1 }, () => openNamespace(t)))
  const enter = (pid: number) => ['nsenter', `--net=/proc/${pid}/ns/net`]
  const ip = (pid: number, lines: readonly string[]) =>
    run([...enter(pid), 'ip', '-batch', '-'], lines.join('\n'))
  await ip(
    router!,
    spaces.flatMap((pid, index) => [
      `link add v${index} type veth peer name eth0 netns ${pid}`,
      `address add 198.18.${index}.1/24 dev v${index}`,
      `link set v${index} up`,
    ]),
  )
  await run([...enter(router!), 'sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward'])
  const addressOf = (index: number) => `198.18.${index}.2`
  const hosts = spaces.map((pid, index): Host => ({
    address: addressOf(index),
    enter: enter(pid),
    listen: () => listenAt(t, enter(pid)),
  }))
  await Promise.all(
    spaces.map((pid, index) =>
      ip(pid, [
        'link set lo up',
        `address add ${addressOf(index)}/24 dev eth0`,
        'link set eth0 up',
        `route add default via 198.18.${index}.1`,
      ]),
    ),
  )
  const lost = new Set<string>()
  const lose = async (from: readonly Host[], to: readonly Host[]) => {
    // A blackhole says nothing to the sender: https://man7.org/linux/man-pages/man8/ip-rule.8.html
    const rules = from
      .flatMap((one) => to.map((other) => `from ${one.address} to ${other.address} blackhole`))
      .filter((rule) => !lost.has(rule))
    for (const rule of rules) lost.add(rule)
    await ip(
      router!,
      rules.map((rule) => `rule add ${rule}`),
    )
  }
  return {
    hosts,
    lose,
    async part(some, others) {
      await lose(some, others)
      await lose(others, some)
    },
    async mend() {
      const rules = [...lost]
      lost.clear()
      await ip(
        router!,
        rules.map((rule) => `rule delete ${rule}`),
      )
    },
  }
}

/** It exists as long as the process that holds it. @returns the pid of that one. */
async function openNamespace(t: Cleanup): Promise<number> {
  // Its standard input ends with this process, and it with that.
  const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo open; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.after(() => end(holder))
  await soon(Promise.race([once(holder.stdout, 'data'), failed(holder)]), () => 'a network namespace')
  return holder.pid!
}

/** A process on the host opens it, and hands it over. */
async function listenAt(t: Cleanup, enter: readonly string[]): Promise<Server> {
  // It stays until it is let go: what it has sent would be lost with its end.
  const script = `process.on('message', () => {})
    const server = require('node:net').createServer()
    server.listen(0, '127.0.0.1', () => process.send('', server, () => server.close()))`
  const [program, ...args] = [...enter, process.execPath, '--eval', script]
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const taken = new Promise<Server>((resolve) =>
    child.once('message', (_message, handle) => resolve(handle as Server)),
  )
  const server = await soon(Promise.race([taken, failed(child)]), () => 'a listener on a host')
  child.disconnect()
  t.after(() => server.close())
  return server
}

async function run(words: readonly string[], input = ''): Promise<void> {
  const [program, ...args] = words
  const child = spawn(program!, args, { stdio: ['pipe', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  child.stdin.on('error', () => {})
  child.stdin.end(`${input}\n`)
  const [status] = await soon(once(child, 'close'), () => words.join(' '))
  if (status !== 0) throw new Error(`${words.join(' ')}: ${said}${input}`)
}

/** Rejects when it ends. */
async function failed(child: ChildProcess): Promise<never> {
  const [status] = await once(child, 'exit')
  throw new Error(`${child.spawnargs.join(' ')} ended with ${String(status)}`)
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
