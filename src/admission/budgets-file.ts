// Keeps what was spent of budgets over a restart, beside the ledger: one JSON file, replaced whole and synced to disk a
// quarter of a second after a change. It also holds what calls under way have reserved, which the next process counts as
// spent: after a crash a budget is too strict by the calls that it ended, and too lax only by those that began in the last
// quarter of a second. A second copy, at most ten seconds older, takes the place of a file that is damaged or missing.
//
// Both this file and the ledger only ever lag behind, and each states the revision that it has: the later one counts, and the
// ledger is completed by the file. If neither can be read although budgets were in use, or another process keeps them, nobody
// knows what was spent: calls with a budget are refused then, others are not.
import { existsSync } from 'node:fs'
import { chown, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isObject, membersOf, parseJson } from '../bytes/json/parse.ts'
import { budgetPeriods, type ScopeBalance, type SpentInWindows } from '../domain.ts'
import { isTimeZone } from '../platform/time-zone.ts'
import type { SetTimer } from '../platform/clock.ts'
import { isCount } from '../platform/number-checks.ts'
import { readRegularFile } from '../platform/regular-file.ts'
import type { LockResult } from '../platform/process-lock.ts'
import { StateFile } from '../platform/state-file.ts'
import { keepAside, laterRelease } from '../platform/state-version.ts'
import type { BudgetSettings } from './budget.ts'
import { BudgetBook } from './budget-book.ts'
import type { SavedAccount, SavedBudgets } from './spent-windows.ts'
import type { BudgetPeriod, CalendarWindow } from './calendar-window.ts'

/** The ledger as the file needs it. */
interface SpendStore {
  /** Whether what is spent is written: `idle` or `writing`. */
  state(): { readonly state: string }
  /** What was spent in these windows, after `copy` has completed it where that is the later one. Never rejects. */
  restoreSpending(question: {
    readonly spans: readonly (CalendarWindow & { readonly per: BudgetPeriod })[]
    readonly copy:
      | { readonly revision: number | undefined; readonly balances: readonly ScopeBalance[] }
      | undefined
    readonly nowMs: number
  }): Promise<
    | { readonly kind: 'found'; readonly spent: readonly SpentInWindows[]; readonly revision: number }
    | { readonly kind: 'unknown' }
    | { readonly kind: 'unreadable'; readonly reason: string }
  >
}

export interface BudgetsFileParts {
  readonly directory: string
  readonly book: BudgetBook
  /** Milliseconds since 1970. */
  readonly wallNow: () => number
  /** Absent: there is no ledger. */
  readonly store?: SpendStore | undefined
  /** The monotonic clock. */
  readonly now: () => number
  readonly setTimer: SetTimer
  /** Holds the lock at a path (`holdLock`). */
  readonly hold: (path: string) => LockResult
  /** Called when the second copy is used, or the ledger in its place. @param reason what is wrong with the file. */
  readonly onCopyUsed: (reason: string) => void
  /** Called when nobody knows what was spent. @param reason with what can be done. */
  readonly onLost: (reason: string) => void
  /** Called with a failure to write, at most once a minute. */
  readonly onFault: (cause: unknown) => void
}

/** In the state directory. */
export const budgetsFileNames = {
  file: 'budgets.json',
  copy: 'budgets.copy.json',
  lock: 'budgets.lock',
  /** That budgets were in use. */
  mark: 'budgets.used',
} as const

const version = 1
const markText = 'Budgets have been in use here: see budgets.json and usage.db.\n'
const delayMs = 250
/** Writing may take a twentieth of the time. */
const writingFactor = 20
const copyEveryMs = 10_000
/** A full disk fails four times a second, and may be the one that has the log. */
const reportEveryMs = 60_000
/** How long what is spent may be in memory alone. */
const maxUnwrittenMs = 15 * 60_000

