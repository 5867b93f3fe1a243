// The providers of a configuration as the status page shows them.
import type { ProviderConfig } from '../config/provider-types.ts'
import type { ServerFacts } from '../routing/server-facts.ts'
import type { KnownTrouble } from '../routing/target-health.ts'
import type { HistoryLook } from './call-history.ts'
import { cachedShareOf, medianOf, mergedPast, type ProviderPastLook, shownMinutes } from './provider-past.ts'
import { shownOrNull, shownText } from './shown-text.ts'
import type { ProviderState, ServedModel } from './status-report.ts'

type Trouble = Pick<KnownTrouble, 'failureKind' | 'untilMs'>

export interface ProviderSources {
  readonly troubleOf: (provider: string) => Trouble | undefined
  readonly inFlightOf: (provider: string) => number
  /** Calls at once that are let in to a provider; undefined: any number. */
  readonly maxParallelOf: (provider: string) => number | undefined
  /** Calls in line for models that it serves. */
  readonly waitingOf: (provider: string) => number
  readonly facts: Pick<ServerFacts, 'isSleeping' | 'slotsOf'>
  readonly servedBy: (provider: string) => readonly ServedModel[]
  /** Models that it lists. */
  readonly modelsOf: (provider: string) => number
  readonly looks: readonly HistoryLook[]
  /** What a time of the monotonic clock is in milliseconds since 1970. */
  readonly toWallMs: (monotonicMs: number) => number
}

/** In the order of the configuration. */
export function providerStates(
  configs: ReadonlyMap<string, ProviderConfig>,
  sources: ProviderSources,
): ProviderState[] {
  return Array.from(configs.values(), (config) => providerState(config, sources))
}

function providerState(
  config: ProviderConfig,
  {
    troubleOf,
    inFlightOf,
    maxParallelOf,
    waitingOf,
    modelsOf,
    facts,
    servedBy,
    looks,
    toWallMs,
  }: ProviderSources,
): ProviderState {
  const { name, kind } = config
  const isHttp = kind !== 'echo'
  const past = pastOf(name, looks)
  const trouble = troubleOf(name)
  return {
    name: shownText(name),
    origin: isHttp ? config.origin : null,
    kind,
    is_local: isHttp ? config.isLocal : true,
    boundary: isHttp ? (config.boundary ?? 'any') : 'local',
    state: stateOf(trouble, past),
    trouble: trouble?.failureKind ?? null,
    until: trouble?.untilMs === undefined ? null : isoOf(toWallMs(trouble.untilMs)),
    reason: shownOrNull(past.reason),
    reason_at: past.reasonMs === undefined ? null : isoOf(past.reasonMs),
    last_success: past.lastSuccessMs === undefined ? null : isoOf(past.lastSuccessMs),
    in_flight: Math.max(0, inFlightOf(name)),
    max_parallel: maxParallelOf(name) ?? null,
    slots: facts.slotsOf(name) ?? null,
    waiting: waitingOf(name),
    is_sleeping: facts.isSleeping(name),
    first_token_p50_ms: medianOf(
      past.measures.map(({ firstTokenMs }) => (firstTokenMs === null ? null : Math.round(firstTokenMs))),
    ),
    prompt_per_second: medianOf(past.measures.map(({ promptPerSecond }) => promptPerSecond)),
    cached_share: cachedShareOf(past.measures),
    tokens_per_second: medianOf(past.measures.map(({ tokensPerSecond }) => tokensPerSecond)),
    minutes: past.minutes,
    models: modelsOf(name),
    served: servedBy(name),
    key_from: isHttp ? shownOrNull(config.apiKey?.source) : null,
  }
}

function stateOf(trouble: Trouble | undefined, past: ProviderPastLook): ProviderState['state'] {
  if (trouble !== undefined) return trouble.untilMs === undefined ? 'unwell' : 'cooling'
  if (hasFailedLast(past)) return 'failing'
  return past.isReached ? 'ok' : 'unused'
}

/** Whether the last call that a provider got has failed there, though it is still chosen. */
export function isFailing(provider: string, looks: readonly HistoryLook[]): boolean {
  return hasFailedLast(pastOf(provider, looks))
}

function hasFailedLast({ lastReachedMs = 0, reasonMs = 0 }: ProviderPastLook): boolean {
  return reasonMs > lastReachedMs
}

function pastOf(provider: string, looks: readonly HistoryLook[]): ProviderPastLook {
  const pasts = looks
    .flatMap(({ providers }) => providers)
    .filter(([of]) => of === provider)
    .map(([, past]) => past)
  return pasts.length === 0 ? noPast : mergedPast(pasts)
}

const noPast: ProviderPastLook = {
  isReached: false,
  lastSuccessMs: undefined,
  lastReachedMs: undefined,
  reason: undefined,
  reasonMs: undefined,
  minutes: Array.from({ length: shownMinutes }, () => ({ calls: 0, failed: 0 })),
  measures: [],
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString()
}
