// Olla's configuration: endpoints whose models are discovered.
import { isObject, membersOf } from '../../bytes/json/parse.ts'
import type { RawProvider, RawTarget } from '../../config/raw.ts'
import { parseDurationMs } from '../../http/duration.ts'
import type { Draft } from './draft.ts'
import type { Foreign, Reasons } from './foreign.ts'
import { ProviderBook, withVersion } from './provider-book.ts'
import { setListener } from './listener.ts'
import type { Source } from './source.ts'

const network = 'the gateway has timeouts of its own for clients (docs/security.md)'

const reasons: Reasons = [
  ['server.read_timeout', network],
  ['server.read_header_timeout', network],
  ['server.write_timeout', network],
  ['server.idle_timeout', network],
  [
    'server.cors',
    'write cors by hand: pages of this machine are allowed, all others refused (docs/config.md)',
  ],
  ['server.request_limits.max_header_size', 'the size of headers is fixed'],
  [
    'server.rate_limits.global_requests_per_minute',
    'limits apply to clients and to models; none covers all calls together',
  ],
  ['server.rate_limits.burst_size', 'limits are exact over any 60 seconds'],
  ['server.rate_limits.health_requests_per_minute', 'GET /healthz has no limit'],
  ['server.rate_limits.cleanup_interval', 'it has no meaning here'],
  [
    'server.rate_limits.trust_proxy_headers',
    'name the user of the front proxy in server.trusted_proxies (docs/remote.md)',
  ],
  [
    'server.rate_limits.trusted_proxy_cidrs',
    'name the user of the front proxy in server.trusted_proxies (docs/remote.md)',
  ],
  ['proxy.engine', 'there is one engine here'],
  ['proxy.profile', 'there is one engine here'],
  ['proxy.retry', 'Olla itself ignores it; see routing.retries'],
  ['proxy.sticky_sessions', 'a conversation returns to the server that has it cached (docs/routing.md)'],
  ['proxy.tls_handshake_timeout', 'it is part of timeouts.connect_ms'],
  ['proxy.connection_keep_alive', 'connections are kept as long as the server allows'],
  ['proxy.stream_buffer_size', 'events pass as they arrive'],
  ['discovery.model_discovery', 'lists are requested every 30 s, and when a call names an unknown model'],
  ['discovery.refresh_interval', 'lists are requested every 30 s, and when a call names an unknown model'],
  ['discovery.type', 'endpoints stand in the file'],
  ['model_registry', 'a name that several local providers list is one model'],
  ['translators', 'POST /v1/messages is always there'],
  ['logging.output', 'the log goes to standard output, or to logging.transport'],
  ['logging.format', 'logging.format is auto: for people on a terminal, JSON elsewhere'],
  ['engineering', 'see docs/observing.md'],
  ['dashboard', 'see status (docs/status.md)'],
  [
    'discovery.static.endpoints.*.model_filter',
    'every model that a provider lists can be called; keys can be bound to models',
  ],
  ['discovery.static.endpoints.*.model_url', 'lists are requested below the base URL'],
  ['discovery.static.endpoints.*.check_timeout', 'a health check takes 5 s at most'],
  ['discovery.static.endpoints.*.preserve_path', 'paths are those of the API'],
  [
    'discovery.static.endpoints.*.priority',
    'tiers belong to the targets of a model: it was carried to the models of model_aliases',
  ],
]

export const olla: Source = {
  name: 'olla',
  title: 'Olla',
  recognizes: (value) =>
    Array.isArray(membersOf(membersOf(value['discovery'])['static'])['endpoints']) ||
    (isObject(value['model_aliases']) && isObject(value['proxy'])),
  variables: { whole: (text) => /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/.exec(text.trim())?.[1] },
  reasons,
  convert,
}

const kinds: Readonly<Record<string, RawProvider['kind']>> = {
  ollama: 'ollama',
  llamacpp: 'llama_cpp',
  'llama-cpp': 'llama_cpp',
  vllm: 'vllm',
}

/** An endpoint, as far as models of `model_aliases` need it. */
interface Endpoint {
  readonly provider: string
  readonly priority: number
}

function convert(root: Foreign, draft: Draft): void {
  setListener(root.get('server'), draft)
  setServer(root.get('server'), draft)
  const proxy = root.get('proxy')
  const [timeouts, places] = readTimeouts(proxy)
  const book = new ProviderBook(draft)
  const endpoints = root
    .at('discovery', 'static', 'endpoints')
    .items()
    .flatMap((item) => addEndpoint(item, timeouts, draft, book) ?? [])
  for (const place of places) {
    for (const { provider } of endpoints) draft.carried(place, ['providers', provider])
  }
  const balancer = proxy.get('load_balancer')
  const name = balancer.text()
  if (name !== undefined && /^least[-_]conn/.test(name)) {
    draft.config.routing = { placement: 'least_busy' }
    draft.carried(balancer, ['routing', 'placement'])
  } else if (name !== undefined) {
    draft.changed(
      balancer,
      undefined,
      'a call goes where its first token is expected soonest, in the order of tiers',
    )
  }
  addAliases(root.get('model_aliases'), endpoints, name === 'priority', draft)
  const level = root.at('logging', 'level').text()
  if (level === 'debug' || level === 'info' || level === 'warn' || level === 'error')
    draft.config.logging = { level }
  draft.errand(
    'The base URLs of clients change: /olla/openai/v1 becomes /v1, and /olla/anthropic/v1 the root of the gateway.',
  )
}

