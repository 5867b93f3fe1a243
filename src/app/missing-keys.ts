// Reports that no key is valid because a file is missing: at once, and again each minute while it stays so.
import type { Events } from '../observe/events.ts'
import type { NamedTimers } from '../platform/named-timers.ts'

export interface MissingKeys {
  /** The one that is missing. */
  readonly file: string
  /** Keys are shared, and some were in force: another list than before has to be published. */
  readonly is_shared?: true
  /** Keys are optional, and none was in force since the start. */
  readonly is_usual?: true
}

const repeatMs = 60_000

export class MissingKeyReports {
  readonly #events: Events
  readonly #timers: Pick<NamedTimers<'missing'>, 'cancel' | 'isPending' | 'set'>
  readonly #find: () => MissingKeys | undefined

  /** @param find what is missing now; undefined: nothing. */
  constructor(
    events: Events,
    timers: Pick<NamedTimers<'missing'>, 'cancel' | 'isPending' | 'set'>,
    find: () => MissingKeys | undefined,
  ) {
    this.#events = events
    this.#timers = timers
    this.#find = find
  }

  /** Reports what is missing, unless that was done within a minute. */
  look(): void {
    if (this.#timers.isPending('missing')) return
    const missing = this.#find()
    if (missing === undefined) return
    this.#events.emit({ kind: 'keys_missing', ...missing })
    this.#timers.set('missing', () => this.look(), repeatMs)
  }

  /** The file is there: if it is missing later, that is reported at once. */
  end(): void {
    this.#timers.cancel('missing')
  }
}
