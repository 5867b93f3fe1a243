// The machines that share limits, as this one shows them: who is there, what they use, what they have recorded.
import type { Allotments } from '../../admission/stores/valkey/allotments.ts'
import type { StoreConnection } from '../../admission/stores/valkey/connection.ts'
import { leaseMs } from '../../admission/stores/valkey/exchange.ts'
import { storeKey } from '../../admission/stores/valkey/keys.ts'
import { windowMs } from '../../admission/sliding-window.ts'
import type { SharedStore } from '../../config/store-types.ts'
import type { UsageAnswer } from '../../ledger/ledger.ts'
import type { UsageQuestion } from '../../ledger/report.ts'
import type { Clock } from '../../platform/clock.ts'
import type { MachineRow, MachineUse, SharedStoreReport } from '../../status/shared-store.ts'
import { shownOrNull } from '../../status/shown-text.ts'
import { type Conflict, conflictsOf, LimitDifferences } from './conflicts.ts'
import { type Member, readMembers } from './members.ts'
import type { SharedSetting } from './shared-settings.ts'
import { byHost, namesOf, placeNameOf, UsageOfAll } from './usage-of-all.ts'

export interface MachinesParts {
  readonly connection: Pick<StoreConnection, 'fault' | 'isUp' | 'joined' | 'run'>
  readonly allotments: Pick<Allotments, 'scopeKeys'>
  readonly settings: Pick<SharedStore, 'members' | 'prefix' | 'whenUnavailable'>
  /** Of this machine, in force. */
  readonly limitSettings: () => readonly SharedSetting[]
  readonly member: string
  readonly host: string
  readonly clock: Pick<Clock, 'now' | 'setTimer'>
  /** By the names of clients, where the ledger has pseudonyms. */
  readonly readUsage: (question: UsageQuestion) => Promise<UsageAnswer>
  readonly onBug: (error: unknown) => void
}

/** Whoever looks more often gets the same answer. */
const freshMs = 1_000
/** More are not shown. */
const maxUses = 200

/** A machine that is to be forgotten. */
export type Forgotten =
  /** @param budgets of which it has given up something. */
  | { readonly kind: 'forgotten'; readonly name: string; readonly budgets: number }
  /** For people. */
  | { readonly kind: 'refused'; readonly message: string }

export class Machines {
  readonly usage: UsageOfAll
  readonly #parts: MachinesParts
  readonly #differences: LimitDifferences
  #look: { readonly atMs: number; readonly members: Promise<readonly Member[]> } | undefined
  #last: readonly Member[] = []
  #heardAtMs = -Infinity

  constructor(parts: MachinesParts) {
    this.#parts = parts
    const { connection, settings, member, host, clock, readUsage, onBug } = parts
    this.#differences = new LimitDifferences(clock.now)
    this.usage = new UsageOfAll({
      connection,
      prefix: settings.prefix,
      member,
      host,
      clock,
      readUsage,
      onBug,
      members: () => this.#read(),
    })
  }

  /** Whether the store can be reached now. */
  get isUp(): boolean {
    return this.#parts.connection.isUp
  }

  /** While the store is away: as last heard. Never rejects. */
  async report(): Promise<SharedStoreReport> {
    const { connection, settings } = this.#parts
    this.#last = await this.#read().catch(() => this.#lastHeard())
    const { isUp, fault, joined } = connection
    const machines = this.#rows()
    return {
      up: isUp,
      fault: shownOrNull(fault),
      server: shownOrNull(joined?.version),
      in_force: isUp ? 'all' : settings.whenUnavailable,
      members: settings.members,
      here: machines.filter(({ state }) => state === 'here').length,
      machines,
      conflicts: isUp ? this.#conflicts(this.#last).map(({ message }) => message) : [],
    }
  }

  /** What keeps those that are there from counting together. @throws StoreFault */
  async conflicts(): Promise<readonly Conflict[]> {
    const { connection, settings } = this.#parts
    return this.#conflicts(await readMembers(connection, settings.prefix, []))
  }

