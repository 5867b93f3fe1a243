// The metrics that the gateway counts: names, labels, meanings. An interface to dashboards and rules: added to, never renamed.
// docs/metrics.md is generated from it.

export const prefix = 'llm_gateway_'

/** Upper bounds in seconds. */
const calls = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800]
const firstTokens = [0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 3, 5, 10, 20, 40, 80, 160, 600]
const outputTokens = [0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1]
const waits = [0.005, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 600]
const serviceStarts = [0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800]
const overheads = [50e-6, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.05, 0.25]

interface Family {
  readonly labels: readonly string[]
  /** One sentence. */
  readonly help: string
  /** Upper bounds in ascending order; absent for a counter. */
  readonly buckets?: readonly number[]
}

const pair = ['model', 'provider'] as const

/** By name, without the prefix. */
export const families = {
  calls_total: {
    labels: ['model', 'provider', 'dialect', 'outcome'],
    help: 'Calls that have ended; the provider is empty where none was asked, the model where no such model was asked for.',
  },
  input_tokens_total: { labels: pair, help: 'Tokens of prompts, those from and into caches included.' },
  output_tokens_total: { labels: pair, help: 'Tokens of answers, reasoning included.' },
  cached_input_tokens_total: {
    labels: pair,
    help: 'Tokens of prompts that providers read from their caches; a part of input_tokens_total.',
  },
  cache_write_tokens_total: {
    labels: pair,
    help: 'Tokens of prompts that providers wrote to their caches; a part of input_tokens_total.',
  },
  reasoning_tokens_total: { labels: pair, help: 'Tokens of reasoning; a part of output_tokens_total.' },
  estimated_tokens_total: {
    labels: pair,
    help: 'Tokens of calls whose provider did not count all of them; a part of the input and output tokens.',
  },
  cost_usd_total: { labels: pair, help: 'What calls with a known price have cost, in USD.' },
  unpriced_calls_total: { labels: pair, help: 'Calls that used tokens and whose price is not known.' },
  attempts_total: {
    labels: ['provider', 'result'],
    help: 'Requests to providers: ok, client_error, gone (the client left first), or what was wrong with the provider.',
  },
  fallbacks_total: {
    labels: ['model', 'fallback_model'],
    help: 'Calls that another model has answered in place of the one that was asked for.',
  },
  limited_total: {
    labels: ['model', 'dimension'],
    help: 'Calls that limits of the gateway have refused, waits that ran out included.',
  },
  refusals_total: {
    labels: ['code'],
    help: 'Requests that the gateway itself has refused before an attempt, by the code of the error.',
  },
  cooldowns_total: {
    labels: ['provider', 'trouble'],
    help: 'Times that a provider, or a model of it, was put last for a while after a failure.',
  },
  call_duration_seconds: { labels: pair, buckets: calls, help: 'From the arrival of a call to its end.' },
  time_to_first_token_seconds: {
    labels: pair,
    buckets: firstTokens,
    help: 'From the arrival of a call to the first text, reasoning or tool call of its stream.',
  },
  time_per_output_token_seconds: {
    labels: pair,
    buckets: outputTokens,
    help: 'Of a stream that ended well: the time after its first token for each of the others.',
  },
  queue_wait_seconds: {
    labels: ['model'],
    buckets: waits,
    help: 'Time in line of calls that waited for a limit.',
  },
  service_starts_total: {
    labels: ['provider', 'result'],
    help: 'Starts of model servers by the gateway: ok (ready), or failed.',
  },
  service_stops_total: {
    labels: ['provider', 'reason'],
    help: 'Model servers that were stopped: idle, group (others needed the place), command, failed, removed (from the configuration), or outside (not by the gateway).',
  },
  service_start_seconds: {
    labels: ['provider'],
    buckets: serviceStarts,
    help: 'From the command to start a model server until it was ready.',
  },
  service_wait_seconds: {
    labels: ['model'],
    buckets: waits,
    help: 'Time that calls waited for the start of a model server; no part of queue_wait_seconds.',
  },
  overhead_seconds: {
    labels: [],
    buckets: overheads,
    help: "The gateway's own time of a call, until the outcome of its last attempt is known.",
  },
  client_calls_total: { labels: ['client'], help: 'Calls by client; only with metrics.client_label.' },
  client_tokens_total: {
    labels: ['client', 'kind'],
    help: 'Tokens by client, of the kinds input and output; only with metrics.client_label.',
  },
  client_cost_usd_total: {
    labels: ['client'],
    help: 'What the calls of a client with a known price have cost, in USD; only with metrics.client_label.',
  },
  discovery_total: { labels: ['provider', 'result'], help: 'Requests for lists of models: ok or failed.' },
  health_checks_total: { labels: ['provider', 'result'], help: 'Health checks: ok or failed.' },
  notifications_total: {
    labels: ['sink', 'result'],
    help: 'Messages to services: sent, failed (it is tried again), or suppressed (given up).',
  },
  otlp_spans_total: { labels: ['result'], help: 'Spans of traces: sent, dropped or failed.' },
  worker_restarts_total: {
    labels: [],
    help: 'Worker threads that were replaced after they had ended by themselves.',
  },
  peer_users_unreadable_total: {
    labels: [],
    help: 'Times that the user of a connection could not be looked up.',
  },
  state_save_failures_total: {
    labels: [],
    help: 'Times that limits, budgets or other state could not be written to disk.',
  },
  internal_errors_total: { labels: [], help: 'Errors that are bugs of the gateway.' },
  metrics_overflow_total: {
    labels: [],
    help: 'Updates that were counted under "other", because metrics.max_series or metrics.max_models was reached.',
  },
  metrics_dropped_total: {
    labels: [],
    help: 'Values that were not counted, because they were not finite or negative.',
  },
  event_loop_active_seconds_total: {
    labels: ['worker'],
    help: 'Time that the event loop of a thread was busy; its rate is the share of a core. Worker 0 is the main thread.',
  },
} as const satisfies Record<string, Family>

export type FamilyName = keyof typeof families

type HistogramName = {
  [Name in FamilyName]: (typeof families)[Name] extends { buckets: unknown } ? Name : never
}[FamilyName]

/** Without the prefix. */
export type CounterName = Exclude<FamilyName, HistogramName>

/** Labels whose values are names of the file or of providers, of which there may be many. */
const openLabels: ReadonlySet<string> = new Set(['model', 'provider', 'fallback_model', 'client', 'sink'])

/** What stands for further names. */
export const otherName = 'other'

/** How many numbers a series of the family has: a counter one; a histogram its buckets, the one without bound, and the sum. */
export function widthOf(name: FamilyName): number {
  const { buckets }: Family = families[name]
  return buckets === undefined ? 1 : buckets.length + 2
}

/** Values in which names that have no room are replaced. */
export function withOther(name: FamilyName, values: readonly string[]): string[] {
  const labels: readonly string[] = families[name].labels
  return values.map((value, index) => (openLabels.has(labels[index]!) ? otherName : value))
}

export function bucketsOf(name: FamilyName): readonly number[] | undefined {
  const { buckets }: Family = families[name]
  return buckets
}
