// Machines that are there and do not count together, though they share a store: one's state directory is a copy of another's, or the days
// of their budgets begin at different times.
import type { StoreConnection } from '../../admission/stores/valkey/connection.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Events } from '../../observe/events.ts'
import type { Member } from './members.ts'

/** Of a few machines. */
export interface Conflict {
  readonly of: 'machine_id' | 'time_zone'
  /** For people. */
  readonly message: string
}

/** More names are not listed. */
const maxNamed = 8

/** @param nameOf what a member's machine is called. */
export function conflictsOf(members: readonly Member[], nameOf: (member: Member) => string): Conflict[] {
  const here = members.filter(({ state }) => state === 'here')
  return [...copiesAmong(here, nameOf), ...zonesAmong(here, nameOf)]
}

/**
 * Processes that follow one another have the same host and the same place, and so have two of one state directory, of which the
 * second is told that it is the second.
 */
function copiesAmong(here: readonly Member[], nameOf: (member: Member) => string): Conflict[] {
  return [...Map.groupBy(here, ({ machine }) => machine)].flatMap(([id, group]) => {
    // An older version does not say its place.
    const places = new Set(group.map(({ place }) => place).filter((place) => place !== undefined))
    const count = Math.max(places.size, new Set(group.map(({ host }) => host)).size)
    if (count < 2) return []
    const message =
      `${count} gateways have the same machine id, ${id} (${listed(group.map(nameOf))}): a state directory was copied. They count as ` +
      'one machine, so what one of them spends of budgets is missing. Give each a state directory of its own.'
    return [{ of: 'machine_id', message }]
  })
}

function zonesAmong(here: readonly Member[], nameOf: (member: Member) => string): Conflict[] {
  const zones = Map.groupBy(
    here.filter(({ timeZone }) => timeZone !== undefined),
    ({ timeZone }) => timeZone!,
  )
  if (zones.size < 2) return []
  const sorted = [...zones].toSorted(([one], [other]) => (one < other ? -1 : 1)).slice(0, maxNamed)
  const each = sorted.map(([zone, group]) => `${zone} (${listed(group.map(nameOf))})`)
  const message =
    `budgets.time_zone is not the same on all machines: ${each.join(', ')}. Budgets whose days begin at different times are not ` +
    'shared. Write the same one everywhere.'
  return [{ of: 'time_zone', message }]
}

function listed(names: readonly string[]): string {
  const all = [...new Set(names)].toSorted()
  const rest = all.length - maxNamed
  return [...all.slice(0, maxNamed), ...(rest > 0 ? [`${rest} more`] : [])].join(', ')
}

export interface ConflictWatchParts {
  readonly connection: Pick<StoreConnection, 'isUp'>
  readonly events: Pick<Events, 'emit'>
  readonly setTimer: Clock['setTimer']
  /** Undefined: nobody can be asked yet. */
  readonly look: () => Promise<readonly Conflict[] | undefined>
}

/** Looks for conflicts while the gateway runs, and reports each once, and when there is none any more. */
export class ConflictWatch {
  readonly #parts: ConflictWatchParts
  #reported = ''
  #isStopped = false
  #cancel: () => void

  constructor(parts: ConflictWatchParts) {
    this.#parts = parts
    this.#cancel = parts.setTimer(() => void this.#watch(), firstLookMs)
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel()
  }

  /** Never rejects: what cannot be looked at now is looked at later. */
  async #watch(): Promise<void> {
    const { connection, look, setTimer } = this.#parts
    const found = connection.isUp ? await look().catch(() => undefined) : undefined
    if (this.#isStopped) return
    if (found !== undefined) this.#report(found)
    this.#cancel = setTimer(() => void this.#watch(), lookEveryMs)
  }

  #report(found: readonly Conflict[]): void {
    const { events } = this.#parts
    const reason = found.map(({ message }) => message).join(' ')
    if (reason === this.#reported) return
    this.#reported = reason
    events.emit(reason === '' ? { kind: 'machines_agree' } : { kind: 'machines_in_conflict', reason })
  }
}

/** After its predecessor in a restart has gone, in most cases. */
const firstLookMs = 2_000
const lookEveryMs = 10_000
