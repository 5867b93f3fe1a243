// Assembles the report of the status page, in the main thread: what the owner of limits, health and the ledger knows, and what
// all threads know of their calls. Everything is asked when somebody looks.
import { basename } from 'node:path'
import type { KeyRecord } from '../clients/keys/key-record.ts'
import type { Config } from '../config/types.ts'
import type { UsageAnswer } from '../ledger/ledger.ts'
import type { UsageQuestion } from '../ledger/report.ts'
import type { Reload } from '../observe/reloads.ts'
import type { Clock } from '../platform/clock.ts'
import type { RouteTable } from '../routing/route-table.ts'
import { budgetRow } from '../status/budget-row.ts'
import { type ExplainedName, explainName } from '../status/explained-name.ts'
import { lastFailure } from '../status/last-failure.ts'
import { limitStates } from '../status/limit-states.ts'
import type { OpenCall } from '../status/open-call.ts'
import { failureRows, recentCalls } from '../status/past-rows.ts'
import { isFailing, providerStates } from '../status/provider-states.ts'
import { servedModels } from '../status/served-models.ts'
import { serviceRows } from '../status/service-rows.ts'
import { withTurns } from '../status/service-turns.ts'
import { shownStore } from '../status/shared-store-text.ts'
import { withoutNames } from '../status/shared-store.ts'
import { shownOrNull, shownText } from '../status/shown-text.ts'
import type { ProviderState, StatusReport, Usage } from '../status/status-report.ts'
import type { StatusSource, StatusView } from '../status/status-source.ts'
import { type UsageView, usageOf, usageQuestions } from '../status/usage.ts'
import type { Pseudonyms } from '../vault/pseudonyms.ts'
import { budgetScopesIn } from './budget-scopes.ts'
import { oldestFirst } from './open-calls.ts'
import type { OwnServices } from './own-services.ts'
import { reloadState } from './reload-state.ts'
import type { ThreadLook } from './serving-threads.ts'
import { targetsIn, waitingFor } from './waiting-for.ts'

export interface StatusReporterParts {
  readonly clock: Pick<Clock, 'now' | 'wallNow'>
  readonly version: string
  readonly configFile: string
  readonly services: Pick<OwnServices, 'coordinator' | 'describeStore' | 'discovered' | 'watch'>
  /** By the names of clients, where the ledger has pseudonyms. */
  readonly readUsage: (question: UsageQuestion) => Promise<UsageAnswer>
  readonly pseudonyms: Pseudonyms | undefined
  /** In force. */
  readonly config: () => Config
  readonly keys: () => readonly KeyRecord[]
  readonly routes: () => RouteTable
  /** Of all threads. */
  readonly look: () => Promise<readonly ThreadLook[]>
  readonly workers: () => { readonly wanted: number; readonly running: number }
  readonly isDraining: () => boolean
  readonly reload: () => Reload | undefined
  readonly attention: () => StatusReport['attention']
  readonly cancel: StatusSource['cancel']
}

const maxOpenCalls = 500
const maxBudgets = 100
/** The ledger is read for a view at most this often. */
const usageFreshMs = 5_000
const maxUsageViews = 32

export class StatusReporter implements StatusSource {
  readonly #parts: StatusReporterParts
  readonly #startedAt: string
  #looking: Promise<readonly ThreadLook[]> | undefined
  readonly #usage = new Map<string, { readonly atMs: number; readonly usage: Promise<Usage | null> }>()

  constructor(parts: StatusReporterParts) {
    this.#parts = parts
    this.#startedAt = new Date(parts.clock.wallNow()).toISOString()
  }

