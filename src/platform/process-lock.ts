// A lock file that names the process that holds it: its pid, and its start time, because pids are used again. It binds only
// as long as that process lives, so that a crash or a power cut leaves nothing behind that blocks. Linux alone shows start
// times (proc_pid_stat(5)); elsewhere, and where the file cannot be created, there is no lock.
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

export type LockResult =
  | { readonly kind: 'held'; readonly lock: ProcessLock }
  /** @param pid of the process that holds it. */
  | { readonly kind: 'taken'; readonly pid: number }
  /** There are no locks here. */
  | { readonly kind: 'unavailable' }

interface Holder {
  readonly pid: number
  /** Clock ticks after the start of the machine. */
  readonly startTicks: number
  /** The name of the program, as the kernel has it. */
  readonly program: string
}

interface LockFile extends Holder {
  /** The holder lets go of the lock as soon as another process wants it. */
  readonly isOffered: boolean
}

/** Others may remove or replace a file between two looks at it; each of them does so once. */
const maxTries = 10

/** Holds the lock at `path`, whose directory is created for this user alone when missing. Never throws. */
export function holdLock(path: string): LockResult {
  const self = holderOf('self')
  if (self === undefined) return { kind: 'unavailable' }
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    for (let tries = 0; tries < maxTries; tries++) {
      if (create(path, { ...self, isOffered: false }))
        return { kind: 'held', lock: new ProcessLock(path, self) }
      const text = readText(path)
      const holder = parseLock(text)
      if (holder !== undefined && !holder.isOffered && isAlive(holder))
        return { kind: 'taken', pid: holder.pid }
      if (text !== undefined) removeIf(path, text)
    }
  } catch {
    // A directory that cannot be written, or a file system without links: nothing can be kept there, or only as before.
  }
  return { kind: 'unavailable' }
}

/** The process that holds the lock at `path`, if it lives. Undefined also where this user may not look. */
export function lockHolder(path: string): number | undefined {
  const holder = parseLock(readText(path))
  return holder !== undefined && isAlive(holder) ? holder.pid : undefined
}

/** A lock that this process holds. */
class ProcessLock {
  readonly #path: string
  readonly #self: Holder

  constructor(path: string, self: Holder) {
    this.#path = path
    this.#self = self
  }

  /** Whether another process has accepted the offer. */
  get isTaken(): boolean {
    const holder = parseLock(readText(this.#path))
    return holder !== undefined && !isSame(holder, this.#self) && isAlive(holder)
  }

  /** From now on another process that wants the lock has it at once; until then it stays held. */
  offer(): void {
    if (!this.isTaken) replace(this.#path, { ...this.#self, isOffered: true })
  }

  /** The end of the process releases it, too. */
  release(): void {
    if (!this.isTaken) remove(this.#path)
  }
}

/** @returns false if the file exists. Never leaves an incomplete one. */
function create(path: string, content: LockFile): boolean {
  const own = ownName(path)
  writeFileSync(own, textOf(content), { encoding: 'latin1', mode: 0o600 })
  try {
    linkSync(own, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(own, { force: true })
  }
}

function replace(path: string, content: LockFile): void {
  const own = ownName(path)
  try {
    writeFileSync(own, textOf(content), { encoding: 'latin1', mode: 0o600 })
    renameSync(own, path)
  } catch {
    // The file stays as it is.
  }
}

/** Removes the file unless another process has replaced it after `text` was read. */
function removeIf(path: string, text: string): void {
  const aside = ownName(path)
  if (readText(path) !== text) return
  try {
    renameSync(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  try {
    if (readText(aside) !== text) linkSync(aside, path)
  } catch {
    // Yet another process has created one in the meantime.
  } finally {
    rmSync(aside, { force: true })
  }
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // It binds until the process has ended.
  }
}

function ownName(path: string): string {
  return `${path}.${process.pid}`
}

/** Undefined for a file that is absent or may not be read. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}

function textOf({ pid, startTicks, program, isOffered }: LockFile): string {
  return `${pid} ${startTicks} ${isOffered ? 'offered' : 'held'} ${program}\n`
}

/** Undefined for what `textOf` has not written. */
function parseLock(text = ''): LockFile | undefined {
  const match = /^(\d+) (\d+) (held|offered) (.*)\n$/s.exec(text)
  if (match === null) return undefined
  const [, pid, startTicks, state, program = ''] = match
  return { pid: Number(pid), startTicks: Number(startTicks), program, isOffered: state === 'offered' }
}

/** The same ticks after another start of the machine are possible, with the same pid and program hardly. */
function isAlive(holder: Holder): boolean {
  const now = holderOf(holder.pid)
  return now !== undefined && isSame(holder, now)
}

function isSame(one: Holder, other: Holder): boolean {
  return one.pid === other.pid && one.startTicks === other.startTicks && one.program === other.program
}

/** Undefined for a process that has ended, whether or not its parent has seen that, and where no process can be seen. */
function holderOf(pid: number | 'self'): Holder | undefined {
  try {
    // PID (PROGRAM) STATE …; the program's name may contain spaces and parentheses.
    const [, number, program = '', rest = ''] =
      /^(\d+) \((.*)\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'latin1')) ?? []
    const fields = rest.split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    const startTicks = Number(fields[19])
    return Number.isSafeInteger(startTicks) ? { pid: Number(number), startTicks, program } : undefined
  } catch {
    return undefined
  }
}
