// Carries the counters and what was learnt over a restart: one JSON file, replaced whole. It is milliseconds behind, or up to
// 2 s where writes are slow or many. What may have been admitted between the last write and a crash counts as used.
//
// It is a convenience, not a database: where it cannot be written, calls go on and the fault is reported; where it
// cannot be read, the gateway starts with empty windows. Nothing is synced to disk: after a power cut there is no burst
// to hold back. Times in it are ages, so that clock steps while the process ran mean nothing.
//
// One process at a time keeps the file. A second one serves calls and keeps nothing: refusing to start would cost it its
// calls, and writing would cost the first one its counts. A process that stops offers the file to the one that replaces it.
import { isObject } from '../bytes/json/parse.ts'
import type { SetTimer } from '../platform/clock.ts'
import { isAmount, isCount } from '../platform/number-checks.ts'
import type { LockResult } from '../platform/process-lock.ts'
import { StateFile } from '../platform/state-file.ts'
import { readValue } from '../platform/state-version.ts'
import type { Calibration, CalibrationFact } from './estimate.ts'
import type { MemoryStore, SavedClient, SavedModel, SavedWindows } from './stores/memory.ts'
import { windowMs } from './sliding-window.ts'
import type { SavedEntry } from './sliding-window.ts'

/** What was found at start. All but `unreadable` bring the calibration back. */
export type LoadFact =
  | { readonly kind: 'restored'; readonly models: number; readonly ageMs: number }
  /** No file: the first start. */
  | { readonly kind: 'absent' }
  /** Saved 60 s ago or earlier: the windows are empty by now. */
  | { readonly kind: 'stale'; readonly ageMs: number }
  /** The clock was set back since. Taken up as if saved now, which counts for too long rather than too short. */
  | { readonly kind: 'future_dated'; readonly models: number; readonly aheadMs: number }
  /** Torn, of another version, or not ours. */
  | { readonly kind: 'unreadable'; readonly reason: string }
  /** Another gateway keeps its counts there. Nothing was read, and nothing will be written. */
  | { readonly kind: 'in_use'; readonly pid: number; readonly directory: string }

export interface LimitsFileParts {
  /** `$STATE_DIRECTORY`, or `llm-gateway` in the XDG state directory. Created, for this user alone, when missing. */
  readonly directory: string
  readonly store: Pick<MemoryStore, 'dump' | 'restore'>
  readonly calibration: Pick<Calibration, 'describe' | 'restore'>
  /** The monotonic clock that the store's times are in. */
  readonly now: () => number
  /** Milliseconds since 1970; compared only between a save and the next start. */
  readonly wallNow: () => number
  readonly setTimer: SetTimer
  /** Holds the lock at a path. Default: `holdLock`. */
  readonly hold?: (path: string) => LockResult
  /** Called for each failed write. */
  readonly onFault: (cause: unknown) => void
}

interface Saved extends SavedWindows {
  readonly savedAtMs: number
  /** Until the next write, had there been one, in milliseconds. 0: the process ended in order. */
  readonly unsavedMs: number
  readonly calibration: readonly CalibrationFact[]
}

/** Files of earlier versions lack some numbers. */
type SavedFact = Omit<CalibrationFact, LaterNumber> & Partial<Pick<CalibrationFact, LaterNumber>>

type LaterNumber = (typeof laterNumbers)[number]

const laterNumbers = ['outputDeviation', 'textBytes', 'mediaSamples'] as const

/** Of the calls that a file without a number of bytes was learnt from. */
const usualTextBytes = 20_000

const version = 1
const maxDelayMs = 2000

/** Writing may take a hundredth of the time, and this long at once after a time without writes, in milliseconds. */
const writingShare = 0.01
const maxBurstMs = 50

/** The shortest time after a write that counts as unsaved, in milliseconds: a busy event loop may delay the next one. */
const minUnsavedMs = 100

/** What a write counts at least, in milliseconds: a burst is at most 51 writes. */
const minCostMs = 1

/** A model whose last call was earlier than this before the last write was idle, and has nothing unsaved. */
const busyMs = 1000

export class LimitsFile {
  readonly #parts: LimitsFileParts
  readonly #file: StateFile
  #stopTimer: (() => void) | undefined
  #writing: Promise<void> = Promise.resolve()
  #unfinishedSaves = 0
  /** Something has changed since the last save began. */
  #hasNews = false
  /** How long writing may take before it has to pause, as of `#budgetAtMs`. Below 0: it pauses. */
  #budgetMs = maxBurstMs
  #budgetAtMs: number
  #lastWriteMs = 10
  /** Another gateway keeps the file. */
  #isInUse = false

