// The notifier of a process: what it reads of the parts that calls share.
import { hostname } from 'node:os'
import type { BudgetState } from '../admission/budget.ts'
import { budgetName, plainAmount } from '../admission/budget-error.ts'
import type { LocalCoordinator } from '../call/local-coordinator.ts'
import type { ProviderConfig } from '../config/provider-types.ts'
import type { Config } from '../config/types.ts'
import type { EventFacts } from '../observe/alerts/event-facts.ts'
import type { GatewayState } from '../observe/alerts/gateway-state.ts'
import { Notifier } from '../observe/alerts/notifier.ts'
import type { Events } from '../observe/events.ts'
import type { CounterReader } from '../observe/metrics/counters.ts'
import type { Reloads } from '../observe/reloads.ts'
import type { Clock } from '../platform/clock.ts'
import type { FailureKind } from '../domain.ts'
import type { Outage } from '../routing/target-health.ts'
import type { ServiceState } from '../upstream/services/services.ts'
import type { Pseudonyms } from '../vault/pseudonyms.ts'
import { pseudonymsOf, scopeNamed } from './pseudonyms.ts'

export interface AlertsParts {
  readonly clock: Clock
  readonly events: Events
  /** Undefined: nothing is counted, so that only states are looked at. */
  readonly counts: { readonly registry: CounterReader } | undefined
  readonly facts: EventFacts
  readonly reloads: Reloads
  readonly coordinator: LocalCoordinator
  readonly describeServices: () => readonly ServiceState[]
  readonly stateDirectory: string | undefined
}

/** What needs a person, and the messages about it. One in a process, in the thread that owns what calls share. */
export class Alerts {
  readonly #notifier: Notifier
  /** With the address of each; undefined: it is inside the gateway. */
  #providers: readonly (readonly [name: string, address: string | undefined])[] = []
  #standings: { readonly atMs: number; readonly list: GatewayState['budgets'] } = {
    atMs: -Infinity,
    list: [],
  }

  constructor(config: Pick<Config, 'usage'>, parts: AlertsParts) {
    const { clock, events, counts, facts, reloads, coordinator, describeServices, stateDirectory } = parts
    const pseudonyms = pseudonymsOf(config.usage)
    this.#notifier = new Notifier({
      clock,
      counters: counts?.registry ?? noCounters,
      emit: (event) => events.emit(event),
      stateDirectory,
      host: hostname(),
      stateOf: (): GatewayState => ({
        providers: this.#providers.map(([name, address]) => {
          const found = coordinator.health.outageOf(name, clock.now())
          const [outage, outageThere] = [found && outageText(found), found && outageText(found, address)]
          return { name, outage, outageThere, isHealthy: facts.isHealthy(name) }
        }),
        services: describeServices(),
        reload: { isRefused: reloads.isLastRefused, problems: reloads.latest?.problems.length ?? 0 },
        degraded: facts.degraded(clock.now()),
        budgets: this.#budgets(clock.now(), () =>
          coordinator.admission.budgets.standings().map((state) => standingOf(state, pseudonyms)),
        ),
      }),
    })
  }

  follow({ notify, providers, status }: Pick<Config, 'notify' | 'providers' | 'status'>): void {
    this.#providers = Array.from(providers.values(), (config) => [config.name, addressOf(config)])
    this.#notifier.follow(notify, status.enabled)
  }

  /** The more there are, the less often they are read: 10,000 every 20 s. */
  #budgets(nowMs: number, read: () => GatewayState['budgets']): GatewayState['budgets'] {
    const { atMs, list } = this.#standings
    if (nowMs - atMs < 2 * list.length) return list
    this.#standings = { atMs: nowMs, list: read() }
    return this.#standings.list
  }

  attention(): ReturnType<Notifier['attention']> {
    return this.#notifier.attention()
  }

  stop(): void {
    this.#notifier.stop()
  }

  saved(): Promise<void> {
    return this.#notifier.saved()
  }
}

const noCounters: CounterReader = { series: () => [] }

/** As states: predicates of the provider. */
const outages: Readonly<Record<Exclude<FailureKind, 'unreachable'>, string>> = {
  auth: 'it refuses the key',
  billing: 'its account is exhausted',
  broken: 'it answers with errors',
  loading: 'it is still loading',
  missing_model: 'it does not have the model',
  not_started: 'its server was not started',
  overloaded: 'it is overloaded',
  rate_limit: 'it limits the rate',
  timeout: 'it does not answer in time',
}

/** @param address of the provider. */
function outageText({ failureKind, cause }: Outage, address = 'it'): string {
  if (failureKind !== 'unreachable') return outages[failureKind]
  return `no connection to ${address} can be made${cause === undefined ? '' : ` (${cause})`}`
}

/** Host and port alone: the rest of a URL may be secret. */
function addressOf(config: ProviderConfig): string | undefined {
  return config.kind === 'echo' ? undefined : new URL(config.origin).host
}

function standingOf(
  { scope, budget, spent, resetsAtMs }: BudgetState,
  pseudonyms: Pseudonyms | undefined,
): GatewayState['budgets'][number] {
  const { name, entry } = pseudonyms === undefined ? scope : scopeNamed(scope, pseudonyms)
  return {
    of: name === 'total' ? 'all clients together' : entry,
    kind: `${budget.unit} per ${budget.per}`,
    budget: budgetName(budget),
    ratio: spent === 0 ? 0 : spent / budget.limit,
    spent: `${plainAmount(budget, spent)} ${budget.unit === 'usd' ? 'USD' : 'tokens'}`,
    resetsAt: resetsAtMs === undefined ? undefined : new Date(resetsAtMs).toISOString(),
  }
}
