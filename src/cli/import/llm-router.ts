// The configuration of @khanglvm/llm-router, versions 1 and 2.
import { isObject } from '../../bytes/json/parse.ts'
import type { RawModel } from '../../config/raw.ts'
import { requireKeys } from './client-keys.ts'
import type { Draft } from './draft.ts'
import type { Foreign, Reasons } from './foreign.ts'
import { addAliases, type Names } from './llm-router-aliases.ts'
import { clamped } from './numbers.ts'
import { ProviderBook, withoutRoute, withVersion } from './provider-book.ts'
import type { Source } from './source.ts'

const tool =
  'it is a setting of a tool, not of routing; llm-gateway knows the tools as clients (docs/clients.md)'

const reasons: Reasons = [
  ['version', 'the gateway does not need it'],
  ['amp', tool],
  ['ampcode', tool],
  ['claudeCode', tool],
  ['claude-code', tool],
  ['webSearch', 'the gateway runs no tools'],
  ['web-search', 'the gateway runs no tools'],
  ['defaultModel', 'every call names its model; write a model named default, with use'],
  ['metadata', 'see logging, status and server.watch_config'],
  ['metadata.*', 'see logging, status and server.watch_config'],
  ['metadata.localServer.*', 'see logging, status and server.watch_config'],
  ['ollama', 'what a provider of kind ollama lists can be called; Ollama itself keeps models in memory'],
  ['providers.*.enabled', 'leave a provider out to disable it'],
  ['providers.*.anthropicVersion', 'the version that the client names is sent'],
  ['providers.*.anthropicBeta', 'what the client names is sent'],
  ['providers.*.models.*.capabilities', 'what a server reports of its model counts; see takes'],
  ['providers.*.models.*.cost', 'see price (docs/prices.md)'],
  ['providers.*.models.*.variant', 'models are named as their provider names them'],
  ['providers.*.models.*.metadata', 'models have no metadata'],
  ['providers.*.models.*.formats', 'the gateway finds out which formats a server speaks'],
  ['providers.*.models.*.enabled', 'leave a model out to disable it'],
  ['providers.*.authByFormat', 'a provider has one way to send its key: write auth'],
  ['providers.*.baseUrlByFormat', 'a provider has one base URL'],
]

export const llmRouter: Source = {
  name: 'llm-router',
  title: 'llm-router',
  recognizes: (value) =>
    Array.isArray(value['providers']) &&
    (isObject(value['modelAliases']) || 'masterKey' in value || value['providers'].some(isRouterProvider)),
  // It has no references: a text is sent as it is.
  variables: { whole: () => undefined },
  reasons,
  convert,
}

const isRouterProvider = (each: unknown) =>
  isObject(each) &&
  ['baseUrl', 'base-url', 'apiKeyEnv', 'rateLimits', 'rate-limits', 'format'].some((key) => key in each)

function convert(root: Foreign, draft: Draft): void {
  const book = new ProviderBook(draft)
  const names: Names = { models: new Map(), fallbacks: [] }
  for (const provider of root.get('providers').items()) addProvider(provider, draft, book, names)
  addAliases(root.anyOf('modelAliases', 'model-aliases'), draft, names)
  for (const { name, list } of names.fallbacks) {
    const model = draft.config.models[name]
    const known = list.texts().filter((each) => draft.config.models[each] !== undefined && each !== name)
    if (model === undefined || known.length === 0) continue
    model.fallbacks = known
    draft.carried(list, ['models', name])
  }
  addDefault(root.anyOf('defaultModel', 'default-model'), draft)
  const master = root.anyOf('masterKey', 'master-key')
  const isRequired = root.at('metadata', 'localServer', 'requireAuth').boolean() === true
  if (master.isThere && isRequired) requireKeys(master, draft)
  else if (master.isThere) {
    draft.withhold(master.word)
    draft.leftOut(master, 'keys were not required; llm-gateway key create makes them')
  }
  draft.errand(
    'llm-router listens on 127.0.0.1:8376; the gateway on server.port, 4000 without it. The base URL for OpenAI clients is /v1.',
  )
}

