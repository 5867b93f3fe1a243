// What an operator should look at: a condition that lasts, not an event.

export const severities = ['info', 'warning', 'critical'] as const
export type Severity = (typeof severities)[number]

/** A condition as it stands now. Its texts are the gateway's own words, bounded and printable. */
export interface Attention {
  /** Name of the rule, as in the rules for Prometheus: `ProviderDown`. */
  readonly rule: string
  /** What it holds of: a provider, a model, a budget, `gateway`. */
  readonly subject: string
  readonly severity: Severity
  /** `pending`: not for long enough yet. */
  readonly state: 'pending' | 'firing'
  /** ISO 8601. */
  readonly since: string
  readonly what: string
  readonly why: string
  readonly fix: string
}

/** Less severe is negative. */
export function compareSeverity(one: Severity, other: Severity): number {
  return severities.indexOf(one) - severities.indexOf(other)
}