export class BudgetsFile {
  readonly #parts: BudgetsFileParts
  /** Its lock is that of all of them. */
  readonly #file: StateFile
  readonly #copy: StateFile
  readonly #mark: StateFile
  #isMarked = false
  #copiedAtMs: number | undefined
  /** Nothing is written over a file that could not be read. */
  #isReadOnly = false
  #stopTimer: (() => void) | undefined
  #writing: Promise<void> = Promise.resolve()
  #isWriting = false
  #hasNews = false
  #lastWriteMs = 0
  /** Of the last failure. */
  #reportedAtMs: number | undefined
  #failingSinceMs: number | undefined
  #isSuspended = false

  constructor(parts: BudgetsFileParts) {
    this.#parts = parts
    const { directory, hold } = parts
    this.#file = new StateFile(directory, budgetsFileNames.file, { isSynced: true, hold })
    this.#copy = new StateFile(directory, budgetsFileNames.copy, { isSynced: true })
    this.#mark = new StateFile(directory, budgetsFileNames.mark, { isSynced: true })
  }

  /**
   * Takes up what the last process left, before the first call. Never rejects.
   * @param mayBeRecorded budgets are in use, and there is a ledger, which may have what the file lacks.
   */
  async load(settings: BudgetSettings, mayBeRecorded: boolean): Promise<void> {
    const { book } = this.#parts
    const pid = this.#file.claim()
    if (pid !== undefined) {
      this.#isReadOnly = true
      this.#lose(`Another gateway (process ${pid}) counts the budgets of this state directory.`)
      return
    }
    this.#isMarked = existsSync(this.#mark.path)
    const { saved, fault } = await this.#read()
    const recorded =
      saved !== undefined || fault !== undefined || this.#isMarked || mayBeRecorded
        ? await this.#restoreFromStore(saved, settings)
        : 'unknown'
    if (recorded === 'restored') {
      if (fault !== undefined) this.#parts.onCopyUsed(fault)
      // What was reserved is spent now; `key list` reads from the file how budgets stand.
      const hadReserved = saved?.accounts.some(({ nano, tokens }) => nano > 0 || tokens > 0) === true
      if (fault !== undefined || hadReserved || book.revision > (saved?.revision ?? 0)) this.touch()
      return
    }
    if (saved !== undefined) {
      book.restore(saved)
      // What was reserved is spent now, in the windows of this moment.
      if (fault === undefined) return this.touch()
      this.#parts.onCopyUsed(fault)
      return this.touch()
    }
    // There is nothing at the first start.
    if (fault === undefined && !this.#isMarked) return
    this.#isReadOnly = true
    const why = fault ?? `${this.#file.path}: missing`
    this.#lose(
      `What was spent of the budgets is not known (${why}; ${recorded === 'unknown' ? 'the ledger does not have it' : recorded}). Restore ${this.#file.path}; or accept the loss: stop the gateway, run \`llm-gateway usage repair --accept-loss\`, and start it.`,
    )
  }

