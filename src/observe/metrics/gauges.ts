// The metrics that are read when somebody asks: names, labels, meanings. An interface like the counters (families.ts), from
// which docs/metrics.md is generated too.

export interface GaugeFamily {
  readonly type: 'gauge' | 'counter'
  readonly labels: readonly string[]
  /** One sentence. */
  readonly help: string
  /** Names that exporters share stand without the gateway's prefix. */
  readonly isShared?: true
}

/** By name, without the prefix. */
export const gauges = {
  info: { type: 'gauge', labels: ['version', 'node'], help: 'Always 1; the labels say which program runs.' },
  start_time_seconds: { type: 'gauge', labels: [], help: 'When the process began, as a Unix time.' },
  process_cpu_seconds_total: {
    type: 'counter',
    labels: [],
    help: 'Time of processors that the process has used.',
    isShared: true,
  },
  process_resident_memory_bytes: {
    type: 'gauge',
    labels: [],
    help: 'Memory of the process, in bytes.',
    isShared: true,
  },
  process_open_fds: {
    type: 'gauge',
    labels: [],
    help: 'Open file descriptors of the process.',
    isShared: true,
  },
  draining: { type: 'gauge', labels: [], help: '1 while the gateway ends and accepts no more calls.' },
  workers: { type: 'gauge', labels: ['state'], help: 'Threads that serve calls: wanted and running.' },
  calls_in_flight: { type: 'gauge', labels: [], help: 'Calls under way, those that wait included.' },
  provider_calls_in_flight: { type: 'gauge', labels: ['provider'], help: 'Calls under way at a provider.' },
  provider_slots: {
    type: 'gauge',
    labels: ['provider'],
    help: 'Calls that a server reports to work at together; more of them wait inside it.',
  },
  provider_queue_length: {
    type: 'gauge',
    labels: ['provider'],
    help: 'Calls in line for models that a provider serves, whatever they wait for.',
  },
  provider_sleeping: {
    type: 'gauge',
    labels: ['provider'],
    help: '1 while a local server reports that it sleeps: its next call waits for the model to load.',
  },
  provider_context_tokens: {
    type: 'gauge',
    labels: ['provider', 'target_model'],
    help: 'Tokens, prompt and answer of one call, that a model has room for, as the server or the configuration says.',
  },
  provider_model_state: {
    type: 'gauge',
    labels: ['provider', 'target_model', 'state'],
    help: '1 for the state that a server reports of a model: loaded, loading, unloaded or sleeping.',
  },
  queue_length: {
    type: 'gauge',
    labels: ['model'],
    help: 'Calls that wait in line for a limit of the model.',
  },
  limit: {
    type: 'gauge',
    labels: ['model', 'dimension'],
    help: 'Limits of models: requests and tokens in any 60 seconds, and calls in parallel.',
  },
  limit_used: {
    type: 'gauge',
    labels: ['model', 'dimension'],
    help: 'What is used of a limit: of the last 60 seconds, or at this moment.',
  },
  limits_store_up: {
    type: 'gauge',
    labels: [],
    help: '1 while the store of limits that gateways share can be used, else 0; absent without one.',
  },
  limits_store_members: {
    type: 'gauge',
    labels: [],
    help: 'Machines that share the store of limits, this one included, when it was last reached.',
  },
  limits_store_member_info: {
    type: 'gauge',
    labels: ['machine', 'version'],
    help: 'Machines that share the store of limits, as last heard: 1 for one that is there, 0 for one that is silent.',
  },
  limits_store_member_used: {
    type: 'gauge',
    labels: ['machine', 'model', 'dimension'],
    help: 'What a machine uses of the limits of a model, of which limit_used is the sum.',
  },
  provider_up: {
    type: 'gauge',
    labels: ['provider'],
    help: '0 while a provider is unwell by its health check, or was found unreachable, without payment or with a rejected key.',
  },
  provider_trouble: {
    type: 'gauge',
    labels: ['provider', 'trouble'],
    help: '1 for what is wrong with a provider or one of its models at the moment.',
  },
  target_cooling_until_timestamp_seconds: {
    type: 'gauge',
    labels: ['provider', 'target_model'],
    help: 'Until when a model of a provider is tried last, as a Unix time; the model is empty where all are.',
  },
  provider_last_success_timestamp_seconds: {
    type: 'gauge',
    labels: ['provider'],
    help: 'When a provider answered a call last, as a Unix time.',
  },
  discovery_last_success_timestamp_seconds: {
    type: 'gauge',
    labels: ['provider'],
    help: 'When a provider listed its models last, as a Unix time.',
  },
  service_state: {
    type: 'gauge',
    labels: ['provider', 'state'],
    help: '1 for the state of a model server that the gateway starts: stopped, starting, ready, draining, stopping or failed.',
  },
  service_failing: {
    type: 'gauge',
    labels: ['provider'],
    help: '1 while a model server has failed and has not been ready since.',
  },
  service_waiting: {
    type: 'gauge',
    labels: ['provider'],
    help: 'Calls that wait for the start of a model server.',
  },
  service_memory_bytes: {
    type: 'gauge',
    labels: ['provider'],
    help: 'Memory of a model server, in bytes, as the service manager accounts for it.',
  },
  models: {
    type: 'gauge',
    labels: ['source'],
    help: 'Models that can be called: of the file, and discovered.',
  },
  config_last_reload_successful: {
    type: 'gauge',
    labels: [],
    help: '1 unless the last reload of the configuration was refused.',
  },
  config_last_reload_success_timestamp_seconds: {
    type: 'gauge',
    labels: [],
    help: 'When the configuration in force was loaded, as a Unix time.',
  },
  budget_used_ratio: {
    type: 'gauge',
    labels: ['budget'],
    help: 'What is spent and reserved of a budget of all clients together, from 0 to 1.',
  },
  budget_limit_usd: { type: 'gauge', labels: ['budget'], help: 'Budgets of all clients together, in USD.' },
  credential_set_timestamp_seconds: {
    type: 'gauge',
    labels: ['credential'],
    help: 'When the file of a key of providers was written, as a Unix time, by the place of the key; for stored secrets and files.',
  },
  metrics_series: { type: 'gauge', labels: [], help: 'Lines of counters and histograms that there are.' },
} as const satisfies Record<string, GaugeFamily>

export type GaugeName = keyof typeof gauges

/** What a gauge reads for one label set. */
export interface Reading {
  /** Of the labels, in the order of the table. */
  readonly values: readonly string[]
  /** One that is not finite is left out. */
  readonly value: number
}

/** All readings of the gauges that have any. */
export type Readings = ReadonlyMap<GaugeName, readonly Reading[]>
