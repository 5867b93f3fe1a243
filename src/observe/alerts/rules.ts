// The conditions that the gateway looks for by itself: when each of them holds, when it is over, and what an operator reads.
// `config/examples/prometheus-rules.yml` has the same ones for Prometheus, by the same names.
import type { AlertRule, AlertRuleSettings } from '../../config/observe-types.ts'
import { type FailurePlace, remedyFor } from '../remedies.ts'
import type { Severity } from './attention.ts'
import type { GatewayState } from './gateway-state.ts'
import { type Measures, wholeGateway } from './measures.ts'
import type { Track } from './track.ts'

/** What holds now. */
export interface Cause {
  readonly subject: string
  readonly severity: Severity
  readonly what: string
  readonly why: string
  /** In place of `why` for who looks at the gateway itself: with addresses, paths and reasons, which no message has. */
  readonly detail?: string | undefined
  readonly fix: string
}

export interface Look {
  readonly measures: Measures
  readonly state: GatewayState
}

export interface Rule {
  /** As Prometheus' rules name it. */
  readonly alert: string
  /** What subjects are. Absent: neither. */
  readonly label?: 'model' | 'provider'
  /** Without a cause for so long, the condition is over, in milliseconds. */
  readonly clearAfterMs: number
  causes(look: Look, settings: AlertRuleSettings): Iterable<Cause>
  /** Whether there is evidence that the condition is over, which ends it at once. */
  hasRecovered(subject: string, look: Look): boolean
  /** What is counted while the condition holds. Absent: nothing is. */
  readonly tally?: {
    readonly of: (measures: Measures) => Track
    /** What follows the count: `attempts failed`. */
    readonly noun: string
  }
}

const minuteMs = 60_000
const doctor = 'Run llm-gateway doctor.'

/** As the status page has it for a failed call. */
function remedy(code: string, place?: FailurePlace): string {
  return remedyFor(code, place) ?? doctor
}

/** Whether the provider has answered since a track rose last. */
function hasAnsweredSince(rises: Track, provider: string, { measures }: Look): boolean {
  return measures.answered.lastRiseMs(provider) > rises.lastRiseMs(provider)
}

/** Whether a call of the model has been answered since one failed last. */
function hasAnsweredAgain(model: string, { ended, failed }: Measures): boolean {
  return ended.lastRiseMs(model) > failed.lastRiseMs(model)
}

function sentence(clause: string): string {
  return `${clause[0]!.toUpperCase()}${clause.slice(1)}.`
}

function attemptsWere(count: number): string {
  return count === 1 ? '1 attempt was' : `${count} attempts were`
}

function never(): boolean {
  return false
}

function* risen(track: Track, count: number): Generator<readonly [subject: string, rise: number]> {
  for (const subject of track.subjects()) {
    const rise = track.increase(subject)
    if (rise > count) yield [subject, rise]
  }
}

function budgetSubject({ of, kind }: { readonly of: string; readonly kind: string }): string {
  return `${of}, ${kind}`
}

