// Which targets a call passes over because their servers do not run.
import type { Target } from '../domain.ts'
import type { Services } from '../upstream/services/services.ts'

type Openness = Pick<Services, 'isOpen' | 'wake' | 'whenStarting'>

/**
 * The targets of `unfit` and those that would have to be started, as far as others answer in their place: of the same tier, or,
 * with `when_starting: failover`, of any. What the call would have preferred is started all the same then, for the next ones.
 * @param unfit targets that the call does not fit. Undefined: it may fit all.
 */
export function withStopped(
  targets: readonly Target[],
  unfit: ReadonlySet<Target> | undefined,
  services: Openness,
): ReadonlySet<Target> | undefined {
  const fitting = unfit === undefined ? targets : targets.filter((target) => !unfit.has(target))
  const open = fitting.filter(({ provider }) => services.isOpen(provider))
  if (open.length === 0 || open.length === fitting.length) return unfit
  const openTiers = new Set(open.map(({ tier }) => tier))
  const firstOpenTier = Math.min(...openTiers)
  const last = new Set(unfit)
  for (const target of fitting) {
    const { provider, tier } = target
    if (services.isOpen(provider)) continue
    const goesElsewhere = services.whenStarting(provider) === 'failover'
    if (goesElsewhere || openTiers.has(tier)) last.add(target)
    if (goesElsewhere && tier < firstOpenTier) services.wake(provider)
  }
  return last
}
