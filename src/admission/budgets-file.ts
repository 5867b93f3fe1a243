// Keeps what was spent of budgets over a restart: one JSON file, replaced whole and synced to disk a quarter of a second
// after a change. It also holds what calls under way have reserved, which the next process counts as spent: after a crash a
// budget is too strict by the calls that it ended, and too lax only by those that began in the last quarter of a second.
//
// A second copy, at most ten seconds older, takes the place of a file that is damaged or missing. If neither can be read, or
// another process keeps them, nobody knows what was spent: calls with a budget are refused then, others are not.
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { isObject, parseJson } from '../bytes/json/parse.ts'
import { isTimeZone } from '../platform/time-zone.ts'
import type { SetTimer } from '../platform/clock.ts'
import type { LockResult } from '../platform/process-lock.ts'
import type { BudgetBook, SavedAccount, SavedBudgets } from './budget-book.ts'
import { budgetPeriods } from './calendar-window.ts'

export interface BudgetsFileParts {
  readonly directory: string
  readonly book: Pick<BudgetBook, 'dump' | 'restore' | 'lose'>
  /** The monotonic clock. */
  readonly now: () => number
  readonly setTimer: SetTimer
  /** Holds the lock at a path (`holdLock`). */
  readonly hold: (path: string) => LockResult
  /** Called when the second copy is used. @param reason what is wrong with the file. */
  readonly onCopyUsed: (reason: string) => void
  /** Called with each failure to write. */
  readonly onFault: (cause: unknown) => void
}

const version = 1
const delayMs = 250
/** Writing may take a twentieth of the time. */
const writingFactor = 20
const copyEveryMs = 10_000

export class BudgetsFile {
  readonly #parts: BudgetsFileParts
  readonly #path: string
  readonly #copyPath: string
  #copiedAtMs: number | undefined
  #lock: LockResult = { kind: 'unavailable' }
  #isOffered = false
  /** Nothing is written over a file that could not be read. */
  #isReadOnly = false
  #stopTimer: (() => void) | undefined
  #writing: Promise<void> = Promise.resolve()
  #isWriting = false
  #hasNews = false
  #lastWriteMs = 0

  constructor(parts: BudgetsFileParts) {
    this.#parts = parts
    this.#path = join(parts.directory, 'budgets.json')
    this.#copyPath = join(parts.directory, 'budgets.copy.json')
  }

  /** Takes up what the last process left. Before the first call; never rejects. */
  async load(): Promise<void> {
    const { directory, hold, book } = this.#parts
    this.#lock = hold(join(directory, 'budgets.lock'))
    if (this.#lock.kind === 'taken') {
      this.#isReadOnly = true
      book.lose(`Another gateway (process ${this.#lock.pid}) counts the budgets of this state directory.`)
      return
    }
    const read = await readBudgetsFile(this.#path)
    if (typeof read === 'object') {
      book.restore(read)
      // What was reserved is spent now, in the windows of this moment.
      return this.touch()
    }
    const copy = await readBudgetsFile(this.#copyPath)
    if (typeof copy === 'object') {
      book.restore(copy)
      this.#parts.onCopyUsed(`${this.#path}: ${read ?? 'missing'}`)
      return this.touch()
    }
    // Neither exists at the first start.
    if (read === undefined && copy === undefined) return
    this.#isReadOnly = true
    const unread = read === undefined ? this.#copyPath : this.#path
    book.lose(
      `What was spent of the budgets is not known: ${unread} cannot be read (${read ?? copy}). Restore the file, or remove budgets.json and budgets.copy.json to begin at 0, and restart the gateway.`,
    )
  }

  /** Something has changed: it will be in the file soon. */
  touch(): void {
    this.#hasNews = true
    if (this.#isReadOnly || this.#isWriting) return
    const waitMs = Math.max(delayMs, writingFactor * this.#lastWriteMs)
    this.#stopTimer ??= this.#parts.setTimer(() => this.#save(), waitMs)
  }

  /** From now on a process that replaces this one may take the file over; until then this one goes on writing. */
  offer(): void {
    this.#isOffered = true
    if (this.#lock.kind === 'held') this.#lock.lock.offer()
  }

  /** Writes both copies once more, and waits until that is done. */
  async stop(): Promise<void> {
    this.#stopTimer?.()
    await this.#writing
    const hasWritten = this.#copiedAtMs !== undefined
    this.#copiedAtMs = undefined
    if ((this.#hasNews || hasWritten) && !this.#isReadOnly) await this.#write().catch(this.#parts.onFault)
    this.#isReadOnly = true
    if (this.#lock.kind === 'held') this.#lock.lock.release()
  }

  #save(): void {
    this.#stopTimer = undefined
    this.#isWriting = true
    const { now, onFault } = this.#parts
    const startedAtMs = now()
    const failed = (cause: unknown) => {
      this.#hasNews = true
      onFault(cause)
    }
    this.#writing = this.#write()
      .catch(failed)
      .then(() => {
        this.#lastWriteMs = now() - startedAtMs
        this.#isWriting = false
        if (this.#hasNews) this.touch()
      })
  }

  async #write(): Promise<void> {
    this.#hasNews = false
    if (this.#isOffered && this.#lock.kind === 'held' && this.#lock.lock.isTaken) return
    const { directory, book, now } = this.#parts
    const text = JSON.stringify({ version, ...book.dump() })
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await replaceFile(this.#path, text)
    if (this.#copiedAtMs !== undefined && now() - this.#copiedAtMs < copyEveryMs) return
    await replaceFile(this.#copyPath, text)
    this.#copiedAtMs = now()
  }
}

/** Undefined: there is none. A text: what is wrong with it. */
export async function readBudgetsFile(path: string): Promise<SavedBudgets | string | undefined> {
  try {
    return parse(await readFile(path, 'utf8'))
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : String(cause)
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.datasync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
}

/** What is in the file, checked; or what is wrong with it. */
function parse(text: string): SavedBudgets | string {
  const value = parseJson(text)
  if (value === undefined) return 'not JSON: cut off?'
  if (!isObject(value)) return 'not an object'
  if (value['version'] !== version) return `version ${JSON.stringify(value['version'])}, not ${version}`
  const { timeZone, accounts } = value
  if (typeof timeZone !== 'string' || !isTimeZone(timeZone)) return 'malformed time zone'
  if (!Array.isArray(accounts) || !accounts.every(isSavedAccount)) return 'malformed accounts'
  return { timeZone, accounts }
}

function isSavedAccount(value: unknown): value is SavedAccount {
  if (!isObject(value) || typeof value['name'] !== 'string') return false
  const { nano, tokens, windows } = value
  return isCount(nano) && isCount(tokens) && Array.isArray(windows) && windows.every(isSavedWindow)
}

function isSavedWindow(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 4) return false
  const [per, ...amounts] = value as unknown[]
  return budgetPeriods.some((each) => each === per) && amounts.every(isCount)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