export const rules: Readonly<Record<AlertRule, Rule>> = {
  access_refused: {
    alert: 'AccessRefused',
    clearAfterMs: 20 * minuteMs,
    *causes({ measures }, { count }) {
      for (const [code, rise] of risen(measures.refusals, count)) {
        yield {
          subject: code,
          severity: 'warning',
          what: `Requests are refused with ${code}.`,
          why: `${rise} in 10 min.`,
          fix: `Find in the log who sends them. ${remedy(code)}`,
        }
      }
    },
    hasRecovered: never,
    tally: { of: ({ refusals }) => refusals, noun: 'requests were refused' },
  },
  budget: {
    alert: 'Budget',
    // Of a budget that applied to no call since the start, nothing is known.
    clearAfterMs: 25 * 60 * minuteMs,
    *causes({ state }, { ratio }) {
      for (const { of, kind, budget, ratio: used, spent, resetsAt } of state.budgets) {
        if (used <= ratio) continue
        const isSpent = used >= 1
        const renewed =
          resetsAt === undefined ? 'It is never renewed.' : `It is renewed on ${momentText(resetsAt)}.`
        yield {
          subject: budgetSubject({ of, kind }),
          severity: isSpent ? 'critical' : 'warning',
          what: isSpent
            ? `The budget of ${of}, ${budget}, is spent: calls are refused.`
            : `The budget of ${of}, ${budget}, is nearly spent.`,
          why: `${spent} are spent. ${renewed}`,
          fix: 'Raise the budget, or find with llm-gateway usage what spends it.',
        }
      }
    },
    hasRecovered: (subject, { state }) => state.budgets.some((each) => budgetSubject(each) === subject),
  },
  degraded: {
    alert: 'Degraded',
    clearAfterMs: 0,
    *causes({ state, measures: { spans } }) {
      const why = 'The log has the reason.'
      for (const { part, ...texts } of state.degraded) yield { subject: part, why, ...texts }
      // Counted, because each thread exports its own.
      if (spans.increase('failed') === 0 || spans.lastRiseMs('sent') >= spans.lastRiseMs('failed')) return
      const what = 'Spans cannot be delivered to tracing.endpoint.'
      yield { subject: 'traces', severity: 'info', what, why, fix: doctor }
    },
    hasRecovered: () => true,
  },
  error_rate: {
    alert: 'ErrorRate',
    label: 'model',
    clearAfterMs: 20 * minuteMs,
    *causes({ measures }, { ratio, calls }) {
      for (const model of measures.ended.subjects()) {
        const ended = measures.ended.increase(model)
        const failed = measures.failed.increase(model)
        if (ended === 0 || ended < calls || failed / ended <= ratio) continue
        yield {
          subject: model,
          severity: 'warning',
          what: `Many calls for ${model} fail.`,
          why: `${failed} of ${ended} in 10 min.`,
          fix: 'Find the reasons in the log, or run llm-gateway doctor.',
        }
      }
    },
    hasRecovered: never,
    tally: { of: ({ failed }) => failed, noun: 'calls failed' },
  },
  limit_reached: {
    alert: 'LimitReached',
    clearAfterMs: 30 * minuteMs,
    *causes({ measures }, { count }) {
      for (const [subject, rise] of risen(measures.limited, count)) {
        yield {
          subject,
          severity: 'info',
          what: `A limit is reached often: ${subject}.`,
          why: `${rise} calls were refused in 15 min.`,
          fix: 'Compare llm-gateway limits with what the provider allows, and raise the limit or let calls wait.',
        }
      }
    },
    hasRecovered: never,
    tally: { of: ({ limited }) => limited, noun: 'calls were refused' },
  },
  no_target: {
    alert: 'NoTarget',
    label: 'model',
    clearAfterMs: 10 * minuteMs,
    *causes({ measures }, { count }) {
      for (const [model, rise] of risen(measures.noTarget, count)) {
        if (hasAnsweredAgain(model, measures)) continue
        yield {
          subject: model,
          severity: 'critical',
          what: `Nothing can answer calls for ${model}.`,
          why: `${rise} calls in 5 min found all of its targets failing.`,
          fix: remedy('no_target', { model }),
        }
      }
    },
    hasRecovered: (model, { measures }) => hasAnsweredAgain(model, measures),
    tally: { of: ({ noTarget }) => noTarget, noun: 'calls were not answered' },
  },
  peers_unreadable: {
    alert: 'PeersUnreadable',
    clearAfterMs: 20 * minuteMs,
    *causes({ measures }) {
      for (const [subject] of risen(measures.unreadablePeers, 0)) {
        yield {
          subject,
          severity: 'critical',
          what: 'The gateway cannot find out who connects, and refuses all connections to its ports.',
          why: "The kernel's list of sockets cannot be read.",
          fix: 'Make /proc readable for the gateway.',
        }
      }
    },
    hasRecovered: never,
  },
  provider_auth: {
    alert: 'ProviderAuth',
    label: 'provider',
    clearAfterMs: 30 * minuteMs,
    *causes(look) {
      for (const [provider, rise] of risen(look.measures.authRefusals, 0)) {
        if (hasAnsweredSince(look.measures.authRefusals, provider, look)) continue
        yield {
          subject: provider,
          severity: 'critical',
          what: `The provider ${provider} refuses the gateway's key.`,
          why: `${attemptsWere(rise)} answered with status 401 or 403 in 15 min.`,
          fix: remedy('provider_auth', { provider }),
        }
      }
    },
    hasRecovered: (provider, look) => hasAnsweredSince(look.measures.authRefusals, provider, look),
    tally: { of: ({ authRefusals }) => authRefusals, noun: 'attempts were refused' },
  },
  provider_down: {
    alert: 'ProviderDown',
    label: 'provider',
    clearAfterMs: 10 * minuteMs,
    *causes({ state }) {
      for (const { name, outage, outageThere } of state.providers) {
        if (outage === undefined) continue
        yield {
          subject: name,
          severity: 'warning',
          what: `The provider ${name} cannot be used.`,
          why: sentence(outage),
          detail: outageThere && sentence(outageThere),
          fix: `Start it, or look at its own status. ${doctor}`,
        }
      }
    },
    hasRecovered(name, look) {
      const provider = look.state.providers.find((each) => each.name === name)
      if (provider === undefined || provider.isHealthy === true) return true
      return hasAnsweredSince(look.measures.failedAttempts, name, look)
    },
    tally: { of: ({ failedAttempts }) => failedAttempts, noun: 'attempts failed' },
  },
  provider_quota: {
    alert: 'ProviderQuota',
    label: 'provider',
    clearAfterMs: 30 * minuteMs,
    *causes(look) {
      for (const [provider, rise] of risen(look.measures.billingRefusals, 0)) {
        if (hasAnsweredSince(look.measures.billingRefusals, provider, look)) continue
        yield {
          subject: provider,
          severity: 'critical',
          what: `The account at the provider ${provider} is exhausted.`,
          why: `${attemptsWere(rise)} refused for want of credit or quota in 15 min.`,
          fix: remedy('provider_billing', { provider }),
        }
      }
    },
    hasRecovered: (provider, look) => hasAnsweredSince(look.measures.billingRefusals, provider, look),
    tally: { of: ({ billingRefusals }) => billingRefusals, noun: 'attempts were refused' },
  },
  provider_rate_limited: {
    alert: 'ProviderRateLimited',
    label: 'provider',
    clearAfterMs: 20 * minuteMs,
    *causes({ measures }, { count, ratio }) {
      for (const [provider, rise] of risen(measures.rateLimited, count)) {
        const attempts = measures.attempts.increase(provider)
        if (rise / attempts <= ratio) continue
        yield {
          subject: provider,
          severity: 'warning',
          what: `The provider ${provider} limits the gateway's rate.`,
          why: `${rise} of ${attempts} attempts in 10 min.`,
          fix: remedy('provider_limited', { provider }),
        }
      }
    },
    hasRecovered: never,
    tally: { of: ({ rateLimited }) => rateLimited, noun: 'attempts were limited' },
  },
  reload_refused: {
    alert: 'ReloadRefused',
    clearAfterMs: 0,
    *causes({ state }) {
      const { isRefused, problems } = state.reload
      if (!isRefused) return
      yield {
        subject: wholeGateway,
        severity: 'warning',
        what: 'The configuration file was refused: the gateway runs by an older one.',
        why: problems === 1 ? 'It has 1 problem.' : `It has ${problems} problems.`,
        fix: 'Run llm-gateway validate-config, mend the file, and reload.',
      }
    },
    hasRecovered: () => true,
  },
  service_failing: {
    alert: 'ServiceFailing',
    label: 'provider',
    clearAfterMs: 30 * minuteMs,
    *causes({ state }) {
      for (const { provider, unit, failure } of state.services) {
        if (failure === undefined) continue
        yield {
          subject: provider,
          severity: 'warning',
          what: `The server of ${provider} fails.`,
          why: `${unit}: ${failure}.`,
          fix: `Run llm-gateway services ${provider}, which prints its journal.`,
        }
      }
    },
    hasRecovered: (name, { state }) =>
      state.services.every(({ provider, failure }) => provider !== name || failure === undefined),
  },
  worker_restarts: {
    alert: 'WorkerRestarts',
    clearAfterMs: 120 * minuteMs,
    *causes({ measures }, { count }) {
      for (const [subject, rise] of risen(measures.workerRestarts, count)) {
        yield {
          subject,
          severity: 'warning',
          what: 'Threads of the gateway end by themselves.',
          why: `${rise} in 1 h. The calls that they served were cut.`,
          fix: 'The events worker_ended of the log have the reason.',
        }
      }
    },
    hasRecovered: never,
  },
}

const labels = new Map(Object.values(rules).map(({ alert, label }) => [alert, label]))

/** What the subjects of a rule are, by its name in notices. */
export function labelOf(alert: string): string {
  return labels.get(alert) ?? 'subject'
}

/** For people in any zone: `1 Dec 2026, 00:00 UTC`. @param iso a time in ISO 8601. */
function momentText(iso: string): string {
  return new Date(iso).toUTCString().replace(/^\w+, 0?(\d+ \w+ \d+) (\d+:\d+).*/, '$1, $2 UTC')
}
