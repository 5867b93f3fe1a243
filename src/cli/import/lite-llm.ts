// LiteLLM's config.yaml, as its proxy reads it (1.108).
import type { RawConfig } from '../../config/raw.ts'
import { isObject } from '../../bytes/json/parse.ts'
import { requireKeys } from './client-keys.ts'
import type { Draft } from './draft.ts'
import type { Foreign } from './foreign.ts'
import { addAliases, addFallbacks } from './lite-llm-fallbacks.ts'
import { convertModelList } from './lite-llm-models.ts'
import { firstSeconds, prevailing } from './lite-llm-provider.ts'
import { clamped } from './numbers.ts'
import { ProviderBook } from './provider-book.ts'
import { liteLlmReasons } from './lite-llm-reasons.ts'
import type { Source } from './source.ts'

export const liteLlm: Source = {
  name: 'litellm',
  title: 'LiteLLM',
  recognizes: (value) =>
    Array.isArray(value['model_list']) ||
    isObject(value['litellm_settings']) ||
    isObject(value['router_settings']),
  variables: { whole: (text) => /^os\.environ\/([A-Za-z_][A-Za-z0-9_]*)$/.exec(text.trim())?.[1] },
  includes: (value) => (Array.isArray(value['include']) ? value['include'] : []),
  reasons: liteLlmReasons,
  convert,
}

function convert(root: Foreign, draft: Draft): void {
  const router = root.get('router_settings')
  const settings = root.get('litellm_settings')
  readVariables(root.get('environment_variables'), draft)
  const book = new ProviderBook(draft)
  const lengths = convertModelList(root.get('model_list'), draft, book, {
    areLimitsEnforced: areLimitsEnforced(router),
    credentials: readCredentials(root.get('credential_list')),
    defaults: router.get('default_litellm_params'),
  })
  addAliases(router.get('model_group_alias'), draft)
  addFallbacks([router, settings], lengths, draft)
  setRouting({ router, module: settings }, draft)
  setTimeouts({ router, module: settings }, draft)
  setBudget(settings, draft)
  setGeneral(root.get('general_settings'), draft)
}

/** Variables that the file sets with a literal value, which may be the keys of providers. */
function readVariables(variables: Foreign, draft: Draft): void {
  for (const [name, value] of variables.members()) {
    if (value.value !== undefined) draft.ownVariables.set(name, value)
    if (typeof value.value === 'string') draft.withhold(value.value)
  }
}

function areLimitsEnforced(router: Foreign): boolean {
  const checks = router.get('optional_pre_call_checks')
  const isChecked = checks.texts().includes('enforce_model_rate_limits')
  return isChecked || router.get('routing_strategy').word.startsWith('usage-based-routing')
}

function readCredentials(list: Foreign): ReadonlyMap<string, Foreign> {
  const named = list.items().flatMap((item): [string, Foreign][] => {
    const name = item.get('credential_name').text()
    item.get('credential_info').take()
    return name === undefined ? [] : [[name, item.get('credential_values')]]
  })
  return new Map(named)
}

interface Settings {
  readonly router: Foreign
  /** `litellm_settings`, which the router takes where its own settings have none. */
  readonly module: Foreign
}

