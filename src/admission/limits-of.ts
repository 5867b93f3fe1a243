// Which limits of the configuration apply to a model, and to each client.
import type { Config, RateLimitConfig } from '../config/types.ts'
import type { ModelLimits } from '../domain.ts'

/** What limits a model; undefined: nothing but its providers' slots. */
export function limitsOf(
  { enabled, limits, default: otherwise }: RateLimitConfig,
  model: string,
): ModelLimits | undefined {
  return enabled ? (limits.get(model) ?? otherwise) : undefined
}

/** How long a call of the model may wait in line, in milliseconds; 0: its calls do not wait. */
export function maxWaitMsOf(config: RateLimitConfig, model: string): number {
  const limits = limitsOf(config, model)
  return limits?.whenLimited === 'wait' ? limits.maxWaitMs : 0
}

/** Undefined: neither of them limits. */
export function smallerLimit(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other)
}

/** Requests that one client may send in 60 seconds. Undefined: they are not limited. */
export function perClientRpmOf({ rateLimits }: Pick<Config, 'rateLimits'>): number | undefined {
  return rateLimits.enabled ? rateLimits.perClientRpm : undefined
}
