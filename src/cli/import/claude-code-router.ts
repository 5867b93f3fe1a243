// The configuration of @musistudio/claude-code-router.
import { isObject } from '../../bytes/json/parse.ts'
import type { RawModel, RawProvider } from '../../config/raw.ts'
import { requireKeys } from './client-keys.ts'
import type { Draft } from './draft.ts'
import type { Foreign, Reasons } from './foreign.ts'
import { clamped } from './numbers.ts'
import { setListener } from './listener.ts'
import { ProviderBook, withoutRoute } from './provider-book.ts'
import { addRequest, isHarmless, memberName, notHarmless } from './request-members.ts'
import type { Source } from './source.ts'

const transformer =
  'the gateway translates to the format that the server speaks (docs/clients.md); see translation under a provider'

const reasons: Reasons = [
  [
    'API_TIMEOUT_MS',
    'it was meant for Claude Code itself, which reads API_TIMEOUT_MS from its environment; see the timeouts of a provider',
  ],
  ['LOG', 'use logging'],
  ['LOG_LEVEL', 'use logging.level; keys are never logged'],
  ['NON_INTERACTIVE_MODE', 'the gateway never asks'],
  ['StatusLine', 'it is a setting of Claude Code'],
  ['CUSTOM_ROUTER_PATH', 'the gateway runs no code from files; see when under a model (docs/routing.md)'],
  ['REWRITE_SYSTEM_PROMPT', 'prompts are never changed'],
  ['forceUseImageAgent', 'a rule with images leads to a model that takes them'],
  ['transformers', transformer],
  ['plugins', 'the gateway runs no code from files'],
  ['tokenizer', 'prompts are estimated by their size, or counted by the server'],
  ['Providers.*.transformer', transformer],
  ['providers.*.transformer', transformer],
  ['Router.webSearch', 'there is no condition for a particular kind of tool; see when: tools'],
  ['Router.longContextThreshold', 'it has no effect without longContext'],
  ['fallback.webSearch', 'there is no condition for a particular kind of tool'],
  ['Router.customRouterPath', 'the gateway runs no code from files'],
]

export const claudeCodeRouter: Source = {
  name: 'claude-code-router',
  title: 'claude-code-router',
  recognizes: (value) =>
    isObject(value['Router']) ||
    [value['Providers'], value['providers']].some(
      (list) => Array.isArray(list) && list.some((each) => isObject(each) && 'api_base_url' in each),
    ),
  variables: {
    whole: (text) => {
      const match = /^\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))$/.exec(text.trim())
      return match?.[1] ?? match?.[2]
    },
    within: /\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))/g,
    // It sends the text of a reference to an unset variable as it stands, so a key may begin with a dollar sign.
    unsetNames: /^[A-Z_][A-Z0-9_]*$/,
  },
  reasons,
  convert,
}

function convert(root: Foreign, draft: Draft): void {
  setListener(root, draft, { host: 'HOST', port: 'PORT' })
  const book = new ProviderBook(draft)
  const proxy = draft.text(root.get('PROXY_URL'))
  const providers = new Map(
    root
      .anyOf('Providers', 'providers')
      .items()
      .flatMap((provider) => addProvider(provider, proxy, draft, book) ?? []),
  )
  addRoutes(root.get('Router'), root.get('fallback'), providers, draft)
  const key = root.get('APIKEY')
  if (key.isThere && key.value !== '') requireKeys(key, draft)
}

/** @returns its name there, and ours. */
function addProvider(
  provider: Foreign,
  proxy: string | undefined,
  draft: Draft,
  book: ProviderBook,
): [readonly [string, string]] | undefined {
  const id = draft.name(provider.get('name'))
  const url = draft.text(provider.get('api_base_url'))
  if (id === undefined || url === undefined) {
    draft.leftOut(provider, 'it has no name, or its address (api_base_url) could not be carried')
    return undefined
  }
  const key = provider.get('api_key')
  const name = book.find(provider, {
    ...addressOf(url),
    name: id,
    identity: id,
    key: (owner) => draft.key(key, owner),
  })
  const entry = draft.config.providers[name]!
  if (proxy !== undefined && proxy !== '' && !/\/\/(?:localhost|127\.|\[::1\])/.test(url)) entry.proxy = proxy
  const request = readTransformers(provider.get('transformer'), draft)
  for (const item of provider.get('models').items()) {
    const model = draft.name(item)
    if (model === undefined) continue
    const full = `${id}/${model}`
    // Clients of the other gateway write a comma.
    const made: RawModel = { provider: name, model, aliases: [`${id},${model}`] }
    draft.config.models[full] = made
    draft.carried(item, ['models', full])
    addRequest(made, request.get(model) ?? {})
    addRequest(made, request.get('use') ?? {})
    if (Object.keys(made.request ?? { any: 1 }).length === 0) delete made.request
  }
  return [[id, name]]
}

