// Where a model's name leads, with the live state of each target: `GET /status/explain`.
import type { ModelReport } from '../admission/admission.ts'
import type { Target } from '../domain.ts'
import type { Route } from '../routing/route.ts'
import type { RouteTable } from '../routing/route-table.ts'
import type { TargetState } from '../routing/target-health.ts'
import { limitStates } from './limit-states.ts'
import { shownText } from './shown-text.ts'
import type { LimitState } from './status-report.ts'

export interface ExplainedName {
  readonly model: string
  /** Null: the name leads nowhere. */
  readonly route: ExplainedRoute | null
  /** The name that a wrong one is likely to mean. */
  readonly suggestion: string | null
}

interface ExplainedRoute {
  /** Which kind of name matched. */
  readonly rule: Route['rule']
  /** The entry of the configuration, by which limits are counted. */
  readonly entry: string
  /** By tier; within one, placement decides for each call. */
  readonly targets: readonly ExplainedTarget[]
  readonly fallbacks: readonly string[]
  readonly limits: readonly LimitState[]
}

interface ExplainedTarget {
  readonly provider: string
  readonly model: string
  readonly tier: number
  readonly weight: number
  /** `failing`: it is chosen, but the last call that its provider got has failed there. */
  readonly state: 'ready' | 'failing' | 'cooling' | 'unwell'
  readonly trouble: string | null
  /** ISO 8601; null: nothing is wrong, or until a health check succeeds. */
  readonly until: string | null
  readonly in_flight: number
}

export interface RouteSources {
  readonly routes: Pick<RouteTable, 'discovered' | 'find' | 'suggest'>
  readonly stateOf: (target: Target) => TargetState
  readonly isChecked: (provider: string) => boolean
  readonly isFailing: (provider: string) => boolean
  readonly inFlightOf: (provider: string) => number
  /** Whether all slots of a provider are taken. */
  readonly isFull: (provider: string) => boolean
  readonly describeLimits: (models: readonly string[]) => Promise<readonly ModelReport[]>
  /** What a time of the monotonic clock is in milliseconds since 1970. */
  readonly toWallMs: (monotonicMs: number) => number
}

/** @param name as a client would send it. */
export async function explainName(name: string, sources: RouteSources): Promise<ExplainedName> {
  const { routes, isFull } = sources
  const route = routes.find(name) ?? routes.discovered.expected(name)
  if (route === undefined) {
    const suggestion = routes.suggest(name)
    return {
      model: shownText(name),
      route: null,
      suggestion: suggestion === undefined ? null : shownText(suggestion),
    }
  }
  const { name: entry, fallbacks } = route.model
  return {
    model: shownText(name),
    route: {
      rule: route.rule,
      entry: shownText(entry),
      targets: route.targets.toSorted((a, b) => a.tier - b.tier).map((target) => explained(target, sources)),
      fallbacks: fallbacks.map(shownText),
      limits: limitStates(await sources.describeLimits([entry]), {
        providersOf: () => route.targets.map(({ provider }) => provider),
        isFull,
      }),
    },
    suggestion: null,
  }
}

function explained(
  target: Target,
  { stateOf, isChecked, isFailing, inFlightOf, toWallMs }: Omit<RouteSources, 'routes'>,
): ExplainedTarget {
  const { provider, model, tier, weight } = target
  const { isReady, failureKind, readyAtMs } = stateOf(target)
  const isUnwell = !isReady && isChecked(provider)
  return {
    provider: shownText(provider),
    model: shownText(model),
    tier,
    weight,
    state: isReady ? (isFailing(provider) ? 'failing' : 'ready') : isUnwell ? 'unwell' : 'cooling',
    trouble: failureKind ?? null,
    until: isReady || isUnwell ? null : new Date(toWallMs(readyAtMs)).toISOString(),
    in_flight: Math.max(0, inFlightOf(provider)),
  }
}
