// The configuration as written in the file, valid by the schema. Mappings whose keys are chosen by people are read with
// `Object.entries` only, never by a name from elsewhere.
import type { RawPrice } from '../prices/read-price.ts'
import type { WhenUnavailable } from './store-types.ts'
import type { TokenAlgorithm } from './types.ts'
import type { Boundary } from '../platform/boundary.ts'
import type { Ability } from '../domain.ts'
import type { Effort } from './provider-types.ts'
import type { AlertRule, NotifySinkKind } from './observe-types.ts'

export interface RawConfig {
  server?: RawServer
  access?: { allowed_users?: string[]; allowed_ips?: string[] }
  cors?: { enabled?: boolean; allowed_origins?: string[]; allow_all?: boolean; allow_null_origin?: boolean }
  rate_limit_settings?: RawRateLimits
  keys?: RawKeys
  identity?: RawIdentity
  clients?: Record<string, RawClient>
  providers?: Record<string, RawProvider>
  models?: Record<string, RawModel>
  services?: RawServices
  prices?: { list?: 'shipped' | 'off'; file?: string | null }
  routing?: {
    retries?: number
    max_retry_wait_ms?: number
    restart_wait_ms?: number
    cooldown_ms?: number
    placement?: 'expected_time' | 'least_busy'
    shared_prefixes?: boolean
    boundary?: Boundary
  }
  logging?: RawLogging
  secrets?: { dir?: string | null; identity?: { credential?: string; file?: string | null } }
  routes?: RawRoutes
  usage?: RawUsage
  tracing?: RawTracing
  budgets?: RawBudgets
  audit?: { enabled?: boolean | 'auto'; keep_days?: number }
  notify?: RawNotify
  metrics?: RawMetrics
  status?: RawStatus
}

interface RawMetrics {
  enabled?: boolean
  allowed_users?: string[]
  client_label?: boolean
  max_models?: number
  max_series?: number
}

interface RawStatus {
  enabled?: boolean
  allowed_users?: string[]
  playground?: boolean
  via_proxy?: boolean
  recent_calls?: number
}

interface RawNotify {
  sinks?: Record<string, RawNotifySink>
  repeat_ms?: number
  quiet_start_ms?: number
  rules?: Partial<Record<AlertRule, false | RawAlertRule>>
  heartbeat?: { url: RawSecret; interval_ms?: number } | null
}

export interface RawNotifySink {
  kind: NotifySinkKind
  url?: string | RawSecret
  routing_key?: RawSecret
  token?: RawSecret
  min_severity?: 'info' | 'warning' | 'critical'
}

interface RawAlertRule {
  after_ms?: number
  count?: number
  ratio?: number
  calls?: number
}

interface RawKeys {
  mode?: 'off' | 'optional' | 'required'
  file?: string | null
  prefix?: string
  keyless_users?: string[]
}

interface RawIdentity {
  required?: boolean
  sources?: RawIdentitySource[]
}

/** Each kind has its own keys, which the schema checks. */
export type RawIdentitySource = { allow?: string[] } & (
  | { kind: 'cloudflare_access'; team: string; audience: string }
  | {
      kind: 'jwt'
      header: string
      issuer: string
      audience: string
      jwks_url: string
      algorithms: TokenAlgorithm[]
      client_claim?: string
    }
  | { kind: 'tailscale'; from_user?: string }
  | { kind: 'header'; header: string; from_user?: string }
)

export interface RawClient {
  models?: string[]
  boundary?: Boundary
  routes?: boolean
  rpm?: number
  tpm?: number
  max_parallel_requests?: number
  budgets?: RawBudget[]
}

/** For what has no route of its own, and for calls that name no model. */
interface RawRoutes {
  rest?: { provider: string } | null
  default_model?: {
    images?: string
    infill?: string
    moderations?: string
    native?: string
    responses?: string
  }
}

export interface RawBudget {
  usd?: number | string
  tokens?: number
  per: 'day' | 'week' | 'month' | 'total'
}

interface RawBudgets {
  time_zone?: string
  reserve?: 'predicted' | 'worst_case'
  when_exhausted?: 'finish' | 'cut'
  total?: RawBudget[]
}

interface RawUsage {
  enabled?: boolean
  keep_calls_days?: number
  keep_hours_days?: number
  client_names?: 'plain' | 'pseudonym'
}

interface RawTracing {
  endpoint?: string | null
  protocol?: 'http/protobuf' | 'http/json'
  headers?: Record<string, string | RawSecret>
  sample_ratio?: number
  service_name?: string
  resource?: Record<string, string>
  conventions?: 'semconv-1.36' | 'latest'
  session_headers?: string[]
  content?: 'never'
  view_url?: string | null
}

interface RawLogging {
  level?: 'error' | 'warn' | 'info' | 'debug'
  format?: 'auto' | 'json' | 'pretty'
  transport?: { target: string; options?: object } | null
}

