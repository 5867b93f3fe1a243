// Carries the counters and what was learnt over a restart: one JSON file, replaced whole, at most 2 s behind.
//
// It is a convenience, not a database: where it cannot be written, calls go on and the fault is reported; where it
// cannot be read, the gateway starts with empty windows. Nothing is synced to disk: after a power cut there is no burst
// to hold back. Times in it are ages, so that clock steps while the process ran mean nothing.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isObject, parseJson } from '../bytes/json/parse.ts'
import type { SetTimer } from '../platform/clock.ts'
import type { Calibration, CalibrationFact } from './estimate.ts'
import type { MemoryStore, SavedModel } from './stores/memory.ts'
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
  /** Told of each failed write. */
  readonly onFault: (cause: unknown) => void
}

interface Saved {
  readonly savedAtMs: number
  readonly models: readonly SavedModel[]
  readonly calibration: readonly CalibrationFact[]
}

type SavedFact = Omit<CalibrationFact, 'outputDeviation'> & { readonly outputDeviation?: number }

const version = 1
const saveEveryMs = 2000

export class LimitsFile {
  readonly #parts: LimitsFileParts
  readonly #path: string
  #stopTimer: (() => void) | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(parts: LimitsFileParts) {
    this.#parts = parts
    this.#path = join(parts.directory, 'limits.json')
  }

  /** Takes up what the last process left. Before the first call; never rejects. */
  async load(): Promise<LoadFact> {
    let text: string
    try {
      text = await readFile(this.#path, 'utf8')
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'absent' }
      return { kind: 'unreadable', reason: String(cause) }
    }
    const saved = parse(text)
    if (typeof saved === 'string') return { kind: 'unreadable', reason: saved }
    this.#parts.calibration.restore(saved.calibration)
    const sinceMs = this.#parts.wallNow() - saved.savedAtMs
    if (sinceMs >= windowMs) return { kind: 'stale', ageMs: sinceMs }
    // Either reading of the wall clock may be short by up to a millisecond.
    const models = aged(saved.models, Math.max(0, sinceMs - 1))
    this.#parts.store.restore(models, this.#parts.now())
    if (sinceMs < 0) return { kind: 'future_dated', models: models.length, aheadMs: -sinceMs }
    return { kind: 'restored', models: models.length, ageMs: sinceMs }
  }

  /** Something changed: it will be in the file within 2 s. */
  touch(): void {
    this.#stopTimer ??= this.#parts.setTimer(() => void this.#save(), saveEveryMs)
  }

  /** Writes once more, and waits until that is done. */
  async stop(): Promise<void> {
    this.#stopTimer?.()
    await this.#save()
  }

  /** One write after the other, each with the state of its own time. */
  #save(): Promise<void> {
    this.#stopTimer = undefined
    this.#writing = this.#writing.then(() => this.#write()).catch(this.#parts.onFault)
    return this.#writing
  }

  async #write(): Promise<void> {
    const { directory, store, calibration, now, wallNow } = this.#parts
    const saved: Saved & { version: number } = {
      version,
      savedAtMs: wallNow(),
      models: store.dump(now()).map(rounded),
      calibration: calibration.describe(),
    }
    const temporary = `${this.#path}.tmp`
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await writeFile(temporary, JSON.stringify(saved), { mode: 0o600 })
    await rename(temporary, this.#path)
  }
}

/** Ages in whole milliseconds, rounded to younger: an entry may leave late, never early. */
function rounded({ model, entries }: SavedModel): SavedModel {
  return { model, entries: entries.map(([ageMs, ...amounts]) => [Math.floor(ageMs), ...amounts]) }
}

function aged(models: readonly SavedModel[], byMs: number): SavedModel[] {
  return models
    .map(({ model, entries }) => ({
      model,
      entries: entries
        .map(([ageMs, ...amounts]): SavedEntry => [ageMs + byMs, ...amounts])
        .filter(([ageMs]) => ageMs < windowMs),
    }))
    .filter(({ entries }) => entries.length > 0)
}

/** What is in the file, checked; or what is wrong with it. */
function parse(text: string): Saved | string {
  const value = parseJson(text)
  if (value === undefined) return 'not JSON: cut off?'
  if (!isObject(value)) return 'not an object'
  if (value['version'] !== version) return `version ${JSON.stringify(value['version'])}, not ${version}`
  const { savedAtMs, models, calibration } = value
  if (!isAmount(savedAtMs)) return 'no time of saving'
  if (!Array.isArray(models) || !models.every(isSavedModel)) return 'malformed entries'
  if (!Array.isArray(calibration) || !calibration.every(isSavedFact)) return 'malformed calibration'
  return { savedAtMs, models, calibration: calibration.map(withDeviation) }
}

function isSavedModel(value: unknown): value is SavedModel {
  if (!isObject(value) || typeof value['model'] !== 'string' || !Array.isArray(value['entries'])) return false
  let lastAgeMs = Infinity
  return value['entries'].every((entry: unknown) => {
    if (!Array.isArray(entry) || entry.length !== 3 || !entry.every(isCount)) return false
    const [ageMs = 0] = entry
    const isInOrder = ageMs <= lastAgeMs
    lastAgeMs = ageMs
    return isInOrder
  })
}

/** Files of earlier versions have none; what a single sample would give takes its place. */
function withDeviation(fact: SavedFact): CalibrationFact {
  return { ...fact, outputDeviation: fact.outputDeviation ?? fact.outputTokens / 2 }
}

function isSavedFact(value: unknown): value is SavedFact {
  if (!isObject(value) || typeof value['model'] !== 'string' || typeof value['provider'] !== 'string')
    return false
  const numbers = ['tokensPerByte', 'error', 'tokensPerMedia', 'outputTokens', 'samples']
  const deviation = value['outputDeviation']
  return numbers.every((name) => isAmount(value[name])) && (deviation === undefined || isAmount(deviation))
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function isCount(value: unknown): value is number {
  return isAmount(value) && Number.isSafeInteger(value)
}
