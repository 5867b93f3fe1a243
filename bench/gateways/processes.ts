// Starts the processes of a run and sees to it that none outlives it: each contender leads a group of its own, and a
// keeper that outlives us kills the groups that are left, whatever became of us.
import { type ChildProcess, fork, type Serializable, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { treeOf } from './process-tree.ts'
import type { Outcome, Task } from './tasks.ts'

export interface Command {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly directory: string
  /** Standard output and error go here. */
  readonly logFile: string
  /** A channel for messages to the process; for a probe. */
  readonly withChannel?: boolean
  /** Not pinned to a core. */
  readonly isSpread?: boolean
}

/** Which cores what runs on; undefined where nothing can be pinned. */
export interface Cores {
  readonly contender: string
  readonly load: string
  readonly upstream: string
}

export class Processes {
  readonly #keeper: ChildProcess
  readonly #cores: Cores | undefined

  /** @param directory is removed when this process ends in whatever way. */
  constructor(directory: string, cores: Cores | undefined) {
    this.#cores = cores
    this.#keeper = fork(join(import.meta.dirname, 'keeper.ts'), [directory], { detached: true })
    this.#keeper.unref()
    this.#keeper.channel?.unref()
  }

  /** A program of our own that talks over its channel. @param file of a load generator; absent: that of `gateways`. */
  helper(name: 'load' | 'upstream', file = join(import.meta.dirname, `${name}.ts`)): ChildProcess {
    const [command, args] = this.#pinned(this.#cores?.[name], process.execPath, [file])
    return spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  }

  contender({
    command,
    args,
    env,
    directory,
    logFile,
    withChannel = false,
    isSpread,
  }: Command): ChildProcess {
    const [pinned, all] = this.#pinned(isSpread ? undefined : this.#cores?.contender, command, args)
    // Opened for appending, so that it can be emptied while it is written to.
    const log = openSync(logFile, 'a')
    const child = spawn(pinned, all, {
      cwd: directory,
      env: { ...cleanEnvironment(), ...env },
      detached: true,
      stdio: withChannel ? ['ignore', log, log, 'ipc'] : ['ignore', log, log],
    })
    closeSync(log)
    // One that cannot be started has no process id.
    child.on('error', () => {})
    if (child.pid !== undefined) this.#keeper.send({ add: child.pid })
    return child
  }

  /** At once: no contender has anything to lose. */
  async stop(child: ChildProcess): Promise<void> {
    const { pid } = child
    if (pid === undefined) return
    const isRunning = child.exitCode === null && child.signalCode === null
    const exited = isRunning ? once(child, 'exit') : undefined
    // Some start programs in groups of their own.
    const tree = treeOf(pid)
    killGroup(pid)
    for (const each of tree) kill(each)
    await exited
    this.#keeper.send({ remove: pid })
  }

  #pinned(cores: string | undefined, command: string, args: readonly string[]): [string, string[]] {
    return cores === undefined ? [command, [...args]] : ['taskset', ['-c', cores, command, ...args]]
  }
}

/**
 * The next message of a process.
 * @param order is sent to it first; absent: nothing.
 * @throws Error when it ends instead.
 */
export async function answerOf<Answer>(child: ChildProcess, order?: Serializable): Promise<Answer> {
  const stop = new AbortController()
  const { signal } = stop
  const answered = once(child, 'message', { signal })
  const ended = once(child, 'exit', { signal }).then(() => {
    throw new Error('the process has ended before it answered')
  })
  for (const each of [answered, ended]) each.catch(() => {})
  try {
    if (order !== undefined) child.send(order)
    const [answer] = await Promise.race([answered, ended])
    return answer as Answer
  } finally {
    stop.abort()
  }
}

export function killGroup(pid: number): void {
  kill(-pid)
}

/** @param pid below 0: a group. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // All of it is gone.
  }
}

/** Nothing of the caller's settings for Node, npm or a service manager reaches a contender. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LANG: 'C.UTF-8' }
}

/** The load generator, as seen from here. */
export class Load {
  readonly #child: ChildProcess
  readonly #waiting = new Map<
    number,
    { resolve: (outcome: Outcome) => void; reject: (error: Error) => void }
  >()
  #nextId = 0

  constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (message) => {
      if (message === 'ready') return
      const { id, outcome, error } = message as { id: number; outcome?: Outcome; error?: string }
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (outcome === undefined) waiting?.reject(new Error(error))
      else waiting?.resolve(outcome)
    })
    child.once('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the load generator is gone'))
    })
  }

  run(task: Task): Promise<Outcome> {
    this.#nextId += 1
    const id = this.#nextId
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ id, task })
    })
  }
}