interface RawServer {
  hosts?: string[]
  port?: number
  unix_socket?: string | null
  allowed_hosts?: string[]
  trusted_proxies?: RawTrustedProxy[]
  max_request_body_bytes?: number
  body_memory_bytes?: number | null
  shutdown_grace_ms?: number
  heartbeat_after_ms?: number
  workers?: number
  watch_config?: boolean
}

/** A Unix user, or a CIDR. */
export type RawTrustedProxy = string | { user: string }

export interface RawModelLimits {
  rpm?: number
  tpm?: number
  max_parallel_requests?: number
  when_limited?: 'reject' | 'wait'
  max_wait_ms?: number
}

export interface RawRateLimits {
  enabled?: boolean
  per_client?: { rpm?: number }
  default?: RawModelLimits
  when_limited?: 'reject' | 'wait'
  max_wait_ms?: number
  limits?: Record<string, RawModelLimits>
  store?: RawStore
}

/** Of the kind `memory`, it has nothing else. */
export interface RawStore {
  kind: 'memory' | 'valkey'
  url?: RawSecret
  prefix?: string
  when_unavailable?: WhenUnavailable
  members?: number
  ca_file?: string
  keys_signed_by?: string[]
  sign_keys_with?: RawSecret
}

/** Where a secret is. The first source that exists wins, in this order. */
export interface RawSecret {
  credential?: string
  file?: string
  env?: string
  /** Name of one that `secret set` has stored. */
  secret?: string
  optional?: boolean
}

interface RawTimeouts {
  connect_ms?: number
  first_byte_ms?: number
  idle_ms?: number
  total_ms?: number
}

interface RawHealthCheck {
  path?: string
  interval_ms?: number
}

/** `RawTranslation` holds what `ProviderTraits` does. */
export interface RawTranslation {
  max_tokens_field?: 'max_tokens' | 'max_completion_tokens'
  default_max_tokens?: number
  system_in_middle?: 'keep' | 'fold'
  system_role?: 'system' | 'developer'
  text_parts?: boolean
  reasoning_field?: 'reasoning_content' | 'reasoning' | 'none'
  reasoning_turns?: 'all' | 'last'
  efforts?: Effort[]
  think_tags?: boolean
  thinking?: 'adaptive' | 'budget'
  max_temperature?: number
  max_stop_sequences?: number | null
  top_k?: boolean
  tool_images?: boolean
  file_parts?: boolean
  prefill?: boolean
  platform_members?: boolean
  keep_billing_block?: boolean
  cache_prompts?: boolean
}

export interface RawProvider {
  kind?: 'anthropic' | 'echo' | 'llama_cpp' | 'ollama' | 'openai' | 'vllm'
  base_url?: string
  allow_http?: boolean
  proxy?: string
  api_key?: RawSecret
  auth?: 'bearer' | { header: string }
  headers?: Record<string, string | RawSecret>
  include_usage?: 'auto' | 'always' | 'never'
  whole_as_stream?: 'auto' | 'always' | 'never'
  trace_context?: 'auto' | 'always' | 'never'
  speaks?: 'auto' | ('chat' | 'messages' | 'responses')[]
  translation?: RawTranslation
  timeouts?: RawTimeouts
  root_url?: string
  max_parallel_requests?: number | 'auto'
  context_length?: number
  takes?: Ability[]
  health_check?: boolean | RawHealthCheck
  discover_models?: boolean
  allow_management?: boolean
  service?: RawService
  price?: RawPriceSetting
}

export interface RawService {
  unit?: string
  run?: string[]
  environment?: Record<string, string>
  working_directory?: string
  memory_max?: string
  ready?: string
  start_timeout_ms?: number
  stop_after_idle_ms?: number
  keep?: boolean
  start?: 'call' | 'boot'
  when_starting?: 'wait' | 'failover'
}

export interface RawServices {
  manager?: 'user' | 'system'
  groups?: Record<string, RawServiceGroup>
}

interface RawServiceGroup {
  /** Required; absent only where it has a fault. */
  members?: string[]
  running?: number
  min_run_ms?: number
  max_run_ms?: number
}

export type RawPriceSetting = 'free' | 'reported' | RawPrice

export interface RawTarget {
  provider: string
  model?: string
  tier?: number
  weight?: number
  context_length?: number
  takes?: Ability[]
  price?: RawPriceSetting
}

export interface RawModel {
  provider?: string
  model?: string
  targets?: RawTarget[]
  aliases?: string[]
  fallbacks?: string[]
  context_length?: number
  takes?: Ability[]
  translation?: RawTranslation
  price?: RawPriceSetting
  boundary?: Boundary
  when?: RawWhenRule[]
  use?: string
  /** Names of members, or JSON pointers. */
  request?: { default?: Record<string, unknown>; set?: Record<string, unknown>; drop?: string[] }
}

/** Of its conditions, each that is there has to hold. */
interface RawWhenRule {
  prompt_tokens_over?: number
  images?: boolean
  tools?: boolean
  thinking?: boolean
  use: string
}