function setRouting({ router, module }: Settings, draft: Draft): void {
  const routing: NonNullable<RawConfig['routing']> = {}
  const retries = prevailing(
    [router, module].map((place) => place.get('num_retries')),
    () => true,
    draft,
  )
  if (retries !== undefined) {
    routing.retries = clamped(retries.number()!, 0, 10)
    draft.carried(retries, ['routing', 'retries'])
  }
  const cooldown = prevailing([router.get('cooldown_time')], (number) => number > 0, draft)
  if (cooldown !== undefined) {
    routing.cooldown_ms = clamped(cooldown.number()! * 1000, 0, 3_600_000)
    draft.changed(
      cooldown,
      ['routing', 'cooldown_ms'],
      'seconds there, milliseconds here; how long it lasts also depends on the kind of failure',
    )
  }
  const disabled = router.get('disable_cooldowns')
  if (disabled.boolean() === true) {
    routing.cooldown_ms = 0
    draft.carried(disabled, ['routing', 'cooldown_ms'])
  }
  const strategy = router.get('routing_strategy')
  const name = strategy.text()
  if (name === 'least-busy') {
    routing.placement = 'least_busy'
    draft.carried(strategy, ['routing', 'placement'])
  } else if (name !== undefined) {
    draft.changed(
      strategy,
      undefined,
      'a call goes where its first token is expected soonest, with the weights of the targets',
    )
  }
  if (Object.keys(routing).length > 0) draft.config.routing = routing
}

/** For providers whose models have no timeout of their own. */
function setTimeouts({ router, module }: Settings, draft: Draft): void {
  const usual = router.get('default_litellm_params')
  for (const [ours, places] of [
    // LiteLLM lets request_timeout overrule the timeout of the router.
    ['total_ms', [module.get('request_timeout'), router.get('timeout'), usual.get('timeout')]],
    ['first_byte_ms', [router.get('stream_timeout'), usual.get('stream_timeout')]],
  ] as const) {
    const found = firstSeconds(places, draft)
    if (found === undefined) continue
    const concerned = Object.entries(draft.config.providers).filter(
      ([, { timeouts }]) => timeouts?.[ours] === undefined,
    )
    for (const [, provider] of concerned) provider.timeouts = { ...provider.timeouts, [ours]: found.ms }
    const [first] = concerned
    if (first === undefined) continue
    draft.changed(
      found.place,
      ['providers', first[0]],
      'for every provider whose models have no timeout of their own',
    )
  }
}

const periods: Readonly<Record<string, 'day' | 'week' | 'month'>> = {
  '24h': 'day',
  '1d': 'day',
  '7d': 'week',
  '30d': 'month',
  '1mo': 'month',
}

function setBudget(settings: Foreign, draft: Draft): void {
  const node = settings.get('max_budget')
  const usd = node.number()
  if (usd === undefined) return
  const duration = settings.get('budget_duration')
  const word = duration.text()
  const per = word === undefined ? 'total' : periods[word]
  if (per === undefined) {
    draft.leftOut(node, 'budgets run for a day, a week or a month, or without an end, here')
    return
  }
  draft.config.budgets = { total: [{ usd: String(Math.round(usd * 100) / 100), per }] }
  draft.changed(
    node,
    ['budgets'],
    'a calendar window here (time_zone), and exact: a call that does not fit is refused',
  )
}

function setGeneral(general: Foreign, draft: Draft): void {
  const master = general.get('master_key')
  if (master.isThere) requireKeys(master, draft)
  const ips = general.get('allowed_ips')
  const addresses = ips.texts()
  if (addresses.length > 0) {
    draft.config.access = { allowed_ips: [...addresses] }
    draft.carried(ips, ['access', 'allowed_ips'])
  }
  const size = general.get('max_request_size_mb')
  const megabytes = size.number()
  if (megabytes !== undefined) {
    draft.config.server = { max_request_body_bytes: clamped(megabytes * 1024 * 1024, 1024, 1_073_741_824) }
    draft.carried(size, ['server', 'max_request_body_bytes'])
  }
  const checks = general.get('background_health_checks')
  const interval = general.get('health_check_interval')
  const seconds = interval.number()
  if (checks.boolean() !== true) return
  const [first, ...others] = Object.entries(draft.config.providers)
  if (first === undefined) return
  for (const [, provider] of [first, ...others]) {
    provider.health_check =
      seconds === undefined ? true : { interval_ms: clamped(seconds * 1000, 1000, 3_600_000) }
  }
  draft.changed(
    checks,
    ['providers', first[0]],
    'for every provider; a health check here asks for the list of models, not for an answer from a model',
  )
}
