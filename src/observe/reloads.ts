// How the loads of the configuration went: for conditions, metrics and the status page.
import type { GatewayEvent, Sink } from './events.ts'

/** A load after the one at the start. */
export interface Reload {
  /** Milliseconds since 1970. */
  readonly atMs: number
  readonly isRefused: boolean
  /** Of a refused file, for people. */
  readonly problems: readonly string[]
  /** Keys of the file that changed and that only a restart applies. */
  readonly needsRestart: readonly string[]
}

export class Reloads implements Sink {
  readonly name = 'reloads'
  readonly wants = isReload
  readonly #wallNow: () => number
  /** When the configuration in force was loaded, in milliseconds since 1970. */
  loadedAtMs: number
  /** Undefined: there was none. */
  latest: Reload | undefined

  /** @param wallNow milliseconds since 1970. */
  constructor(wallNow: () => number) {
    this.#wallNow = wallNow
    this.loadedAtMs = wallNow()
  }

  get isLastRefused(): boolean {
    return this.latest?.isRefused === true
  }

  receive(event: GatewayEvent): void {
    const { kind } = event
    if (kind === 'reloaded') {
      this.loadedAtMs = this.#wallNow()
      const needsRestart = event.needs_restart
      this.latest = { atMs: this.loadedAtMs, isRefused: false, problems: [], needsRestart }
    } else if (kind === 'reload_refused') {
      const { problems } = event
      this.latest = { atMs: this.#wallNow(), isRefused: true, problems, needsRestart: [] }
    }
  }
}

function isReload(kind: GatewayEvent['kind']): boolean {
  return kind === 'reloaded' || kind === 'reload_refused'
}
