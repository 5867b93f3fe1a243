// A file of the state directory, for its user alone. It is replaced whole: a reader finds the old one or the new one, also
// after a crash. A process that keeps its state there holds the lock beside it, LIMITS.lock of LIMITS.json.
//
// Whoever can write the state directory can put anything there, so its owner is not examined: a file whose content decides who
// is served is read as config/trusted-file.ts does. What is there may still be a pipe or a device, which would never end.
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { holdLock, type LockResult } from './process-lock.ts'

export type ReadState =
  | { readonly kind: 'read'; readonly text: string }
  | { readonly kind: 'absent' }
  /** The reason is a predicate, to follow the name of the file. */
  | { readonly kind: 'unreadable'; readonly reason: string }

interface StateFileOptions {
  /** Whether a replacement is on the disk before `replace` resolves, in case of a power cut. Default: false. */
  readonly isSynced?: boolean
  /** Holds the lock at a path. Default: `holdLock`. */
  readonly hold?: ((path: string) => LockResult) | undefined
}

/** Far more than the gateway ever writes. */
const maxBytes = 268_435_456

export class StateFile {
  readonly path: string
  readonly #directory: string
  readonly #isSynced: boolean
  readonly #hold: (path: string) => LockResult
  #lock: LockResult = { kind: 'unavailable' }
  #isOffered = false
  #refusal: string | undefined
  /** One replacement after the other. */
  #writing: Promise<void> = Promise.resolve()

  /**
   * @param directory is created, for this user alone, when it is missing.
   * @param name `limits.json`.
   */
  constructor(directory: string, name: string, { isSynced = false, hold = holdLock }: StateFileOptions = {}) {
    this.#directory = directory
    this.path = join(directory, name)
    this.#isSynced = isSynced
    this.#hold = hold
  }

  /** Never throws. */
  read(): ReadState {
    let descriptor: number | undefined
    try {
      // Without O_NONBLOCK, opening a pipe would wait for a writer.
      descriptor = openSync(this.path, constants.O_RDONLY | constants.O_NONBLOCK)
      const status = fstatSync(descriptor)
      if (!status.isFile()) return { kind: 'unreadable', reason: 'is not a regular file' }
      if (status.size > maxBytes) return { kind: 'unreadable', reason: `is larger than ${maxBytes} bytes` }
      return { kind: 'read', text: readFileSync(descriptor, 'utf8') }
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') return { kind: 'absent' }
      return { kind: 'unreadable', reason: `cannot be read (${code ?? message})` }
    } finally {
      if (descriptor !== undefined) closeSync(descriptor)
    }
  }

  /** Replacements are made in the order of their calls. Rejects with what the disk reports; the old file then stays. */
  replace(text: string): Promise<void> {
    const replaced = this.#writing.then(() => this.#replace(text))
    this.#writing = replaced.catch(() => {})
    return replaced
  }

  /** Resolves when each replacement so far is made or has failed. */
  settled(): Promise<void> {
    return this.#writing
  }

  /**
   * Takes the lock, where there are locks.
   * @returns the pid of another process that has it; undefined: nobody else keeps the file.
   */
  claim(): number | undefined {
    this.#lock = this.#hold(lockPathOf(this.path))
    return this.#lock.kind === 'taken' ? this.#lock.pid : undefined
  }

  /** From now on a process that replaces this one may take the lock; until then this one keeps the file. */
  offer(): void {
    this.#isOffered = true
    if (this.#lock.kind === 'held') this.#lock.lock.offer()
  }

  /** Whether another process keeps the file: since `claim`, or since it has accepted the offer. */
  get isOfAnother(): boolean {
    if (this.#lock.kind === 'taken') return true
    return this.#isOffered && this.#lock.kind === 'held' && this.#lock.lock.isTaken
  }

  release(): void {
    if (this.#lock.kind === 'held') this.#lock.lock.release()
  }

  /** What is there stays: from now on `replace` rejects with this reason. */
  refuse(reason: string): void {
    this.#refusal = reason
  }

  async #replace(text: string): Promise<void> {
    if (this.#refusal !== undefined) throw new Error(this.#refusal)
    // Of this process alone: one that is being replaced may write at the same time.
    const draft = `${this.path}.${process.pid}`
    try {
      await this.#write(draft, text)
      await rename(draft, this.path)
    } catch (error) {
      await rm(draft, { force: true }).catch(() => {})
      throw error
    }
  }

  async #write(draft: string, text: string): Promise<void> {
    const file = await open(draft, 'w', 0o600).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
      await mkdir(this.#directory, { recursive: true, mode: 0o700 })
      return open(draft, 'w', 0o600)
    })
    try {
      await file.writeFile(text)
      if (this.#isSynced) await file.datasync()
    } finally {
      await file.close()
    }
  }
}

/** Of a file of the state directory: `limits.lock` of `limits.json`. */
function lockPathOf(path: string): string {
  return `${path.slice(0, path.lastIndexOf('.'))}.lock`
}
