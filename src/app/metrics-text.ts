// `GET /metrics`: what was counted, with what is read of the gateway when somebody asks.
import { setImmediate } from 'node:timers/promises'
import type { BudgetScope } from '../admission/budget.ts'
import { budgetName } from '../admission/budget-error.ts'
import { failureKinds } from '../domain.ts'
import type { GaugeName, Reading, Readings } from '../observe/metrics/gauges.ts'
import type { Registry } from '../observe/metrics/registry.ts'
import { otherName } from '../observe/metrics/families.ts'
import { slicesOf } from '../observe/metrics/render.ts'
import { descriptorsOf } from '../platform/descriptors.ts'
import { isProviderWide, type KnownTrouble } from '../routing/target-health.ts'
import type { GaugeSources } from './gauge-sources.ts'
import type { OpenedCounts } from './open-counts.ts'
import { serverReadings } from './server-gauges.ts'
import { serviceReadings } from './service-gauges.ts'

/** In slices of whole lines. Others run between two slices. */
export async function metricsText(counts: OpenedCounts, state: GaugeSources): Promise<string[]> {
  const readings = await readingsOf(counts, state)
  const slices: string[] = []
  for (const slice of slicesOf(counts.registry, readings, state.clock.now)) {
    slices.push(slice)
    await setImmediate()
  }
  return slices
}

async function readingsOf(
  { registry, listedAtMs, reloads }: OpenedCounts,
  state: GaugeSources,
): Promise<Readings> {
  const { user, system } = process.cpuUsage()
  const { wanted, running } = state.workers
  const openDescriptors = descriptorsOf('self')?.open
  return new Map<GaugeName, readonly Reading[]>([
    ['info', [{ values: [state.version, process.version], value: 1 }]],
    ['start_time_seconds', single(state.startedAtMs / 1000)],
    ['process_cpu_seconds_total', single((user + system) / 1e6)],
    ['process_resident_memory_bytes', single(process.memoryUsage.rss())],
    ['process_open_fds', single(openDescriptors ?? NaN)],
    ['draining', single(state.isDraining ? 1 : 0)],
    [
      'workers',
      [
        { values: ['wanted'], value: wanted },
        { values: ['running'], value: running },
      ],
    ],
    ['calls_in_flight', single(state.openCalls)],
    ...(await limitReadings(registry, state)),
    ...(await storeReadings(registry, state)),
    ...providerReadings(state),
    ...serviceReadings(state.services),
    [
      'discovery_last_success_timestamp_seconds',
      Array.from(listedAtMs, ([provider, atMs]) => ({ values: [provider], value: atMs / 1000 })),
    ],
    ['models', modelReadings(state)],
    ['config_last_reload_successful', single(reloads.isLastRefused ? 0 : 1)],
    ['config_last_reload_success_timestamp_seconds', single(reloads.loadedAtMs / 1000)],
    ...(await budgetReadings(state)),
    ['credential_set_timestamp_seconds', credentialReadings(state)],
    ['metrics_series', single(registry.lines)],
  ])
}

type Entry = readonly [GaugeName, readonly Reading[]]

/** As many as may share limits. */
const maxMachines = 64

function single(value: number): readonly Reading[] {
  return [{ values: [], value }]
}

async function storeReadings(
  registry: Registry,
  { config, store, describeStore }: GaugeSources,
): Promise<Entry[]> {
  if (store === undefined) return []
  const machines = (await describeStore())?.machines ?? []
  const present = machines.filter(({ state }) => state !== 'left').slice(0, maxMachines)
  const models = new Set(modelsIn(registry, config))
  const used = present.flatMap(({ name, uses }) =>
    uses
      .filter((use) => use.kind === 'model' && models.has(use.name))
      .flatMap((use) =>
        (['requests', 'tokens', 'parallel'] as const).map((dimension) => ({
          values: [name, use.name, dimension],
          value: use[dimension],
        })),
      ),
  )
  return [
    ['limits_store_up', single(store.isUp ? 1 : 0)],
    ['limits_store_members', single(store.joined?.members ?? NaN)],
    [
      'limits_store_member_info',
      present.map(({ name, version, state }) => ({
        values: [name, version],
        value: state === 'here' ? 1 : 0,
      })),
    ],
    ['limits_store_member_used', used],
  ]
}

async function limitReadings(registry: Registry, state: GaugeSources): Promise<Entry[]> {
  const { config, coordinator } = state
  const reports = await coordinator.describe(modelsIn(registry, config))
  const limits: Reading[] = []
  const used: Reading[] = []
  for (const { model, limits: of, used: taken } of reports) {
    const dimensions = [
      ['requests', of.rpm],
      ['tokens', of.tpm],
      ['parallel', of.maxParallelRequests],
    ] as const
    for (const [dimension, limit] of dimensions) {
      if (limit === undefined) continue
      limits.push({ values: [model, dimension], value: limit })
      used.push({ values: [model, dimension], value: taken[dimension] })
    }
  }
  const lines = reports
    .filter(({ waiting, limits: of }) => waiting > 0 || of.whenLimited === 'wait')
    .map(({ model, waiting }) => ({ values: [model], value: waiting }))
  return [...serverReadings(state, reports), ['queue_length', lines], ['limit', limits], ['limit_used', used]]
}

