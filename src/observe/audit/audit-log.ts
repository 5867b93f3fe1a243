// Writes the audit log: a file for each month in the state directory, one line for each event, synced to disk before the next
// ones are written. Events of one turn are written together. Nothing waits for it but a command that must not act without a
// record: calls go on where it cannot be written, and the first event that can be written again counts what was lost.
import { existsSync, readdirSync } from 'node:fs'
import { open, readdir, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import { readRegularFile } from '../../platform/regular-file.ts'
import { StateFile } from '../../platform/state-file.ts'
import { laterRelease } from '../../platform/state-version.ts'
import { reasonOf } from '../../platform/thrown.ts'
import {
  appendLine,
  type AuditEvent,
  type AuditHead,
  isWrittenWith,
  keyedEvent,
  noHead,
  readLine,
} from './chain.ts'

export interface AuditLogParts {
  /** As for the limits file. Created, for this user alone, when missing. */
  readonly directory: string
  /** Of the chain; undefined: it shows accidents only. */
  readonly key: Buffer | undefined
  readonly wallNow: () => number
  /** What has to be on disk before the lines. */
  readonly prepare: () => Promise<void>
  /** Called once, until a write succeeds again. */
  readonly onFault: (cause: unknown) => void
}

/** What could not be opened for writing. */
export interface AuditInUse {
  /** Of the process that writes the log. */
  readonly pid: number
}

/** Events that wait for a disk; later ones are counted as lost. */
const maxWaiting = 10_000

const filePattern = /^audit-\d{4}-\d{2}\.jsonl$/
const headFile = 'audit.head'
/** Of the log and its head together. Heads of earlier releases have none. */
const headVersion = 1

/** The files of a directory, oldest first: their names. */
export async function auditFiles(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return names.filter((name) => filePattern.test(name)).toSorted()
}

/** Whether there is a log in a directory. */
export function hasAuditFiles(directory: string): boolean {
  return existsSync(directory) && readdirSync(directory).some((name) => filePattern.test(name))
}

/** The last line that was written, as it is kept beside the log. Undefined: there is none that can be read. */
export function readHead(directory: string): AuditHead | undefined {
  return headIn(new StateFile(directory, headFile))
}

function headIn(file: StateFile): AuditHead | undefined {
  const read = file.read()
  const { seq, mac } = membersOf(read.kind === 'read' ? parseJson(read.text) : undefined)
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || typeof mac !== 'string') return undefined
  return { seq, mac }
}

/** A log whose lines a later release has written is not continued: this one could not read them back. */
function refuseLater(file: StateFile): void {
  const read = file.read()
  const { version } = membersOf(read.kind === 'read' ? parseJson(read.text) : undefined)
  if (typeof version === 'number' && version > headVersion)
    throw new Error(`${file.path} ${laterRelease(version, headVersion)} Run that release again`)
}

export class AuditLog {
  readonly #parts: AuditLogParts
  /** Keeps the last line; its lock is the log's. */
  readonly #headFile: StateFile
  #head: AuditHead
  #waiting: AuditEvent[] = []
  #lost = 0
  /** Why the last write failed. */
  #fault: string | undefined
  /** The last line could be kept beside the log, as far as that was tried. */
  #isHeadKept = true
  #writing: Promise<void> = Promise.resolve()
  #isWriting = false

  private constructor(parts: AuditLogParts, head: AuditHead, file: StateFile) {
    this.#parts = parts
    this.#head = head
    this.#headFile = file
  }

  /**
   * Continues the log that is there. One process at a time writes it: the lock is held, or known to be another's, when this
   * returns its promise. Rejects with what the disk reports.
   */
  static async open(parts: AuditLogParts): Promise<AuditLog | AuditInUse> {
    const { directory } = parts
    const file = new StateFile(directory, headFile)
    const pid = file.claim()
    if (pid !== undefined) return { pid }
    const begin = async () => {
      refuseLater(file)
      return readEnd(directory)
    }
    const { head, line, tornBytes } = await begin().catch((error: unknown) => {
      file.release()
      throw error
    })
    const kept = headIn(file)
    const log = new AuditLog(parts, head ?? noHead, file)
    const change = keyChange(line, parts.key)
    if (change !== undefined) log.add(ownEvent(change, {}))
    if (tornBytes > 0) log.add(ownEvent('torn', { bytes: tornBytes }))
    const missing = kept !== undefined && kept.seq > (head?.seq ?? 0)
    if (missing) log.add(ownEvent('tail_missing', { 'audit.seq': kept.seq, 'audit.mac': kept.mac }))
    return log
  }

  /** The last line on disk. */
  get head(): AuditHead {
    return this.#head
  }