/** The whole URL of a route becomes the base URL of a kind. */
function addressOf(url: string): { readonly kind?: RawProvider['kind']; readonly baseUrl: string } {
  if (/generativelanguage\.googleapis\.com/.test(url)) {
    return { baseUrl: url.replace(/\/(v\d+(?:alpha|beta)?)(?:\/.*)?$/, '/$1/openai') }
  }
  if (/\/messages\/*$/.test(url)) return { kind: 'anthropic', baseUrl: withoutRoute(url) }
  return { baseUrl: withoutRoute(url) }
}

/** Options of transformers that are members of requests, by model, or for `use`: all models. */
function readTransformers(
  node: Foreign,
  draft: Draft,
): ReadonlyMap<string, NonNullable<RawModel['request']>> {
  const found = new Map<string, NonNullable<RawModel['request']>>()
  const uses: [string, Foreign][] = [
    ['use', node.get('use')],
    ...node
      .members()
      .flatMap(([model, of]): [string, Foreign][] => (model === 'use' ? [] : [[model, of.get('use')]])),
  ]
  for (const [model, list] of uses) {
    for (const item of list.items()) {
      const [name, options] = item.items()
      if (
        options === undefined ||
        !/^(?:maxtoken|maxcompletiontokens|sampling|customparams)$/.test(name?.word ?? '')
      ) {
        draft.leftOut(item, transformer)
        continue
      }
      const set: [string, unknown][] = []
      for (const [member, value] of options.members()) {
        if (isHarmless(member, value.value)) set.push([memberName(member), value.take()])
        else draft.leftOut(value, notHarmless)
      }
      name?.take()
      if (set.length > 0) found.set(model, { set: { ...found.get(model)?.set, ...Object.fromEntries(set) } })
    }
  }
  return found
}

const scenarios = ['default', 'background', 'think', 'longContext', 'image'] as const

/** The names of Claude Code's small models, which it uses in the background. */
const smallModels = ['claude-haiku-*', 'claude-3-5-haiku-*', 'claude-3-haiku-*']

/** @param providers ours, by the names of the file. */
function addRoutes(
  router: Foreign,
  fallback: Foreign,
  providers: ReadonlyMap<string, string>,
  draft: Draft,
): void {
  const { models } = draft.config
  const uses = new Map<string, string>()
  for (const scenario of scenarios) {
    const node = router.get(scenario)
    const ref = node.text()
    if (ref === undefined || ref === '') continue
    const name = modelOf(ref, providers, draft)
    if (name !== undefined) uses.set(scenario, name)
    else if (ref.includes(',')) draft.leftOut(node, 'it names a provider that is not here')
    else draft.leftOut(node, 'it does not have the form provider,model')
  }
  addFallbacks(fallback, uses, providers, draft)
  const usual = uses.get('default')
  if (usual === undefined) return
  const threshold = router.get('longContextThreshold').number() ?? 60_000
  const long = uses.get('longContext')
  const rules: NonNullable<RawModel['when']> = []
  if (long !== undefined) rules.push({ prompt_tokens_over: clamped(threshold, 1, 100_000_000), use: long })
  const image = uses.get('image')
  if (image !== undefined) rules.push({ images: true, use: image })
  const small = uses.get('background')
  if (small !== undefined) {
    const before = rules.filter((rule) => rule.prompt_tokens_over !== undefined)
    for (const name of smallModels) {
      models[name] = { ...(before.length > 0 && { when: structuredClone(before) }), use: small }
      draft.changed(
        router.get('background'),
        ['models', name],
        'by the names of small models; a * can stand only at the end of a name',
      )
    }
  }
  const think = uses.get('think')
  if (think !== undefined) rules.push({ thinking: true, use: think })
  models['claude-*'] = { ...(rules.length > 0 && { when: rules }), use: usual }
  for (const scenario of ['longContext', 'image', 'think']) {
    if (uses.has(scenario)) draft.carried(router.get(scenario), ['models', 'claude-*'])
  }
  draft.changed(
    router.get('default'),
    ['models', 'claude-*'],
    'for names that begin with claude-; any other unknown name gets 404 here',
  )
}

function fallbackOf(item: Foreign, providers: ReadonlyMap<string, string>, draft: Draft): string | undefined {
  const name = modelOf(item.word, providers, draft)
  if (name === undefined) draft.leftOut(item, 'it names no provider that is here')
  else item.take()
  return name
}

/** Our name of the model of a route. Undefined: it names no provider of the file. */
function modelOf(ref: string, providers: ReadonlyMap<string, string>, draft: Draft): string | undefined {
  // A model's own name may have commas.
  const comma = ref.indexOf(',')
  const [id, model] = [ref.slice(0, comma).trim(), ref.slice(comma + 1).trim()]
  const provider = providers.get(id)
  if (comma < 0 || provider === undefined) return undefined
  // A route may name a model that its provider does not list, such as one with a suffix of OpenRouter's.
  draft.config.models[`${id}/${model}`] ??= { provider, model, aliases: [`${id},${model}`] }
  return `${id}/${model}`
}

function addFallbacks(
  fallback: Foreign,
  uses: ReadonlyMap<string, string>,
  providers: ReadonlyMap<string, string>,
  draft: Draft,
): void {
  for (const scenario of scenarios) {
    const list = fallback.get(scenario)
    const name = uses.get(scenario)
    if (name === undefined) continue
    const model = draft.config.models[name]!
    const names = list
      .items()
      .flatMap((item) => fallbackOf(item, providers, draft) ?? [])
      .filter((each) => each !== name)
    if (names.length === 0) continue
    model.fallbacks = [...new Set([...(model.fallbacks ?? []), ...names])]
    draft.changed(list, ['models', name], 'fallbacks belong to the model here, whichever route led to it')
  }
}