function addProvider(provider: Foreign, draft: Draft, book: ProviderBook, names: Names): void {
  const id = draft.name(provider.anyOf('id', 'name')) ?? 'provider'
  provider.get('name').take()
  const type = provider.get('type').text()
  if (type === 'subscription' || provider.get('subscriptionType').isThere) {
    draft.leftOut(provider, 'the gateway uses API keys, not subscriptions')
    return
  }
  const isClaude = /^(?:claude|anthropic)$/.test(provider.anyOf('format', 'responseFormat').text() ?? '')
  const written = draft.text(provider.anyOf('baseUrl', 'base-url', 'endpoint'))
  const url = written ?? (type === 'ollama' ? 'http://localhost:11434/v1' : undefined)
  if (url === undefined && !isClaude) {
    draft.leftOut(provider, 'its address (baseUrl) could not be carried')
    return
  }
  if (provider.get('enabled').boolean() === false) {
    draft.leftOut(provider, 'it is disabled there')
    return
  }
  const key = provider.anyOf('apiKey', 'credential')
  const variable = provider.get('apiKeyEnv')
  const auth = readAuth(provider.get('auth'))
  const name = book.find(provider, {
    kind: type === 'ollama' ? 'ollama' : isClaude ? 'anthropic' : 'openai',
    baseUrl: url === undefined ? undefined : withVersion(withoutRoute(url)),
    name: id,
    identity: id,
    key: (owner) => {
      const named = variable.text()
      return key.isThere ? draft.key(key, owner) : named === undefined ? undefined : draft.variable(named)
    },
    ...(auth !== undefined && { auth }),
  })
  draft.headers(provider.get('headers'), name)
  const models = provider
    .get('models')
    .items()
    .flatMap((item) => addModel(item, id, name, draft, names) ?? [])
  addRateLimits(provider.anyOf('rateLimits', 'rate-limits'), models, id, draft)
}

function readAuth(auth: Foreign): 'bearer' | { header: string } | undefined {
  const type = auth.get('type').text()
  const header = auth.anyOf('headerName', 'header').text()
  if (type === 'x-api-key') return { header: 'x-api-key' }
  if (type === 'header' && header !== undefined) return { header }
  return undefined
}

/** @returns the name in the provider's list. */
function addModel(
  item: Foreign,
  id: string,
  provider: string,
  draft: Draft,
  names: Names,
): string | undefined {
  const isText = typeof item.value === 'string'
  const model = draft.name(isText ? item : item.anyOf('id', 'name', 'model'))
  if (model === undefined) return undefined
  if (!isText && item.get('enabled').boolean() === false) {
    draft.leftOut(item, 'it is disabled there')
    return undefined
  }
  const name = `${id}/${model}`
  const made: RawModel = { provider, model }
  draft.config.models[name] = made
  names.models.set(name, { provider, model })
  draft.carried(item, ['models', name])
  const aliases = isText
    ? []
    : item
        .get('aliases')
        .items()
        .flatMap((each) => draft.name(each) ?? [])
  // A bare id leads to the first provider that has it, as there.
  const isFree = (each: string) =>
    !Object.hasOwn(draft.config.models, each) &&
    !Object.values(draft.config.models).some((other) => other.aliases?.includes(each))
  const free = [...new Set([model, ...aliases])].filter(isFree)
  if (free.length > 0) made.aliases = free
  const context = item.get('contextWindow').number()
  if (context !== undefined && context > 0) made.context_length = Math.round(context)
  const list = item.anyOf(
    'fallbackModels',
    'fallback-models',
    'silentFallbacks',
    'silent-fallbacks',
    'fallbacks',
  )
  if (list.isThere) names.fallbacks.push({ name, list })
  return model
}

function addRateLimits(limits: Foreign, models: readonly string[], id: string, draft: Draft): void {
  for (const limit of limits.items()) {
    limit.get('id').take()
    limit.get('name').take()
    const requests = limit.anyOf('requests', 'limit', 'requests-per-window').number()
    const unit = limit.at('window', 'unit').text()
    const size = limit.at('window', 'size').number() ?? 1
    const texts = limit.get('models').texts()
    const concerned = texts.includes('all') || texts.length === 0 ? models : texts
    if (requests === undefined || unit !== 'minute' || size !== 1) {
      draft.leftOut(
        limit,
        'a limit here covers any 60 seconds; budgets count tokens or USD per day, week or month',
      )
    } else if (concerned.length !== 1) {
      draft.leftOut(limit, 'several models share it, and a limit here belongs to one model')
    } else {
      const name = `${id}/${concerned[0]!}`
      draft.limitsOf(name).rpm = clamped(requests, 1, 10_000_000)
      draft.changed(
        limit,
        ['rate_limit_settings', 'limits', name],
        'exact here: calls at the same time are counted one by one',
      )
    }
  }
}

function addDefault(node: Foreign, draft: Draft): void {
  const ref = node.text()
  const { models } = draft.config
  if (ref === undefined || models[ref] === undefined) return
  for (const name of ['default', 'smart']) {
    if (models[name] === undefined && name !== ref) models[name] = { use: ref }
  }
  draft.carried(node, ['models', 'default'])
}
