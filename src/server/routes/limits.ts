// `GET /v1/limits`: how the limits of all models stand. Field names are part of the interface: they are added to, never changed.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ModelReport, ScopeReport } from '../../admission/admission.ts'
import type { BudgetState } from '../../admission/budget.ts'
import type { CalibrationFact } from '../../admission/estimate.ts'
import { clientScope, type ScopeLimits } from '../../admission/scopes.ts'
import type { Client, Quota } from '../../domain.ts'
import { allowedModels } from '../../routing/allowed-models.ts'
import { budgetRow } from '../../status/budget-row.ts'
import { type SharedStoreReport, withoutNames } from '../../status/shared-store.ts'
import type { ServerParts } from '../parts.ts'
import { readMethods } from './read-methods.ts'

type LimitsParts = Pick<
  ServerParts,
  'describeBudgets' | 'describeClient' | 'describeLimits' | 'describeStore' | 'ownClientId' | 'routes'
>

export function addLimits(
  app: FastifyInstance,
  { describeLimits, describeClient, describeBudgets, describeStore, ownClientId, routes }: LimitsParts,
): void {
  app.route({ method: readMethods, url: '/limits', handler })

  async function handler({ client }: FastifyRequest): Promise<object> {
    const table = routes()
    const allowed = client.isMaster === true ? undefined : allowedModels(client.terms, table)
    const scope = clientScope(client)
    const [reports, own, budgets] = await Promise.all([
      describeLimits(table.models()),
      scope === undefined ? undefined : describeClient(scope),
      describeBudgets(client),
    ])
    const visible = reports.filter(({ model }) => allowed?.concerns(model) !== false)
    // After the models, whose use by other machines is known then.
    const store = await describeStore()
    const seesAll = client.id === ownClientId || client.isMaster === true
    return limitsReport(client, visible, {
      own,
      budgets,
      store: seesAll ? store : store && withoutNames(store),
    })
  }
}

/**
 * `null` stands for "not limited". Counts cover the last 60 seconds; `parallel` is the current number.
 * @param of.own of the client, all models together; undefined: it has no limits of its own.
 * @param of.budgets that apply to the client's calls.
 * @param of.store that machines share; the counts are of all of them together.
 */
export function limitsReport(
  client: Client,
  reports: readonly ModelReport[],
  {
    own,
    budgets = [],
    store,
  }: {
    readonly own?: ScopeReport | undefined
    readonly budgets?: readonly BudgetState[]
    readonly store?: SharedStoreReport | undefined
  } = {},
): object {
  const ofClient = own && { client_limits: { limits: shownLimits(own.limits), ...usage(own) } }
  const spending = budgets.length > 0 && { budgets: budgets.map(budgetRow) }
  const ofAll = store && { store }
  return {
    object: 'list',
    client: client.id,
    ...ofAll,
    ...ofClient,
    ...spending,
    data: reports.map(modelLimits),
  }
}

function modelLimits(report: ModelReport): object {
  const { model, limits, waiting, calibration } = report
  return {
    model,
    limits: {
      ...shownLimits(limits),
      when_limited: limits.whenLimited,
      max_wait_ms: limits.maxWaitMs,
    },
    ...usage(report),
    waiting,
    calibration: calibration.map(calibrationOf),
  }
}

function shownLimits({ rpm, tpm, maxParallelRequests }: ScopeLimits): object {
  return { rpm: rpm ?? null, tpm: tpm ?? null, max_parallel_requests: maxParallelRequests ?? null }
}

function usage({ limits, used, limitStatus, nextMs }: ScopeReport): object {
  const { maxParallelRequests } = limits
  return {
    used,
    remaining: {
      requests: remainingOf(limitStatus.requests),
      tokens: remainingOf(limitStatus.tokens),
      parallel: maxParallelRequests === undefined ? null : Math.max(0, maxParallelRequests - used.parallel),
    },
    next_ms: { requests: nextMs.requests ?? null, tokens: nextMs.tokens ?? null },
    reset_ms: { requests: resetOf(limitStatus.requests), tokens: resetOf(limitStatus.tokens) },
  }
}

function remainingOf(quota: Quota | undefined): number | null {
  return quota?.remaining ?? null
}

/** Milliseconds until nothing counts any more. */
function resetOf(quota: Quota | undefined): number | null {
  return quota?.resetMs ?? null
}

function calibrationOf(fact: CalibrationFact): object {
  return {
    provider: fact.provider,
    tokens_per_byte: fact.tokensPerByte,
    error: fact.error,
    tokens_per_media: fact.tokensPerMedia,
    output_tokens: fact.outputTokens,
    output_deviation: fact.outputDeviation,
    samples: fact.samples,
  }
}
