// How the last load of the configuration went, after the one at the start.
import type { GatewayEvent, Sink } from '../observe/events.ts'
import { shownText } from './shown-text.ts'
import type { ReloadState } from './status-report.ts'

const maxProblems = 20

export class ReloadNews implements Sink {
  readonly name = 'reloads'
  readonly #wallNow: () => number
  #latest: ReloadState | null = null

  /** @param wallNow milliseconds since 1970. */
  constructor(wallNow: () => number) {
    this.#wallNow = wallNow
  }

  /** Null: there was none. */
  get latest(): ReloadState | null {
    return this.#latest
  }

  receive(event: GatewayEvent): void {
    if (event.kind === 'reloaded') this.#keep(true, [], event.needs_restart)
    else if (event.kind === 'reload_refused') this.#keep(false, event.problems, [])
  }

  #keep(ok: boolean, problems: readonly string[], needsRestart: readonly string[]): void {
    this.#latest = {
      at: new Date(this.#wallNow()).toISOString(),
      ok,
      problems: problems.slice(0, maxProblems).map(shownText),
      needs_restart: [...needsRestart],
    }
  }
}
