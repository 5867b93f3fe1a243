// What waits for a provider.
import type { ModelReport } from '../admission/admission.ts'
import type { Config } from '../config/types.ts'
import type { Target } from '../domain.ts'
import type { RouteTable } from '../routing/route-table.ts'

const noTargets: readonly Target[] = []

/** The targets of models that calls wait for: those of the file, wildcards too, and those that providers list. */
export function targetsIn(
  { models }: Pick<Config, 'models'>,
  routes: Pick<RouteTable, 'find'>,
): (model: string) => readonly Target[] {
  return (model) => models.get(model)?.targets ?? routes.find(model)?.targets ?? noTargets
}

/** Calls in line for models that a provider serves, whatever they wait for. */
export function waitingFor(
  provider: string,
  reports: readonly Pick<ModelReport, 'model' | 'waiting'>[],
  targetsOf: (model: string) => readonly Pick<Target, 'provider'>[],
): number {
  return reports
    .filter(
      ({ model, waiting }) => waiting > 0 && targetsOf(model).some((target) => target.provider === provider),
    )
    .reduce((total, { waiting }) => total + waiting, 0)
}