  #lose(reason: string): void {
    this.#parts.book.lose(reason)
    this.#parts.onLost(reason)
  }

  async #read(): Promise<{ readonly saved: SavedBudgets | undefined; readonly fault: string | undefined }> {
    const [path, copyPath] = [this.#file.path, this.#copy.path]
    const read = await readBudgetsFile(path)
    if (typeof read === 'object') return { saved: read, fault: undefined }
    const copy = await readBudgetsFile(copyPath)
    // Where the ledger knows what was spent, both are written anew.
    for (const file of [this.#file, this.#copy]) keepLaterAside(file)
    const faultOf = (of: string, what: string) =>
      what === 'missing' ? `${of}: missing` : `${of} cannot be read (${what})`
    if (typeof copy === 'object') return { saved: copy, fault: faultOf(path, read ?? 'missing') }
    if (read === undefined && copy === undefined) return { saved: undefined, fault: undefined }
    const fault = read === undefined ? faultOf(copyPath, copy!) : faultOf(path, read)
    return { saved: undefined, fault }
  }

  /** @returns a text: why the ledger cannot help. */
  async #restoreFromStore(saved: SavedBudgets | undefined, settings: BudgetSettings): Promise<string> {
    const { store, book, wallNow } = this.#parts
    if (store === undefined) return 'there is no ledger'
    book.follow(settings)
    const found = await store.restoreSpending({
      spans: book.windows(),
      copy: saved && copyOf(saved, settings, wallNow),
      nowMs: wallNow(),
    })
    if (found.kind === 'unknown') return 'unknown'
    if (found.kind === 'unreadable') return `the ledger cannot be used: ${found.reason}`
    const known = saved?.timeZone === settings.timeZone ? saved.accounts : []
    const windowsOf = new Map(known.map(({ name, windows }) => [name, windows]))
    const accounts = found.spent.map(({ name, entry, windows }): SavedAccount => {
      return { name, entry, nano: 0, tokens: 0, windows: joined(windows, windowsOf.get(name) ?? []) }
    })
    book.restore({ timeZone: settings.timeZone, revision: found.revision, accounts })
    return 'restored'
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
    this.#file.offer()
  }

  /** Writes both copies once more, and waits until that is done. */
  async stop(): Promise<void> {
    await this.#writing
    this.#stopTimer?.()
    const hasWritten = this.#copiedAtMs !== undefined
    this.#copiedAtMs = undefined
    if ((this.#hasNews || hasWritten) && !this.#isReadOnly) await this.#write().catch(this.#parts.onFault)
    this.#isReadOnly = true
    this.#file.release()
  }

  #save(): void {
    this.#stopTimer = undefined
    this.#isWriting = true
    const { now, onFault } = this.#parts
    const startedAtMs = now()
    const failed = (cause: unknown) => {
      this.#hasNews = true
      this.#failingSinceMs ??= startedAtMs
      this.#judgeUnwritten(cause, startedAtMs - this.#failingSinceMs)
      if (this.#reportedAtMs !== undefined && startedAtMs - this.#reportedAtMs < reportEveryMs) return
      this.#reportedAtMs = startedAtMs
      onFault(cause)
    }
    const succeeded = () => {
      this.#failingSinceMs = undefined
      this.#resume()
    }
    this.#writing = this.#write()
      .then(succeeded, failed)
      .then(() => {
        this.#lastWriteMs = now() - startedAtMs
        this.#isWriting = false
        if (this.#hasNews) this.touch()
      })
  }

  /** A process that ends now takes with it what is written nowhere: the longer that lasts, the more is spent anew. */
  #judgeUnwritten(cause: unknown, forMs: number): void {
    const { book, store, onLost } = this.#parts
    const ofStore = store?.state().state
    if (forMs < maxUnwrittenMs || ofStore === 'idle' || ofStore === 'writing') return this.#resume()
    if (this.#isSuspended) return
    this.#isSuspended = true
    const reason = `What is spent of budgets could not be written for ${Math.round(forMs / 60_000)} minutes (${String(cause)}). Calls with a budget are refused until it can be.`
    book.suspend(reason)
    onLost(reason)
  }

  #resume(): void {
    if (!this.#isSuspended) return
    this.#isSuspended = false
    this.#parts.book.resume()
  }

  async #write(): Promise<void> {
    this.#hasNews = false
    if (this.#file.isOfAnother) return
    const { book, now } = this.#parts
    const text = JSON.stringify({ version, ...book.dump() })
    // That there was something to lose stands in a file of its own.
    if (!this.#isMarked) await this.#mark.replace(markText)
    this.#isMarked = true
    await this.#file.replace(text)
    if (this.#copiedAtMs !== undefined && now() - this.#copiedAtMs < copyEveryMs) return
    await this.#copy.replace(text)
    this.#copiedAtMs = now()
  }
}

/**
 * The larger amounts of both. The clock may stand before the last windows, which the ledger is not asked for then; and a
 * ledger that was pruned by a clock ahead of time has nothing of the current ones.
 */
function joined(ofLedger: Windows, ofFile: Windows): Windows {
  const windows = new Map<string, Windows[number]>()
  for (const [per, startMs, nano, tokens] of [...ofLedger, ...ofFile]) {
    const id = `${per} ${startMs}`
    const known = windows.get(id)
    windows.set(id, [per, startMs, Math.max(nano, known?.[2] ?? 0), Math.max(tokens, known?.[3] ?? 0)])
  }
  return [...windows.values()].toSorted((one, other) => one[1] - other[1])
}

type Windows = SavedAccount['windows']

/** In the time zone that is in force, with what had been reserved as spent. */
function copyOf(saved: SavedBudgets, settings: BudgetSettings, wallNow: () => number) {
  const book = new BudgetBook({ wallNow })
  book.restore(saved)
  book.follow(settings)
  // An earlier version wrote none: it ran after the ledger was written last, or there is none yet.
  return { revision: saved.revision, balances: book.balance() }
}

/** Whether a gateway can begin with either copy. */
export async function hasReadableCopy(directory: string): Promise<boolean> {
  const { file, copy } = budgetsFileNames
  const read = await Promise.all([file, copy].map((name) => readBudgetsFile(join(directory, name))))
  return read.some((each) => typeof each === 'object')
}

/** Nothing was spent, as far as the file knows. What cannot be read stays beside it. @throws what the file system throws. */
export async function beginBudgets(directory: string): Promise<void> {
  const { file, copy } = budgetsFileNames
  for (const name of [file, copy]) {
    const path = join(directory, name)
    if (existsSync(path)) await rename(path, `${path}.lost`)
  }
  const none: SavedBudgets = { timeZone: 'UTC', revision: 0, accounts: [] }
  const begun = new StateFile(directory, file, { isSynced: true })
  await begun.replace(JSON.stringify({ version, ...none }))
  // Root's file would be unreadable for the gateway's user.
  const { uid, gid } = await stat(directory)
  if (process.geteuid?.() === 0) await chown(begun.path, uid, gid)
}

/** Undefined: there is none. A text: what is wrong with it. */
export async function readBudgetsFile(path: string): Promise<SavedBudgets | string | undefined> {
  try {
    return parse((await readRegularFile(path)).toString())
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : String(cause)
  }
}

function keepLaterAside(file: StateFile): void {
  const read = file.read()
  const { version: written } = membersOf(read.kind === 'read' ? parseJson(read.text) : undefined)
  if (typeof written === 'number' && written > version) keepAside(file, written)
}

/** What is in the file, checked; or what is wrong with it. */
function parse(text: string): SavedBudgets | string {
  const value = parseJson(text)
  if (value === undefined) return 'not JSON: cut off?'
  if (!isObject(value)) return 'not an object'
  const { version: written } = value
  if (Number(written) > version) return `it ${laterRelease(Number(written), version)} Run that release again`
  if (written !== version) return `version ${JSON.stringify(written)}, not ${version}`
  const { timeZone, revision, accounts } = value
  if (typeof timeZone !== 'string' || !isTimeZone(timeZone)) return 'malformed time zone'
  if (!Array.isArray(accounts) || !accounts.every(isSavedAccount)) return 'malformed accounts'
  if (revision !== undefined && !isCount(revision)) return 'malformed revision'
  return { timeZone, ...(revision !== undefined && { revision }), accounts }
}

function isSavedAccount(value: unknown): value is SavedAccount {
  if (!isObject(value) || typeof value['name'] !== 'string') return false
  const { entry = '', nano, tokens, windows } = value
  if (typeof entry !== 'string') return false
  return isCount(nano) && isCount(tokens) && Array.isArray(windows) && windows.every(isSavedWindow)
}

function isSavedWindow(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 4) return false
  const [per, ...amounts] = value as unknown[]
  return budgetPeriods.some((each) => each === per) && amounts.every(isCount)
}
