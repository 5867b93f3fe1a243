// The real gateway in a process of its own, as an operator starts it: for what shows only from outside of it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { programFile } from './built-checkout.ts'
import { compileCacheEnv, compileCacheOfWorkers } from './compile-cache.ts'
import { soon } from './deadline.ts'
import { defaultEnv, prepare, type Setup, type Started } from './gateway-config.ts'
import type { Cleanup } from './scripted-upstream.ts'

const cacheOptions = 'NODE_COMPILE_CACHE' in compileCacheEnv ? [`--import=${compileCacheOfWorkers}`] : []

export interface GatewayProcess {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string
  readonly pid: number
  /** Its working directory and its home, with the configuration in it. */
  readonly folder: string
  /** The configuration file. */
  readonly file: string
  /** The log so far, as written. */
  stdout(): string
  stderr(): string
  /** Resolves with the first match in the log from `from` on, or in standard error, come or coming. */
  says(pattern: RegExp, from?: number): Promise<string>
  /** Takes every further piece of the log instead of keeping it. */
  drainInto(take: (text: string) => void): void
  /** Undefined while it runs; then the exit code, or the signal that ended it. */
  ending(): number | string | undefined
  /** Resolves when it has ended, with the exit code or the signal. */
  ended(): Promise<number | string>
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<number | string>
}

/** How the process is started. */
export interface Launch {
  /** Limit of file descriptors, which `prlimit` sets. */
  readonly descriptors?: number
  /** Of Node, in all threads. */
  readonly options?: readonly string[]
  /** The file to run. Default: the program of this checkout. */
  readonly program?: string
  /** A file that the process sees as `/etc/hosts`, which needs root. */
  readonly hosts?: string
  /** Before the words of the command: on another host (`hosts.ts`). */
  readonly enter?: readonly string[]
}

export interface RunningProcess<Name extends string = 'scripted'> extends Started<Name> {
  readonly gateway: GatewayProcess
}

/**
 * Starts `llm-gateway serve` on a free port and stops it after the test.
 * @param env what the gateway has in its environment besides a PATH, a HOME and the key of scripted upstreams.
 */
export async function startGatewayProcess<Name extends string = 'scripted'>(
  t: Cleanup,
  setup: Setup<Name> = {},
  env: Readonly<Record<string, string>> = {},
  launch: Launch = {},
): Promise<RunningProcess<Name>> {
  const prepared = await prepare(t, setup)
  const gateway = await runGateway(t, prepared.text, { ...defaultEnv, ...env }, launch)
  return Object.assign(prepared, { gateway })
}

/** Starts it with this file, or with the one that is shipped, and with this environment besides a PATH and a HOME. */
export async function runGateway(
  t: Cleanup,
  yaml: string | undefined,
  env: Readonly<Record<string, string>> = {},
  launch: Launch = {},
): Promise<GatewayProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'llm-gateway-test-'))
  const file = join(folder, 'llm-gateway.yaml')
  if (yaml !== undefined) writeFileSync(file, yaml, { mode: 0o600 })
  const config = yaml === undefined ? [] : ['--config', file]
  const { descriptors, options = [], program: mainFile = programFile, hosts, enter = [] } = launch
  const prlimit = descriptors === undefined ? [] : ['prlimit', `--nofile=${descriptors}`]
  const mount = 'mount --bind "$0" /etc/hosts && exec "$@"'
  const unshare = hosts === undefined ? [] : ['unshare', '--mount', 'sh', '-c', mount, hosts]
  const node = [process.execPath, ...cacheOptions, ...options]
  const [program, ...args] = [...enter, ...unshare, ...prlimit, ...node, mainFile, 'serve', ...config]
  const child = spawn(program!, args, {
    cwd: folder,
    env: { ...compileCacheEnv, PATH: process.env['PATH'], HOME: folder, LLM_GATEWAY_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  let hasSpoken = Promise.withResolvers<void>()
  let take = (text: string): void => {
    stdout += text
    hasSpoken.resolve()
  }
  let ending: number | string | undefined
  const ended = once(child, 'close').then(([code, signal]) => (ending = (code ?? signal) as number | string))
  const listening = Promise.withResolvers<string>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    take(text)
    const address = /addresses"?[:=]\["([^"]+)"/.exec(stdout)?.[1]
    if (address !== undefined) listening.resolve(address)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    hasSpoken.resolve()
  })
  const untilEnded = () => soon(ended, () => `the end of the gateway; it said ${stdout.slice(-500)}${stderr}`)
  const stop = (signal: NodeJS.Signals = 'SIGTERM') => {
    if (ending === undefined) child.kill(signal)
    return untilEnded()
  }
  const says = async (pattern: RegExp, from = 0) => {
    for (;;) {
      const match = pattern.exec(stdout.slice(from)) ?? pattern.exec(stderr)
      if (match !== null) return match[0]
      hasSpoken = Promise.withResolvers()
      await soon(hasSpoken.promise, () => `${pattern} in ${stdout.slice(-2_000)}${stderr}`)
    }
  }
  t.after(async () => {
    await stop('SIGKILL')
    rmSync(folder, { recursive: true })
  })
  const url = await soon(Promise.race([listening.promise, ended]), () => 'the gateway to listen')
  if (typeof url !== 'string' || !url.startsWith('http')) throw new Error(`the gateway ended: ${stderr}`)
  return {
    url,
    pid: child.pid!,
    folder,
    file,
    stdout: () => stdout,
    stderr: () => stderr,
    says,
    drainInto(next) {
      take = next
    },
    ending: () => ending,
    ended: untilEnded,
    stop,
  }
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kib) * 1024
}
