// Which thresholds were crossed in a period: the rules of config/examples/prometheus-rules.yml, by their names, as far as what
// is written down can show them.
import { counted } from '../output.ts'
import type { AccessTally } from './access-tally.ts'
import type { CallTally } from './call-tally.ts'
import type { MinuteCounts } from './counts.ts'

export interface Crossing {
  readonly rule: string
  readonly severity: 'critical' | 'warning' | 'info'
  /** A model, a provider, a code, the name of a key. */
  readonly subject: string
  /** When it was crossed first; undefined: it is of the whole period. */
  readonly atMs: number | undefined
  readonly detail: string
}

export interface Judged {
  readonly calls: CallTally
  readonly access: AccessTally
  /** Threads that ended by themselves. */
  readonly workerEnds: MinuteCounts
  /** What the providers' keys are called, and for how long each has been in use, in milliseconds. */
  readonly keyAges: readonly { readonly name: string; readonly ageMs: number }[]
}

const dayMs = 86_400_000
const oldKeyMs = 90 * dayMs

/** In the order of the rules. */
export function thresholdsCrossed({ calls, access, workerEnds, keyAges }: Judged): Crossing[] {
  return [
    ...peaks('ProviderAuth', 'critical', calls.authRefused, { minutes: 15, above: 0, noun: 'call' }),
    ...peaks('ProviderQuota', 'critical', calls.billingRefused, { minutes: 15, above: 0, noun: 'call' }),
    ...peaks('NoTarget', 'critical', calls.noTarget, { minutes: 5, above: 2, noun: 'call' }),
    ...ratios('ErrorRate', calls.failed, calls.answered, { minutes: 10, ratio: 0.1, atLeast: 10 }),
    ...ratios('ProviderRateLimited', calls.rateLimited, calls.ofProvider, {
      minutes: 10,
      ratio: 0.05,
      above: 20,
    }),
    ...peaks('LimitReached', 'info', calls.limited, { minutes: 15, above: 30, noun: 'call' }),
    ...slowModels(calls),
    ...peaks('AccessRefused', 'warning', access.refused, { minutes: 10, above: 10, noun: 'request' }).filter(
      ({ subject }) => subject.endsWith('_not_allowed'),
    ),
    ...peaks('PeersUnreadable', 'critical', access.peersUnreadable, { minutes: 10, above: 0, noun: 'time' }),
    ...peaks('ReloadRefused', 'warning', access.reloadsRefused, { minutes: 10, above: 0, noun: 'time' }),
    ...peaks('WorkerRestarts', 'warning', workerEnds, { minutes: 60, above: 2, noun: 'time' }),
    ...budgets('critical', access.budgetsSpent, 'spent'),
    ...budgets('warning', access.budgetsNearlySpent, 'nearly spent'),
    ...keyAges
      .filter(({ ageMs }) => ageMs > oldKeyMs)
      .map(({ name, ageMs }) => ({
        rule: 'KeyOld',
        severity: 'info' as const,
        subject: name,
        atMs: undefined,
        detail: `in use for ${Math.floor(ageMs / dayMs)} days`,
      })),
  ]
}

/** Subjects with a window that has more than `above`: the first one, and the largest count. */
function peaks(
  rule: string,
  severity: Crossing['severity'],
  counts: MinuteCounts,
  { minutes, above, noun }: { readonly minutes: number; readonly above: number; readonly noun: string },
): Crossing[] {
  return counts.subjects().flatMap((subject) => {
    const crossed = [...counts.windows(subject, minutes)].filter(({ count }) => count > above)
    if (crossed.length === 0) return []
    const most = Math.max(...crossed.map(({ count }) => count))
    return [
      {
        rule,
        severity,
        subject,
        atMs: crossed[0]!.atMs,
        detail: `${counted(most, noun)} in ${minutes} min`,
      },
    ]
  })
}

function budgets(severity: Crossing['severity'], counts: MinuteCounts, detail: string): Crossing[] {
  return peaks('Budget', severity, counts, { minutes: 1, above: 0, noun: 'time' }).map((crossing) => ({
    ...crossing,
    detail,
  }))
}

function ratios(
  rule: string,
  failed: MinuteCounts,
  all: MinuteCounts,
  {
    minutes,
    ratio,
    atLeast = 0,
    above = 0,
  }: { readonly minutes: number; readonly ratio: number; readonly atLeast?: number; readonly above?: number },
): Crossing[] {
  return failed.subjects().flatMap((subject) => {
    let worst = 0
    let first: number | undefined
    let detail = ''
    for (const { atMs, count } of failed.windows(subject, minutes)) {
      const total = all.within(subject, atMs, minutes)
      if (total < atLeast || count <= above || count / total <= ratio) continue
      first ??= atMs
      if (count / total <= worst) continue
      worst = count / total
      detail = `${count} of ${total} calls in ${minutes} min`
    }
    return first === undefined ? [] : [{ rule, severity: 'warning' as const, subject, atMs: first, detail }]
  })
}

const [slowFirstMs, longWaitMs, fewCalls] = [30_000, 15_000, 10]

function slowModels(calls: CallTally): Crossing[] {
  return calls.speeds().flatMap(({ model, calls: count, firstP90Ms, waitP90Ms }) => {
    if (count < fewCalls) return []
    const crossing = (rule: string, ms: number, what: string): Crossing => ({
      rule,
      severity: 'warning',
      subject: model,
      atMs: undefined,
      detail: `one call in ten ${what} more than ${Math.round(ms / 1000)} s`,
    })
    return [
      ...(waitP90Ms > longWaitMs ? [crossing('QueueLong', waitP90Ms, 'waits')] : []),
      ...(firstP90Ms !== null && firstP90Ms > slowFirstMs
        ? [crossing('SlowFirstToken', firstP90Ms, 'has its first token after')]
        : []),
    ]
  })
}
