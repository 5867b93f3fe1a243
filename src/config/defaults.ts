// All defaults: the schema shows them, `resolve.ts` applies them.

export const defaults = {
  server: {
    hosts: ['127.0.0.1', '::1'],
    port: 4000,
    unix_socket: null,
    allowed_hosts: [],
    trusted_proxies: [],
    max_request_body_bytes: 33_554_432,
    body_memory_bytes: null,
    shutdown_grace_ms: 30_000,
    heartbeat_after_ms: 15_000,
    workers: 1,
    watch_config: false,
  },
  access: { allowed_users: ['self'], allowed_ips: [] },
  cors: {
    enabled: true,
    allowed_origins: ['http://localhost:*', 'http://127.0.0.1:*', 'http://[::1]:*'],
    allow_all: false,
    allow_null_origin: false,
  },
  rate_limit_settings: {
    enabled: true,
    per_client: { rpm: 600 },
    default: {},
    when_limited: 'reject',
    max_wait_ms: 30_000,
    store: { kind: 'memory' },
  },
  store: { prefix: 'llm-gateway', when_unavailable: 'share', keys_signed_by: [] },
  keys: { mode: 'off', file: null, prefix: 'gw_', keyless_users: [] },
  identity: { required: false, sources: [], client_claim: 'email' },
  provider: {
    kind: 'openai',
    allow_http: false,
    proxy: 'env',
    include_usage: 'auto',
    whole_as_stream: 'auto',
    speaks: 'auto',
    health_check: false,
    discover_models: false,
    allow_management: false,
    trace_context: 'auto',
  },
  /** A local model may take minutes to its first byte; a cloud provider that does has failed. */
  localTimeouts: { connect_ms: 2000, first_byte_ms: 600_000, idle_ms: 600_000, total_ms: 1_800_000 },
  remoteTimeouts: { connect_ms: 5000, first_byte_ms: 120_000, idle_ms: 120_000, total_ms: 1_800_000 },
  service: {
    start_timeout_ms: 120_000,
    stop_after_idle_ms: 900_000,
    keep: false,
    start: 'call',
    when_starting: 'wait',
  },
  services: { manager: 'user' },
  serviceGroup: { running: 1, min_run_ms: 30_000, max_run_ms: 300_000 },
  /** What tells that a server of a kind is up, without loading a model; a second slash stands for its root. */
  healthPaths: {
    anthropic: '/models',
    openai: '/models',
    llama_cpp: '//health',
    ollama: '//api/version',
    vllm: '//health',
  },
  anthropicBaseUrl: 'https://api.anthropic.com',
  target: { tier: 1, weight: 1 },
  prices: { list: 'shipped', file: null },
  routing: {
    retries: 2,
    max_retry_wait_ms: 2000,
    restart_wait_ms: 3000,
    cooldown_ms: 30_000,
    placement: 'expected_time',
    shared_prefixes: false,
    boundary: 'any',
  },
  routes: { rest: null, default_model: {} },
  secrets: { dir: null, identity: { credential: 'gateway_identity', file: null } },
  budgets: { time_zone: 'UTC', reserve: 'predicted', when_exhausted: 'finish', total: [] },
  audit: { enabled: 'auto', keep_days: 365 },
  metrics: { enabled: true, allowed_users: [], client_label: false, max_models: 200, max_series: 20_000 },
  tracing: {
    endpoint: null,
    protocol: 'http/protobuf',
    headers: {},
    sample_ratio: 1,
    service_name: 'llm-gateway',
    resource: {},
    conventions: 'semconv-1.36',
    session_headers: ['x-session-id', 'agent-session-id'],
    content: 'never',
    view_url: null,
  },
  status: { enabled: true, allowed_users: ['self'], playground: true, via_proxy: false, recent_calls: 200 },
  notify: {
    repeat_ms: 14_400_000,
    quiet_start_ms: 60_000,
    min_severity: 'warning',
    rules: {
      access_refused: { after_ms: 0, count: 10 },
      budget: { after_ms: 0, ratio: 0.8 },
      degraded: { after_ms: 60_000 },
      error_rate: { after_ms: 300_000, ratio: 0.1, calls: 10 },
      limit_reached: { after_ms: 300_000, count: 30 },
      no_target: { after_ms: 0, count: 2 },
      peers_unreadable: { after_ms: 0 },
      provider_auth: { after_ms: 0 },
      provider_down: { after_ms: 300_000 },
      provider_quota: { after_ms: 0 },
      provider_rate_limited: { after_ms: 600_000, count: 20, ratio: 0.05 },
      reload_refused: { after_ms: 300_000 },
      service_failing: { after_ms: 60_000 },
      worker_restarts: { after_ms: 0, count: 2 },
    },
    heartbeat_interval_ms: 60_000,
    pagerduty_url: 'https://events.pagerduty.com/v2/enqueue',
  },
  usage: { enabled: true, keep_calls_days: 90, keep_hours_days: 400, client_names: 'plain' },
  logging: { level: 'info', format: 'auto', transport: null },
} as const

interface BodySettings {
  readonly max_request_body_bytes: number
  readonly workers: number
}

/** With less, a worker could not read a body of the largest size while it holds another one. */
export function minBodyMemoryBytes({ max_request_body_bytes, workers }: BodySettings): number {
  return 2 * workers * max_request_body_bytes
}

export function defaultBodyMemoryBytes(server: BodySettings): number {
  return Math.max(8 * server.max_request_body_bytes, minBodyMemoryBytes(server))
}
