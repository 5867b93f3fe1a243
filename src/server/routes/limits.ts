// `GET /v1/limits`: how the limits of all models stand. Field names are part of the interface: they are added to, never changed.
import type { FastifyInstance } from 'fastify'
import type { ModelReport } from '../../admission/admission.ts'
import type { CalibrationFact } from '../../admission/estimate.ts'
import type { Client, Quota } from '../../domain.ts'
import { allowedModels } from '../../routing/allowed-models.ts'
import type { ServerParts } from '../parts.ts'

export function addLimits(
  app: FastifyInstance,
  { describeLimits, routes }: Pick<ServerParts, 'describeLimits' | 'routes'>,
): void {
  app.get('/limits', async ({ client }) => {
    const table = routes()
    const allowed = client.isMaster === true ? undefined : allowedModels(client.terms, table)
    const reports = await describeLimits(table.models())
    const visible = reports.filter(({ model }) => allowed?.concerns(model) !== false)
    return limitsReport(client, visible)
  })
}

/** `null` stands for "not limited". Counts cover the last 60 seconds; `parallel` is the current number. */
function limitsReport(client: Client, reports: readonly ModelReport[]): object {
  return { object: 'list', client: client.id, data: reports.map(modelLimits) }
}

function modelLimits({
  model,
  limits,
  used,
  limitStatus,
  nextMs,
  waiting,
  calibration,
}: ModelReport): object {
  const { rpm = null, tpm = null, maxParallelRequests = null, whenLimited, maxWaitMs } = limits
  return {
    model,
    limits: {
      rpm,
      tpm,
      max_parallel_requests: maxParallelRequests,
      when_limited: whenLimited,
      max_wait_ms: maxWaitMs,
    },
    used,
    remaining: {
      requests: remainingOf(limitStatus.requests),
      tokens: remainingOf(limitStatus.tokens),
      parallel: maxParallelRequests === null ? null : Math.max(0, maxParallelRequests - used.parallel),
    },
    next_ms: { requests: nextMs.requests ?? null, tokens: nextMs.tokens ?? null },
    reset_ms: { requests: resetOf(limitStatus.requests), tokens: resetOf(limitStatus.tokens) },
    waiting,
    calibration: calibration.map(calibrationOf),
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