function setServer(server: Foreign, draft: Draft): void {
  const size = server.at('request_limits', 'max_body_size')
  const bytes = sizeOf(size)
  if (bytes !== undefined) {
    draft.config.server = {
      ...draft.config.server,
      max_request_body_bytes: Math.min(1_073_741_824, Math.max(1024, bytes)),
    }
    draft.carried(size, ['server', 'max_request_body_bytes'])
  }
  const grace = durationOf(server.get('shutdown_timeout'))
  if (grace !== undefined) {
    draft.config.server = { ...draft.config.server, shutdown_grace_ms: Math.min(3_600_000, grace) }
  }
  const rate = server.at('rate_limits', 'per_ip_requests_per_minute')
  const rpm = rate.number()
  if (rpm === undefined) return
  draft.config.rate_limit_settings = {
    per_client: rpm > 0 ? { rpm: Math.min(10_000_000, Math.ceil(rpm)) } : {},
  }
  draft.changed(
    rate,
    ['rate_limit_settings', 'per_client'],
    'for each Unix user or address, exact over any 60 seconds',
  )
}

function sizeOf(node: Foreign): number | undefined {
  const number = node.number()
  if (number !== undefined) return Math.round(number)
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmg])i?b?$/i.exec(node.word) ?? []
  if (digits === undefined) return undefined
  node.take()
  return Math.round(Number(digits) * 1024 ** ' kmg'.indexOf(unit.toLowerCase()))
}

function durationOf(node: Foreign): number | undefined {
  const { value } = node
  if (typeof value !== 'string') return undefined
  const ms = parseDurationMs(value, { nowMs: 0 })
  if (ms !== undefined) node.take()
  return ms
}

/** And where they stand. */
function readTimeouts(proxy: Foreign): readonly [NonNullable<RawProvider['timeouts']>, readonly Foreign[]] {
  const timeouts: NonNullable<RawProvider['timeouts']> = {}
  const places: Foreign[] = []
  for (const [ours, theirs] of [
    ['connect_ms', 'connection_timeout'],
    ['first_byte_ms', 'response_header_timeout'],
    ['idle_ms', 'read_timeout'],
    ['total_ms', 'response_timeout'],
  ] as const) {
    const ms = durationOf(proxy.get(theirs))
    if (ms === undefined) continue
    timeouts[ours] = Math.min(86_400_000, ms)
    places.push(proxy.get(theirs))
  }
  return [timeouts, places]
}

function addEndpoint(
  item: Foreign,
  timeouts: NonNullable<RawProvider['timeouts']>,
  draft: Draft,
  book: ProviderBook,
): Endpoint | undefined {
  const url = draft.text(item.get('url'))
  if (url === undefined) {
    draft.leftOut(item, 'its address (url) could not be carried')
    return undefined
  }
  const name = draft.name(item.get('name')) ?? 'endpoint'
  const type = item.get('type').text() ?? 'openai-compatible'
  const auth = item.get('auth')
  const provider = book.find(item, {
    kind: kinds[type] ?? 'openai',
    baseUrl: withVersion(url),
    name,
    identity: name,
    key: (owner) => keyOf(auth, owner, draft),
    ...(auth.get('type').value === 'api_key' && {
      auth: { header: auth.get('header').text() ?? 'X-Api-Key' },
    }),
  })
  auth.get('type').take()
  const entry = draft.config.providers[provider]!
  entry.discover_models = true
  if (Object.keys(timeouts).length > 0) entry.timeouts = { ...timeouts }
  addHealthCheck(item, entry, draft, provider)
  draft.headers(item.get('headers'), provider)
  return { provider, priority: priorityOf(item.get('priority')) }
}

/** It stays untaken, so that its note says what becomes of it. */
function priorityOf({ value }: Foreign): number {
  return typeof value === 'number' ? value : 100
}

function keyOf(auth: Foreign, owner: string, draft: Draft): RawProvider['api_key'] {
  const type = auth.get('type').value
  if (type === 'basic') {
    draft.leftOut(
      auth,
      'a user name and a password are sent as a header: write headers with a reference to a secret',
    )
    draft.errand(
      `providers.${owner} had a user name and a password: write an Authorization header that refers to a secret (docs/config.md).`,
    )
    return undefined
  }
  const file = auth.anyOf('token_file', 'key_file')
  const path = file.text()
  if (path !== undefined) return { file: path }
  return draft.key(auth.anyOf('token', 'key'), owner)
}

function addHealthCheck(item: Foreign, entry: RawProvider, draft: Draft, provider: string): void {
  const path = item.get('health_check_url')
  const interval = item.get('check_interval')
  const text = draft.text(path)
  const ms = durationOf(interval)
  if (text === undefined && ms === undefined) return
  const below = text === undefined ? undefined : text.startsWith('http') ? URL.parse(text)?.pathname : text
  entry.health_check = {
    // Below the root of the server, where Olla's paths begin.
    ...(below !== undefined && { path: `//${below.replace(/^\/+/, '')}` }),
    ...(ms !== undefined && { interval_ms: Math.min(3_600_000, Math.max(1000, ms)) }),
  }
  draft.carried(path.isThere ? path : interval, ['providers', provider])
}

function addAliases(aliases: Foreign, endpoints: readonly Endpoint[], hasTiers: boolean, draft: Draft): void {
  const priorities = [...new Set(endpoints.map(({ priority }) => priority))].sort((one, other) => other - one)
  for (const [alias, names] of aliases.members()) {
    const targets = names.texts().flatMap((model) =>
      endpoints.map(({ provider, priority }): RawTarget => ({
        provider,
        model,
        ...(hasTiers && priorities.length > 1 && { tier: Math.min(100, priorities.indexOf(priority) + 1) }),
      })),
    )
    if (targets.length === 0) continue
    draft.config.models[alias] = { targets }
    draft.changed(
      names,
      ['models', alias],
      'a target for each endpoint and name: remove those that do not have the model',
    )
  }
}
