// What happened in a period besides calls: who was refused, what was changed, what the process went through.
import { MinuteCounts, NamedCounts } from './counts.ts'

/** Something that was changed, or that happened to the process. */
export interface Change {
  readonly atMs: number
  /** `config_reloaded`. */
  readonly event: string
  readonly detail: string
}

/** Lines of one event that are warnings or errors, and are about neither a call nor a refusal. */
export interface Trouble {
  readonly event: string
  readonly level: 'ERROR' | 'WARN'
  count: number
  lastMs: number
  reason: string | null
}

/** Changes that are listed; the others are counted. */
const maxChanges = 1_000

export class AccessTally {
  readonly #refusals = new Map<string, NamedCounts>()
  readonly #changes: Change[] = []
  readonly #troubles = new Map<string, Trouble>()
  unlistedChanges = 0
  /** By code. */
  readonly refused = new MinuteCounts()
  /** Of all of the process, under one name. */
  readonly workerEnds = new MinuteCounts()
  readonly peersUnreadable = new MinuteCounts()
  readonly reloadsRefused = new MinuteCounts()
  readonly budgetsSpent = new MinuteCounts()
  readonly budgetsNearlySpent = new MinuteCounts()

  refuse(code: string, client: string, atMs: number, count: number): void {
    let clients = this.#refusals.get(code)
    if (clients === undefined) {
      clients = new NamedCounts()
      this.#refusals.set(code, clients)
    }
    clients.add(client, count)
    this.refused.add(code, atMs, count)
  }

  change(change: Change): void {
    if (this.#changes.length < maxChanges) this.#changes.push(change)
    else this.unlistedChanges += 1
  }

  trouble({
    event,
    level,
    atMs,
    reason,
  }: Omit<Trouble, 'count' | 'lastMs'> & { readonly atMs: number }): void {
    const known = this.#troubles.get(event)
    if (known === undefined) {
      this.#troubles.set(event, { event, level, count: 1, lastMs: atMs, reason })
      return
    }
    known.count += 1
    if (atMs < known.lastMs) return
    known.lastMs = atMs
    known.reason = reason ?? known.reason
  }

  /** Errors first, then the most. */
  troubles(): Trouble[] {
    return [...this.#troubles.values()].toSorted((one, other) =>
      one.level < other.level ? -1 : one.level > other.level ? 1 : other.count - one.count,
    )
  }

  /** The most first. */
  refusals(): {
    readonly code: string
    readonly requests: number
    readonly clients: (readonly [string, number])[]
  }[] {
    return [...this.#refusals]
      .map(([code, clients]) => ({ code, requests: clients.total, clients: clients.sorted() }))
      .toSorted((one, other) => other.requests - one.requests || (one.code < other.code ? -1 : 1))
  }

  changes(): readonly Change[] {
    return this.#changes
  }
}