/** Of the file, with limits of their own, or called so far: providers list thousands that nobody calls. */
function modelsIn(registry: Registry, { models, rateLimits, metrics }: GaugeSources['config']): string[] {
  const called = Array.from(registry.of('call_duration_seconds'), ({ values }) => values[0]!)
  const names = new Set([...models.keys(), ...rateLimits.limits.keys(), ...called])
  return [...names].filter((name) => name !== '' && name !== otherName).slice(0, 2 * metrics.maxModels)
}

function providerReadings(state: GaugeSources): Entry[] {
  const { config, coordinator, clock } = state
  const nowMs = clock.now()
  // From the monotonic clock to Unix time.
  const offsetMs = clock.wallNow() - nowMs
  const names = [...config.providers.keys()]
  const troubles = coordinator.health.troubles(nowMs).filter(({ provider }) => config.providers.has(provider))
  const down = new Set(
    troubles
      .filter(({ failureKind, untilMs }) => untilMs === undefined || isProviderWide(failureKind))
      .map(({ provider }) => provider),
  )
  const has = new Set(troubles.map(({ provider, failureKind }) => `${provider}\n${failureKind}`))
  const successes = [...coordinator.lastSuccessMs].filter(([provider]) => config.providers.has(provider))
  return [
    ['provider_calls_in_flight', names.map((name) => ({ values: [name], value: coordinator.load.of(name) }))],
    ['provider_up', names.map((name) => ({ values: [name], value: down.has(name) ? 0 : 1 }))],
    [
      'provider_trouble',
      names.flatMap((name) =>
        failureKinds.map((kind) => ({ values: [name, kind], value: has.has(`${name}\n${kind}`) ? 1 : 0 })),
      ),
    ],
    ['target_cooling_until_timestamp_seconds', coolingReadings(troubles, state, offsetMs)],
    [
      'provider_last_success_timestamp_seconds',
      successes.map(([provider, atMs]) => ({ values: [provider], value: (atMs + offsetMs) / 1000 })),
    ],
  ]
}

/** A client chooses the names below a wildcard: they are one, `other`, which cools until the last of them does. */
function coolingReadings(
  troubles: readonly KnownTrouble[],
  { config, discovered }: GaugeSources,
  offsetMs: number,
): Reading[] {
  const targets = [...config.models.values()].flatMap((model) => model.targets)
  const isKnown = (provider: string, name: string) =>
    targets.some((target) => target.provider === provider && target.model === name) ||
    discovered.get(provider)?.some(({ id, aliases }) => id === name || aliases.includes(name)) === true
  const until = new Map<string, Reading>()
  for (const { provider, model = '', untilMs } of troubles) {
    if (untilMs === undefined) continue
    const name = model === '' || isKnown(provider, model) ? model : otherName
    const key = `${provider}\n${name}`
    const value = Math.max((untilMs + offsetMs) / 1000, until.get(key)?.value ?? 0)
    until.set(key, { values: [provider, name], value })
  }
  return [...until.values()]
}

function modelReadings({ config, discovered }: GaugeSources): Reading[] {
  const listed = [...discovered.values()].reduce((sum, models) => sum + models.length, 0)
  return [
    { values: ['config'], value: config.models.size },
    { values: ['discovered'], value: listed },
  ]
}

/** Places, never values. */
function credentialReadings({ config }: GaugeSources): Reading[] {
  const ofHttp = [...config.providers.values()].filter((provider) => provider.kind !== 'echo')
  const values = ofHttp.flatMap(({ apiKey, headers }) => [apiKey, ...headers.map(([, value]) => value)])
  const setAt = new Map<string, number>()
  for (const value of values) {
    if (typeof value !== 'object' || value.setAtMs === undefined) continue
    setAt.set(value.source, value.setAtMs)
  }
  return Array.from(setAt, ([source, atMs]) => ({ values: [source], value: atMs / 1000 }))
}

/** Of all clients together; those of clients would name them. */
async function budgetReadings({ config, coordinator }: GaugeSources): Promise<Entry[]> {
  const { total } = config.budgets
  if (total.length === 0) return []
  const scope: BudgetScope = { name: 'total', entry: 'total', budgets: total }
  const states = await coordinator.describeBudgets([scope])
  return [
    [
      'budget_used_ratio',
      states.map(({ budget, spent, reserved }) => ({
        values: [budgetName(budget)],
        value: (spent + reserved) / budget.limit,
      })),
    ],
    [
      'budget_limit_usd',
      states
        .filter(({ budget }) => budget.unit === 'usd')
        .map(({ budget }) => ({ values: [budgetName(budget)], value: budget.limit / 1e9 })),
    ],
  ]
}