  #conflicts(members: readonly Member[]): Conflict[] {
    const places = [...Map.groupBy(members, placeNameOf)]
    const names = namesOf(places.map(([, [first]]) => first!))
    const byPlace = new Map(places.map(([place], index) => [place, names[index]!]))
    const nameOf = (member: Member) => byPlace.get(placeNameOf(member))!
    const differences = this.#differences.conflicts(members, this.#parts.limitSettings(), nameOf)
    return [...conflictsOf(members, nameOf), ...differences]
  }

  /**
   * Gives up what a machine holds of budgets and will not use, because it is gone for good.
   * @param name of a machine, or its id.
   * @throws StoreFault
   */
  async forget(name: string): Promise<Forgotten> {
    const { connection, settings } = this.#parts
    this.#last = await readMembers(connection, settings.prefix, [])
    const rows = this.#rows()
    const found = rows.filter((row) => row.name === name || row.id === name)
    const [machine] = found
    if (machine === undefined) {
      // One that was not there for a day is known by its id alone.
      if (/^[0-9a-f]{24}$/.test(name)) return this.#forget(name, name)
      const names = rows.map((row) => row.name).join(', ')
      const message = `there is no machine ${JSON.stringify(name)}; of the last day there are ${names}. Name one that is gone for longer by its id, which its state directory has in the file machine.`
      return { kind: 'refused', message }
    }
    if (found.length > 1) return { kind: 'refused', message: `several are called ${name}; name it by its id` }
    return this.#forget(machine.id, machine.name)
  }

  async #forget(machine: string, name: string): Promise<Forgotten> {
    const { connection, settings, clock } = this.#parts
    const { prefix } = settings
    const keys = [storeKey(prefix, 'epoch'), storeKey(prefix, 'members')]
    // A prefix has nothing in it that has a meaning in patterns.
    const pattern = storeKey(prefix, 's', 'b', '*')
    const untilMs = clock.now() + forgetMs
    let budgets = 0
    for (let cursor = '0'; clock.now() < untilMs;) {
      const reply = await connection.run('forget', keys, [machine, cursor, pattern, leaseMs], forgetTimeoutMs)
      if (reply.isAlive) return { kind: 'refused', message: `a gateway of ${name} is there; stop it first` }
      budgets += reply.changed
      cursor = reply.cursor
      if (cursor === '0') return { kind: 'forgotten', name, budgets }
    }
    const message = `the store has not come to the end of its keys within ${forgetMs / 1000} seconds; ${budgets} budgets of ${name} were given up until then. Give the gateways a database, or a server, of their own`
    return { kind: 'refused', message }
  }

  /** Without what was used when they were heard of and has left its window since. */
  #lastHeard(): readonly Member[] {
    const isOver = this.#parts.clock.now() - this.#heardAtMs >= windowMs + leaseMs
    return isOver ? this.#last.map((member) => ({ ...member, uses: [] })) : this.#last
  }

  /** At most once a second. @throws StoreFault */
  #read(): Promise<readonly Member[]> {
    const { clock, connection, settings, allotments } = this.#parts
    const nowMs = clock.now()
    if (this.#look === undefined || nowMs - this.#look.atMs >= freshMs) {
      const members = readMembers(connection, settings.prefix, allotments.scopeKeys())
      this.#look = { atMs: nowMs, members }
      members.then(
        () => (this.#heardAtMs = nowMs),
        () => (this.#look = undefined),
      )
    }
    return this.#look.members
  }

  /** One for each machine: this one first, then by name. */
  #rows(): MachineRow[] {
    const { member, host } = this.#parts
    const ownMachine = member.slice(0, member.indexOf('.'))
    const isThis = (each: Member) => each.machine === ownMachine && each.host === host
    const groups = [...Map.groupBy(this.#last, placeNameOf).values()]
    const sorted = groups.toSorted(
      ([one], [other]) => Number(isThis(other!)) - Number(isThis(one!)) || byHost(one!, other!),
    )
    const names = namesOf(sorted.map(([first]) => first!))
    return sorted.map((group, index) => {
      const newest = group.find(({ state }) => state === 'here') ?? group[0]!
      return {
        name: names[index]!,
        id: newest.machine,
        version: newest.version,
        state: newest.state,
        is_this: isThis(newest),
        since: newest.sinceMs === undefined ? null : new Date(newest.sinceMs).toISOString(),
        last_seen: new Date(newest.seenMs).toISOString(),
        uses: usesOf(group),
      }
    })
  }
}

const forgetTimeoutMs = 2_000
/** Of all steps together, 200 keys each: some ten millions. */
const forgetMs = 60_000

/** Of all processes of a machine together. */
function usesOf(group: readonly Member[]): MachineUse[] {
  const uses = new Map<string, MachineUse>()
  for (const use of group.flatMap((member) => member.uses)) {
    const { kind, name } = use
    const known = uses.get(`${kind}:${name}`)
    uses.set(`${kind}:${name}`, {
      kind,
      name,
      requests: use.requests + (known?.requests ?? 0),
      tokens: use.tokens + (known?.tokens ?? 0),
      parallel: use.parallel + (known?.parallel ?? 0),
    })
  }
  return [...uses.values()].slice(0, maxUses)
}
