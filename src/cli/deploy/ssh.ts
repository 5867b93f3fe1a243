// One connection to another machine by the user's own `ssh` program, which prompts, checks host keys and reads ~/.ssh/config as
// always. The first process holds it open, with a control socket in a private directory; each step is a session through that.
// The connection lives as long as this process: its end closes the input that the far side waits for.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { forEachLine, waitForLine } from './bounded-lines.ts'
import { remoteCommand, type RemoteScript } from './remote-command.ts'
import { sessionOptions } from './ssh-version.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

export interface Session extends RemoteScript {
  /** What the script reads. */
  readonly input?: Buffer | Readable
  /** Sent after the script has printed a line `ready`, and not if it never does: so that only the right program reads it. */
  readonly secret?: string
  /** Gets each line as it arrives, without its break. */
  readonly onLine?: (line: string, stream: 'stdout' | 'stderr') => void
}

export interface EndedSession {
  /** The script's exit status; undefined when the connection failed, or ended before the script did. */
  readonly status: number | undefined
  readonly stdout: Buffer
  readonly stderr: string
}

/** As much as a step prints; more is cut off. */
const maxOutputBytes = 8 * 1024 * 1024
/** What ssh itself exits with: ssh(1). */
const sshFailed = 255
/** A login shell may print something of its own before. */
const readyMark = 'llm-gateway-ready'

/** Lines of ssh, of which the last has the reason of a failure. */
const keptWords = 20

/** Nothing of ~/.ssh/config may add to these sessions; everything else there counts. */
const plainOptions = ['ClearAllForwardings=yes', 'RemoteCommand=none', 'PermitLocalCommand=no']

export type OpenedConnection =
  | { readonly kind: 'open'; readonly connection: SshConnection }
  /** ssh has printed the reason: `words`, its last lines. */
  | { readonly kind: 'failed'; readonly words: string }
  | { readonly kind: 'absent' }

interface Opened {
  readonly directory: string
  readonly master: ChildProcess
  readonly env: NodeJS.ProcessEnv
  /** Of each session. */
  readonly options: readonly string[]
}

export class SshConnection {
  readonly #destination: string
  readonly #directory: string
  readonly #master: ChildProcess
  readonly #env: NodeJS.ProcessEnv
  readonly #options: readonly string[]
  #isOpen = true

  private constructor(destination: string, { directory, master, env, options }: Opened) {
    this.#env = env
    this.#options = options
    this.#destination = destination
    this.#directory = directory
    this.#master = master
    master.once('exit', () => (this.#isOpen = false))
  }

  /**
   * Connects and logs in; prompts appear on the terminal.
   * @param destination as `parseDestination` accepts it.
   * @param onLine gets what ssh prints: warnings, the reason of a failure.
   */
  static async open(
    destination: string,
    env: NodeJS.ProcessEnv,
    onLine: (line: string) => void,
  ): Promise<OpenedConnection> {
    const directory = makeTemporaryFolder()
    const remove = () => rmSync(directory, { recursive: true, force: true })
    const options = [
      '-T',
      '-a',
      '-x',
      ...[...plainOptions, ...sessionOptions(env)].flatMap((option) => ['-o', option]),
    ]
    const alive = ['-o', 'ServerAliveInterval=15', '-o', 'ServerAliveCountMax=4']
    const master = spawn(
      'ssh',
      [
        '-M',
        '-S',
        join(directory, 's'),
        '-o',
        'ControlPersist=no',
        ...options,
        ...alive,
        '--',
        destination,
        `'sh' '-c' 'echo ${readyMark}; exec cat >/dev/null'`,
      ],
      { stdio: ['pipe', 'pipe', 'pipe'], env },
    )
    master.stdin.on('error', () => {})
    const words: string[] = []
    forEachLine(master.stderr, (line) => {
      words.push(line)
      if (words.length > keptWords) words.shift()
      onLine(line)
    })
    const outcome = await Promise.race([
      waitForLine(master.stdout, readyMark).then((isReady) => (isReady ? 'open' : 'failed')),
      new Promise<'absent'>((resolve) => master.once('error', () => resolve('absent'))),
    ])
    if (outcome !== 'open') {
      if (outcome === 'failed') await ended(master)
      remove()
      return outcome === 'failed' ? { kind: outcome, words: words.join('\n') } : { kind: outcome }
    }
    return { kind: 'open', connection: new SshConnection(destination, { directory, master, env, options }) }
  }

  /** Whether the connection stands, as far as ssh has noticed. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Runs a script there. Never rejects for what becomes of the connection. */
  async run({ input, secret, onLine, ...script }: Session): Promise<EndedSession> {
    const { line, prologue } = remoteCommand(script)
    const child = spawn(
      'ssh',
      [
        '-S',
        join(this.#directory, 's'),
        '-o',
        'ControlMaster=no',
        ...this.#options,
        '-o',
        // Without its master, ssh would open a connection of its own.
        'ProxyCommand=false',
        '--',
        this.#destination,
        line,
      ],
      { stdio: ['pipe', 'pipe', 'pipe'], env: this.#env },
    )
    child.once('error', () => {})
    child.stdin.on('error', () => {})
    if (onLine !== undefined) {
      forEachLine(child.stdout, (text) => onLine(text, 'stdout'))
      forEachLine(child.stderr, (text) => onLine(text, 'stderr'))
    }
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)]
    child.stdin.write(prologue)
    if (secret !== undefined) {
      if (await waitForLine(child.stdout, 'ready')) child.stdin.write(secret)
      child.stdin.end()
    } else if (input === undefined || Buffer.isBuffer(input)) {
      child.stdin.end(input)
    } else {
      // A script that ends early closes its input; its status and its words say why.
      await pipeline(input, child.stdin).catch(() => {})
    }
    const status = await ended(child)
    return {
      status: status === sshFailed || status === undefined ? undefined : status,
      stdout: stdout(),
      stderr: stderr().toString(),
    }
  }

  /** Ends the connection. */
  async close(): Promise<void> {
    this.#master.stdin?.end()
    await ended(this.#master)
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** The exit status; undefined when a signal ended the process, or it was not started. */
async function ended(child: ChildProcess): Promise<number | undefined> {
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    await once(child, 'close')
  }
  return child.exitCode ?? undefined
}

function collect(stream: Readable): () => Buffer {
  const pieces: Buffer[] = []
  let length = 0
  stream.on('data', (piece: Buffer) => {
    if (length < maxOutputBytes) pieces.push(piece)
    length += piece.length
  })
  return () => Buffer.concat(pieces)
}