  /** Returns at once. */
  add(event: AuditEvent): void {
    if (this.#waiting.length >= maxWaiting) this.#lost += 1
    else this.#waiting.push(event)
    this.#startWriting()
  }

  /** Records that so many events were lost before they reached this log. Returns at once. */
  countLost(count: number): void {
    this.#lost += count
  }

  /** Resolves when the event is on disk. @throws why it is not; it will not be written later either. */
  async addAndWait(event: AuditEvent): Promise<AuditHead> {
    if (this.#waiting.length >= maxWaiting) {
      this.#startWriting()
      await this.#writing
      if (this.#waiting.length >= maxWaiting) throw new Error(this.#fault ?? 'too many events wait')
    }
    this.add(event)
    await this.#writing
    if (!this.#waiting.includes(event)) return this.#head
    this.#waiting = this.#waiting.filter((each) => each !== event)
    throw new Error(this.#fault)
  }

  /**
   * Removes whole months that ended before this instant, after a record of where the rest of the chain begins.
   * @param beforeMs Unix time in milliseconds.
   */
  async prune(beforeMs: number): Promise<void> {
    const { directory } = this.#parts
    const first = new Date(beforeMs).toISOString().slice(0, 7)
    const old = (await auditFiles(directory)).filter((name) => name < `audit-${first}.jsonl`)
    for (const name of old) {
      const last = await lastLine(join(directory, name))
      const end = last === undefined ? undefined : headOf(last)
      await this.addAndWait(
        ownEvent('pruned', {
          'audit.month': name.slice(6, 13),
          'audit.seq': end?.seq ?? 0,
          'audit.mac': end?.mac ?? '',
        }),
      )
      await rm(join(directory, name))
    }
  }

  /** Waits for what was added, and lets another process write. */
  async close(): Promise<void> {
    await this.#writing
    this.#headFile.release()
  }

  /** Also where nothing more can wait: the disk may have room again. */
  #startWriting(): void {
    if (this.#isWriting) return
    this.#isWriting = true
    this.#writing = this.#writing.then(() => this.#writeWaiting())
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      // More may be added meanwhile.
      const events = [...this.#waiting]
      const lost = this.#lost
      try {
        await this.#write(lost > 0 ? [...events, ownEvent('gap', { lost })] : events)
        const written = new Set(events)
        this.#waiting = this.#waiting.filter((each) => !written.has(each))
        this.#lost -= lost
        this.#fault = undefined
      } catch (cause) {
        if (this.#fault === undefined) this.#parts.onFault(cause)
        this.#fault = reasonOf(cause)
        break
      }
    }
    this.#isWriting = false
  }

  async #write(events: readonly AuditEvent[]): Promise<void> {
    const { directory, key, wallNow, prepare } = this.#parts
    await prepare()
    const wallMs = wallNow()
    let head = this.#head
    let text = ''
    for (const event of events) {
      const appended = appendLine(event, { head, wallMs, key })
      head = appended.head
      text += `${appended.line}\n`
    }
    const path = join(directory, `audit-${new Date(wallMs).toISOString().slice(0, 7)}.jsonl`)
    const file = await open(path, 'a', 0o600)
    try {
      const { size } = await file.stat()
      try {
        await file.writeFile(text)
        await file.datasync()
      } catch (error) {
        // A part of a line would break the chain.
        await file.truncate(size).catch(() => {})
        throw error
      }
    } finally {
      await file.close()
    }
    this.#head = head
    await this.#keepHead()
  }

  /** The lines are on disk all the same: a failure is reported, and they are not written again. */
  async #keepHead(): Promise<void> {
    try {
      await this.#headFile.replace(`${JSON.stringify({ version: headVersion, ...this.#head })}\n`)
      this.#isHeadKept = true
    } catch (cause) {
      if (this.#isHeadKept) this.#parts.onFault(cause)
      this.#isHeadKept = false
    }
  }
}

/** The event with which the lines go over to a key, to another one, or to none. */
function keyChange(lastLine: string | undefined, key: Buffer | undefined): string | undefined {
  const record = lastLine === undefined ? undefined : readLine(lastLine)
  // A log that begins with a key has it from its first line on.
  if (record === undefined) return undefined
  if (isWrittenWith(key, lastLine!, record)) return undefined
  if (key === undefined) return 'unkeyed'
  return isWrittenWith(undefined, lastLine!, record) ? keyedName : 'key_changed'
}

const keyedName = keyedEvent.slice('llm_gateway.audit.'.length)

/** An event of the log about itself. */
function ownEvent(name: string, attributes: AuditEvent['attributes']): AuditEvent {
  const isUsual = name === 'pruned' || name === 'keyed'
  return {
    name: `llm_gateway.audit.${name}`,
    severity: isUsual ? 'info' : 'error',
    outcome: isUsual ? 'success' : 'failure',
    attributes,
  }
}

interface LogEnd {
  readonly head: AuditHead | undefined
  /** The last line. */
  readonly line: string | undefined
  readonly tornBytes: number
}

/** Where the chain goes on. The part of a line that a crash has left is removed. */
async function readEnd(directory: string): Promise<LogEnd> {
  const files = await auditFiles(directory)
  let tornBytes = 0
  for (const name of files.toReversed()) {
    const path = join(directory, name)
    const bytes = await readRegularFile(path)
    const end = bytes.lastIndexOf(10) + 1
    if (end < bytes.length) {
      tornBytes += bytes.length - end
      await truncate(path, end)
    }
    const line = await lastLine(path)
    const head = line && headOf(line)
    if (head) return { head, line, tornBytes }
  }
  return { head: undefined, line: undefined, tornBytes }
}

async function lastLine(path: string): Promise<string | undefined> {
  return (await readRegularFile(path))
    .toString()
    .split('\n')
    .findLast((line) => line !== '')
}

function headOf(line: string): AuditHead | undefined {
  const record = readLine(line)
  return record && { seq: record.seq, mac: record.mac }
}
