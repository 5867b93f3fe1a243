// What waits for a provider.
import type { ModelReport } from '../admission/admission.ts'
import type { Target } from '../domain.ts'

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
