// What has failed in a call so far, and how its client is told of it.
import type { Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { Trouble } from '../routing/target-health.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'
import type { Hold } from './coordinator.ts'
import type { Verdict } from './retry-rule.ts'

/** Why a target did not answer. */
export interface Failure {
  readonly verdict: Verdict
  /** For people. */
  readonly reason: string
  /** From when on it may be asked again. */
  readonly readyAtMs: number
}

/** How far a call has come with a model's targets. */
interface Progress {
  readonly hold: Pick<Hold, 'targets' | 'troubleOf'>
  readonly failures: ReadonlyMap<Target, Failure>
}

/**
 * The last outcome, or one that names all: when several targets have failed, no single one's word tells the client
 * what is wrong.
 */
export function summedUp(outcome: AttemptOutcome, { hold, failures }: Progress): AttemptOutcome {
  if (failures.size < 2 || (outcome.kind !== 'failed' && outcome.kind !== 'refused')) return outcome
  const list = [...new Set([...failures.keys(), ...hold.targets])].map((target) => {
    const reason = failures.get(target)?.reason ?? whyUntried(hold.troubleOf(target))
    return `${target.provider} (${target.model}): ${reason}`
  })
  const message = `No target answers. ${list.join('; ')}.`
  const error = new GatewayError('no_target_available', message, { headers: retryAfter(failures) })
  const providerStatus = outcome.kind === 'refused' ? outcome.head.status : outcome.providerStatus
  const { providerCode } = outcome
  return {
    kind: 'failed',
    error,
    providerCode,
    isStaleConnection: false,
    hasBegun: false,
    ...(providerStatus !== undefined && { providerStatus }),
  }
}

/** A target that was passed over is in trouble since earlier calls, or shares its provider's, or its turn did not come. */
function whyUntried(trouble: Trouble | undefined): string {
  return trouble === undefined ? 'not tried' : `not tried, ${trouble} before`
}

/** The shortest time that a provider has asked for; no header when none has. */
function retryAfter(failures: ReadonlyMap<Target, Failure>): Record<string, string> {
  const asked = [...failures.values()].map(({ verdict }) => verdict.retryAfterMs)
  const least = Math.min(...asked.filter((each) => each !== undefined))
  return Number.isFinite(least) ? { 'retry-after': String(Math.ceil(least / 1000)) } : {}
}
