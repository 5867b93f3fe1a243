// Series that exist as 0 before anything has happened, so that a rule that counts an increase sees the first event too.
import { limitsOf } from '../admission/limits-of.ts'
import { servedProviders } from '../config/served-providers.ts'
import type { Config } from '../config/types.ts'
import { failureKinds } from '../domain.ts'
import { errorTable } from '../errors.ts'
import { stopReasons } from '../observe/events/services.ts'
import type { Registry } from '../observe/metrics/registry.ts'

/** Formats in which clients have conversations. */
const conversations = ['chat', 'messages', 'response']

const attemptResults = ['ok', 'client_error', 'gone', ...failureKinds]

type PresetConfig = Pick<Config, 'providers' | 'models' | 'rateLimits' | 'metrics' | 'notify' | 'tracing'>

/** Of a configuration, at the start and after each reload. */
export function presetSeries(
  registry: Registry,
  { providers, models, rateLimits, metrics, notify, tracing }: PresetConfig,
): void {
  for (const name of unlabelled) registry.cell(name, [])
  for (const code of Object.keys(errorTable)) {
    if (!isOfTargets(code)) registry.cell('refusals_total', [code])
  }
  registry.cell('limited_total', ['', 'client'])
  for (const { name } of notify.sinks) {
    for (const result of ['sent', 'failed', 'suppressed'])
      registry.cell('notifications_total', [name, result])
  }
  if (tracing.endpoint !== undefined) {
    for (const result of ['sent', 'dropped', 'failed']) registry.cell('otlp_spans_total', [result])
  }
  for (const { name } of providers.values()) {
    for (const result of attemptResults) registry.cell('attempts_total', [name, result])
  }
  for (const { name } of servedProviders(providers)) {
    for (const result of ['ok', 'failed']) registry.cell('service_starts_total', [name, result])
    for (const reason of stopReasons) registry.cell('service_stops_total', [name, reason])
  }
  for (const model of [...models.keys()].slice(0, metrics.maxModels)) {
    for (const dialect of conversations) registry.cell('calls_total', [model, '', dialect, 'no_target'])
    const limits = limitsOf(rateLimits, model)
    if (limits?.rpm !== undefined) registry.cell('limited_total', [model, 'requests'])
    if (limits?.tpm !== undefined) registry.cell('limited_total', [model, 'tokens'])
    if (limits?.maxParallelRequests !== undefined) registry.cell('limited_total', [model, 'parallel'])
  }
}

/** No refusal: an attempt has failed. */
function isOfTargets(code: string): boolean {
  return code.startsWith('provider_') || code === 'no_target_available'
}

const unlabelled = [
  'internal_errors_total',
  'metrics_dropped_total',
  'metrics_overflow_total',
  'overhead_seconds',
  'peer_users_unreadable_total',
  'state_save_failures_total',
  'worker_restarts_total',
] as const
