// A real redis-server in a folder of its own: on a free port of loopback, and on a Unix socket.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { soon, until } from './deadline.ts'
import { freePort } from './free-port.ts'
import type { Host } from './hosts.ts'
import type { Cleanup } from './scripted-upstream.ts'

/**
 * The server that tests and benchmarks run; `LLM_GATEWAY_TEST_VALKEY=/path/to/valkey-server` names another one. Servers with
 * TLS are always Debian's, because TLS is left out of many builds of Valkey.
 */
export const redisProgram = process.env['LLM_GATEWAY_TEST_VALKEY'] || 'redis-server'
export const redisWithTls = 'redis-server'

export interface RedisServer {
  /** Of 127.0.0.1, or of its host. */
  readonly port: number
  /** `redis://127.0.0.1:PORT`; `rediss://` if it has a certificate. */
  readonly url: string
  readonly socketPath: string
  readonly folder: string
  /** What it has logged so far. */
  readonly log: string
  /** Kills it as a crash would, by default, and waits for its end. It saves nothing unless it is configured to. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Starts it again after `kill`, on the same port: with another run id, and without data. */
  restart(): Promise<void>
  /** A suspended machine, or a server that hangs; it gets its connections and answers none. */
  pause(): void
  resume(): void
  /** Sends a command and returns the reply as text, one value a line; for what a test prepares and examines. */
  command(...words: readonly (string | number)[]): Promise<string>
  /** The same after it has logged in. */
  commandAs(password: string, ...words: readonly (string | number)[]): Promise<string>
}

export interface RedisOptions {
  /** Further lines of its configuration, such as `requirepass secret`. */
  readonly config?: readonly string[]
  /** In place of a free port. */
  readonly port?: number
  /** Another program than the server: a Sentinel. */
  readonly isSentinel?: boolean
  /** Besides its own environment. */
  readonly env?: Readonly<Record<string, string>>
  /** PEM files: it then speaks TLS on the port, and plain on the socket. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string }
  /** Where it runs. Default: on 127.0.0.1 of this machine. */
  readonly host?: Pick<Host, 'address' | 'enter'>
}

/** Starts a server, and ends it after the test. */
export async function startRedis(t: Cleanup, options: RedisOptions = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'redis-'))
  const port = options.port ?? (await freePort())
  const server = new RunningRedis(folder, port, options)
  t.after(async () => {
    await server.kill()
    rmSync(folder, { recursive: true, force: true })
  })
  await server.restart()
  return server
}

class RunningRedis implements RedisServer {
  readonly port: number
  readonly folder: string
  readonly socketPath: string
  readonly url: string
  readonly #options: RedisOptions
  #child: ChildProcess | undefined
  #log = ''

  constructor(folder: string, port: number, options: RedisOptions) {
    this.folder = folder
    this.port = port
    this.socketPath = join(folder, 'socket')
    this.url = `${options.tls === undefined ? 'redis' : 'rediss'}://127.0.0.1:${port}`
    this.#options = options
  }

  get log(): string {
    return this.#log
  }

  async restart(): Promise<void> {
    assert.equal(this.#child, undefined, 'the server runs')
    const { tls, host, isSentinel } = this.#options
    const server = tls === undefined ? redisProgram : redisWithTls
    const [program, ...args] = [
      ...(host?.enter ?? []),
      server,
      ...(isSentinel === true ? [this.#configFile(), '--sentinel'] : ['-']),
    ]
    const child = spawn(program!, args, {
      cwd: this.folder,
      env: { ...process.env, ...this.#options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.#log += text))
    }
    child.stdin.on('error', () => {})
    child.stdin.end(this.#settings().join('\n'))
    const isReady = () =>
      this.command('ROLE').then(
        (reply) => !reply.startsWith('LOADING'),
        () => false,
      )
    await until(async () => child.exitCode !== null || (await isReady()), 'redis-server')
    assert.equal(child.exitCode, null, this.#log)
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    // A stopped process gets no other signal than SIGKILL before it goes on.
    child.kill('SIGCONT')
    await soon(ended, () => 'the end of redis-server')
  }

  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  command(...words: readonly (string | number)[]): Promise<string> {
    return sendCommand(this.socketPath, words)
  }

  async commandAs(password: string, ...words: readonly (string | number)[]): Promise<string> {
    return sendCommand(this.socketPath, words, password)
  }

  /** A Sentinel writes to it. */
  #configFile(): string {
    const file = join(this.folder, 'sentinel.conf')
    writeFileSync(file, this.#settings().join('\n'))
    return file
  }

  #settings(): readonly string[] {
    const { tls, host, config = [], isSentinel = false } = this.#options
    const listener =
      tls === undefined
        ? [`port ${this.port}`]
        : [
            'port 0',
            `tls-port ${this.port}`,
            `tls-cert-file ${tls.cert}`,
            `tls-key-file ${tls.key}`,
            `tls-ca-cert-file ${tls.ca}`,
            'tls-auth-clients no',
            'tls-replication yes',
          ]
    return [
      ...listener,
      `bind ${host?.address ?? '127.0.0.1'}`,
      `unixsocket ${this.socketPath}`,
      `dir ${this.folder}`,
      ...(host === undefined ? [] : ['protected-mode no']),
      'daemonize no',
      ...(isSentinel ? [] : ['save ""', 'appendonly no']),
      ...config,
      '',
    ]
  }
}

/** Over a connection of its own, with RESP as it stands in https://valkey.io/topics/protocol/. */
function sendCommand(path: string, words: readonly (string | number)[], password?: string): Promise<string> {
  const parts = words.map(String)
  const request = parts.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')
  const login =
    password === undefined ? '' : `*2\r\n$4\r\nAUTH\r\n$${Buffer.byteLength(password)}\r\n${password}\r\n`
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    let received = ''
    socket.setEncoding('utf8').on('error', reject)
    socket.on('data', (text: string) => {
      received += text
      const greeting = password === undefined ? { end: 0 } : readReply(received, 0)
      const reply = greeting && readReply(received, greeting.end)
      if (reply === undefined) return
      socket.destroy()
      resolve(reply.text)
    })
    socket.on('close', () => reject(new Error(`redis-server closed the connection: ${parts[0]}`)))
    socket.write(`${login}*${parts.length}\r\n${request}`)
  })
}

/** Undefined while it is incomplete. Only ASCII is expected. */
function readReply(text: string, at: number): { text: string; end: number } | undefined {
  const lineEnd = text.indexOf('\r\n', at)
  if (lineEnd === -1) return undefined
  const line = text.slice(at + 1, lineEnd)
  const next = lineEnd + 2
  if (text[at] === '$') {
    const length = Number(line)
    if (length === -1) return { text: '', end: next }
    const end = next + length + 2
    return text.length < end ? undefined : { text: text.slice(next, next + length), end }
  }
  if (text[at] !== '*') return { text: line, end: next }
  const items: string[] = []
  let end = next
  for (let left = Number(line); left > 0; left--) {
    const item = readReply(text, end)
    if (item === undefined) return undefined
    items.push(item.text)
    end = item.end
  }
  return { text: items.join('\n'), end }
}