  async report(view: StatusView): Promise<StatusReport> {
    const { clock, version, configFile, services, pseudonyms, ...parts } = this.#parts
    const { viewer } = view
    const { sees_all: seesAll } = viewer
    const nowMs = clock.wallNow()
    const config = parts.config()
    const routes = parts.routes()
    const { coordinator } = services
    const ownName = viewer.user === null ? undefined : (pseudonyms?.of(viewer.user) ?? viewer.user)
    const isVisible = ({ client, via }: { readonly client: string; readonly via?: string | undefined }) =>
      seesAll || (ownName !== undefined && (client === ownName || via === ownName))
    const [threads, limits, usage] = await Promise.all([
      this.#look(),
      coordinator.describe(routes.models()),
      this.#usageOf({ ...view, client: seesAll ? undefined : (viewer.user ?? '') }),
    ])
    const looks = threads.map(({ recent }) => recent)
    const calls = oldestFirst(threads.flatMap((thread) => thread.calls)).filter(isVisible)
    const past = {
      isVisible,
      maxCalls: config.status.recentCalls,
      viewUrl: config.tracing.viewUrl,
    }
    const targets = Array.from(config.models.values(), (model) => model.targets).flat()
    const targetsOf = targetsIn(config, routes)
    const providers = providerStates(config.providers, {
      troubleOf: (name) => coordinator.health.troubleOf(name, clock.now()),
      inFlightOf: (name) => coordinator.load.of(name),
      maxParallelOf: (name) => coordinator.scopes.limitOf(name),
      waitingOf: (name) => waitingFor(name, limits, targetsOf),
      facts: coordinator.serverFacts,
      servedBy: (name) =>
        servedModels(name, { targets, discovered: services.discovered, facts: coordinator.serverFacts }),
      modelsOf: (name) => services.discovered.get(name)?.length ?? 0,
      looks,
      toWallMs: (ms) => nowMs + ms - clock.now(),
    })
    const { budgets } = coordinator.admission
    const budgetScopes = seesAll
      ? budgetScopesIn(config, parts.keys(), budgets.describeAll()).slice(0, maxBudgets)
      : []
    await budgets.look(budgetScopes)
    // After the limits, whose use by other machines is known then.
    const store = await services.describeStore()
    const serviceStates = serviceRows(services.watch.describeModelServers(), seesAll)
    const recent = recentCalls(looks, { ...past, isAll: seesAll })
    const reload = reloadState(parts.reload())
    return {
      version,
      now: new Date(nowMs).toISOString(),
      started_at: this.#startedAt,
      draining: parts.isDraining(),
      config_file: seesAll ? shownText(configFile) : shownText(basename(configFile)),
      workers: parts.workers(),
      reload: seesAll || reload === null ? reload : { ...reload, problems: [] },
      viewer: { ...viewer, user: shownOrNull(viewer.user) },
      attention: seesAll ? parts.attention() : [],
      last_failure: lastFailure(recent, nowMs),
      calls: withTurns(calls.slice(0, maxOpenCalls).map(shownCall), serviceStates),
      calls_unshown: Math.max(0, calls.length - maxOpenCalls),
      providers: seesAll ? providers : providers.map(withoutSecondHand),
      services: serviceStates,
      limits: limitStates(limits, {
        providersOf: (model) => targetsOf(model).map(({ provider }) => provider),
        isFull: (provider) => this.#isFull(provider),
      }),
      budgets: budgets.describe(budgetScopes).map(budgetRow),
      store: store === undefined ? null : shownStore(seesAll ? store : withoutNames(store)),
      usage,
      recent,
      failures: failureRows(looks, { ...past, isAll: seesAll }, nowMs),
    }
  }

  async explain(name: string): Promise<ExplainedName> {
    const { clock, services, routes } = this.#parts
    const looks = (await this.#look()).map(({ recent }) => recent)
    const { coordinator } = services
    const offsetMs = clock.wallNow() - clock.now()
    return explainName(name, {
      routes: routes(),
      stateOf: (target) => coordinator.health.stateOf(target, clock.now()),
      isChecked: (provider) => {
        const trouble = coordinator.health.troubleOf(provider, clock.now())
        return trouble !== undefined && trouble.untilMs === undefined
      },
      isFailing: (provider) => isFailing(provider, looks),
      inFlightOf: (provider) => coordinator.load.of(provider),
      isFull: (provider) => this.#isFull(provider),
      describeLimits: (models) => coordinator.describe(models),
      toWallMs: (ms) => ms + offsetMs,
    })
  }

  cancel(id: string, by: string): Promise<boolean> {
    return this.#parts.cancel(id, by)
  }

  #isFull(provider: string): boolean {
    const { scopes, load } = this.#parts.services.coordinator
    const slots = scopes.limitOf(provider)
    return slots !== undefined && load.of(provider) >= slots
  }

  /** Reports that are made at the same time share a look. */
  #look(): Promise<readonly ThreadLook[]> {
    this.#looking ??= this.#parts.look().finally(() => (this.#looking = undefined))
    return this.#looking
  }

  #usageOf(view: UsageView): Promise<Usage | null> {
    const key = JSON.stringify([view.zone, view.days, view.client ?? null])
    const nowMs = this.#parts.clock.now()
    const known = this.#usage.get(key)
    if (known !== undefined && nowMs - known.atMs < usageFreshMs) return known.usage
    if (this.#usage.size >= maxUsageViews) this.#usage.clear()
    const usage = this.#readUsage(view)
    this.#usage.set(key, { atMs: nowMs, usage })
    return usage
  }

  async #readUsage(view: UsageView): Promise<Usage | null> {
    const { clock, readUsage } = this.#parts
    const nowMs = clock.wallNow()
    const answers = await Promise.all(usageQuestions(view, nowMs).map(readUsage))
    return usageOf(
      answers.map(({ report }) => report),
      view,
      nowMs,
    )
  }
}

/** What others' calls have brought to light, and where keys are, is for viewers that see all calls. */
function withoutSecondHand(provider: ProviderState): ProviderState {
  return { ...provider, reason: null, reason_at: null, key_from: null }
}

function shownCall(call: OpenCall): OpenCall {
  return {
    ...call,
    model: shownOrNull(call.model),
    client: shownText(call.client),
    key: shownOrNull(call.key),
    provider: shownOrNull(call.provider),
    target_model: shownOrNull(call.target_model),
  }
}