  constructor(parts: LimitsFileParts) {
    this.#parts = parts
    this.#file = new StateFile(parts.directory, 'limits.json', { hold: parts.hold })
    this.#budgetAtMs = parts.now()
  }

  /** Takes up what the last process left. Before the first call. */
  load(): LoadFact {
    const pid = this.#file.claim()
    this.#isInUse = pid !== undefined
    if (pid !== undefined) return { kind: 'in_use', pid, directory: this.#parts.directory }
    const read = readValue(this.#file, { current: version })
    if (read.kind === 'absent') return read
    const saved = read.kind === 'read' ? parse(read.value) : read.reason
    if (typeof saved === 'string') return { kind: 'unreadable', reason: `${this.#file.path} ${saved}` }
    this.#parts.calibration.restore(saved.calibration)
    const sinceMs = this.#parts.wallNow() - saved.savedAtMs
    if (sinceMs >= windowMs) return { kind: 'stale', ageMs: sinceMs }
    // Either reading of the wall clock may be short by up to a millisecond.
    const byMs = Math.max(0, sinceMs - 1)
    const models = aged(withUnsaved(saved.models, saved.unsavedMs), byMs)
    const clients = aged(withUnsaved(saved.clients, saved.unsavedMs), byMs)
    this.#parts.store.restore({ models, clients }, this.#parts.now())
    if (sinceMs < 0) return { kind: 'future_dated', models: models.length, aheadMs: -sinceMs }
    return { kind: 'restored', models: models.length, ageMs: sinceMs }
  }

  /** Something changed: it will be in the file soon, within 2 s at most. */
  touch(): void {
    if (this.#isInUse) return
    if (this.#unfinishedSaves > 0) this.#hasNews = true
    else this.#stopTimer ??= this.#parts.setTimer(() => void this.#save(), this.#delayMs())
  }

  /** From now on a process that replaces this one may take the file over; until then this one goes on writing. */
  offer(): void {
    this.#file.offer()
  }

  /** Writes once more, and waits until that is done. */
  async stop(): Promise<void> {
    this.#stopTimer?.()
    if (this.#isInUse) return
    await this.#save({ isLast: true })
    this.#file.release()
  }

  /** Until the budget is above 0 again. */
  #delayMs(): number {
    this.#refillBudget()
    return Math.min(maxDelayMs, Math.max(0, -this.#budgetMs / writingShare))
  }

  #refillBudget(): void {
    const nowMs = this.#parts.now()
    this.#budgetMs = Math.min(maxBurstMs, this.#budgetMs + (nowMs - this.#budgetAtMs) * writingShare)
    this.#budgetAtMs = nowMs
  }

  /** One write after the other, each with the state of its own time. */
  #save({ isLast } = { isLast: false }): Promise<void> {
    this.#stopTimer = undefined
    this.#unfinishedSaves += 1
    this.#writing = this.#writing.then(async () => {
      const { now, onFault } = this.#parts
      const startedAtMs = now()
      this.#hasNews = false
      await this.#write(isLast ? 0 : this.#nextWriteMs()).catch(onFault)
      this.#unfinishedSaves -= 1
      this.#refillBudget()
      this.#lastWriteMs = Math.max(minCostMs, now() - startedAtMs)
      this.#budgetMs -= this.#lastWriteMs
      if (this.#hasNews && this.#unfinishedSaves === 0) this.touch()
    })
    return this.#writing
  }

  /** From the beginning of a write until the one after it will be complete, as far as can be foreseen. */
  #nextWriteMs(): number {
    this.#budgetMs -= this.#lastWriteMs
    const delayMs = this.#delayMs()
    this.#budgetMs += this.#lastWriteMs
    return Math.max(minUnsavedMs, Math.ceil(delayMs + 2 * this.#lastWriteMs))
  }

  async #write(unsavedMs: number): Promise<void> {
    if (this.#file.isOfAnother) return
    const { store, calibration, now, wallNow } = this.#parts
    const { models, clients } = store.dump(now())
    const saved: Saved & { version: number } = {
      version,
      savedAtMs: wallNow(),
      unsavedMs,
      models: models.map(rounded),
      clients: clients.map(rounded),
      calibration: calibration.describe(),
    }
    await this.#file.replace(JSON.stringify(saved))
  }
}

interface SavedWindow {
  readonly entries: readonly SavedEntry[]
}

/** Ages in whole milliseconds, rounded to younger: an entry may leave late, never early. */
function rounded<Saved extends SavedWindow>({ entries, ...of }: Saved): Saved {
  const whole = entries.map(([ageMs, ...amounts]): SavedEntry => [Math.floor(ageMs), ...amounts])
  return { ...of, entries: whole } as unknown as Saved
}

/** Adds what may have been admitted after the last write: as much as in the busiest time of that length before it. */
function withUnsaved<Saved extends SavedWindow>(windows: readonly Saved[], unsavedMs: number): Saved[] {
  return windows.map((saved) => {
    const { entries } = saved
    const [newestAgeMs] = entries.at(-1) ?? [Infinity]
    if (unsavedMs === 0 || newestAgeMs > busyMs) return saved
    return { ...saved, entries: [...entries, busiest(entries, unsavedMs)] }
  })
}

/** The most requests and the most tokens within any `spanMs`, as an entry of now. */
function busiest(entries: readonly SavedEntry[], spanMs: number): SavedEntry {
  let first = 0
  let [requests, tokens, mostRequests, mostTokens] = [0, 0, 0, 0]
  for (const [ageMs, entryRequests, entryTokens] of entries) {
    requests += entryRequests
    tokens += entryTokens
    for (let oldest = entries[first]!; oldest[0] > ageMs + spanMs; oldest = entries[++first]!) {
      requests -= oldest[1]
      tokens -= oldest[2]
    }
    mostRequests = Math.max(mostRequests, requests)
    mostTokens = Math.max(mostTokens, tokens)
  }
  return [0, mostRequests, mostTokens]
}

function aged<Saved extends SavedWindow>(windows: readonly Saved[], byMs: number): Saved[] {
  return windows
    .map((saved) => ({
      ...saved,
      entries: saved.entries
        .map(([ageMs, ...amounts]): SavedEntry => [ageMs + byMs, ...amounts])
        .filter(([ageMs]) => ageMs < windowMs),
    }))
    .filter(({ entries }) => entries.length > 0)
}

/** What is in the file, checked; or what is wrong with it: a predicate. */
function parse(value: Readonly<Record<string, unknown>>): Saved | string {
  // Files of earlier versions do not say how they were left.
  const { savedAtMs, unsavedMs = 0, models, clients = [], calibration } = value
  if (!isAmount(savedAtMs)) return 'has no time of saving'
  if (!isAmount(unsavedMs)) return 'has a malformed time without saving'
  if (!Array.isArray(models) || !models.every(isSavedModel)) return 'has malformed entries'
  if (!Array.isArray(clients) || !clients.every(isSavedClient)) return 'has malformed entries of clients'
  if (!Array.isArray(calibration) || !calibration.every(isSavedFact)) return 'has a malformed calibration'
  return { savedAtMs, unsavedMs, models, clients, calibration: calibration.map(withLaterNumbers) }
}

function isSavedModel(value: unknown): value is SavedModel {
  return isObject(value) && typeof value['model'] === 'string' && areSavedEntries(value['entries'])
}

function isSavedClient(value: unknown): value is SavedClient {
  return isObject(value) && typeof value['client'] === 'string' && areSavedEntries(value['entries'])
}

function areSavedEntries(entries: unknown): entries is SavedEntry[] {
  if (!Array.isArray(entries)) return false
  let lastAgeMs = Infinity
  return entries.every((entry: unknown) => {
    if (!Array.isArray(entry) || entry.length !== 3 || !entry.every(isCount)) return false
    const [ageMs = 0] = entry
    const isInOrder = ageMs <= lastAgeMs
    lastAgeMs = ageMs
    return isInOrder
  })
}

/** What files of earlier versions lack. A deviation is what a single sample would give. */
function withLaterNumbers(fact: SavedFact): CalibrationFact {
  const { outputTokens, outputDeviation = outputTokens / 2 } = fact
  const { textBytes = usualTextBytes, mediaSamples = 0 } = fact
  return { ...fact, outputDeviation, textBytes, mediaSamples }
}

function isSavedFact(value: unknown): value is SavedFact {
  if (!isObject(value) || typeof value['model'] !== 'string' || typeof value['provider'] !== 'string')
    return false
  const numbers = ['tokensPerByte', 'error', 'tokensPerMedia', 'outputTokens', 'samples']
  return (
    numbers.every((name) => isAmount(value[name])) &&
    laterNumbers.every((name) => value[name] === undefined || isAmount(value[name]))
  )
}
