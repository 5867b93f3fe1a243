// llama-swap's configuration: model servers that take turns, and servers elsewhere.
import { isObject, membersOf } from '../../bytes/json/parse.ts'
import type { RawModel, RawTarget } from '../../config/raw.ts'
import { requireKeys } from './client-keys.ts'
import type { Draft } from './draft.ts'
import type { Foreign, Reasons } from './foreign.ts'
import { convertLocalModel, keepUnstopped, type LocalModels } from './llama-swap-models.ts'
import { Macros } from './llama-swap-macros.ts'
import { ProviderBook, withVersion } from './provider-book.ts'
import { addFilters } from './llama-swap-filters.ts'
import { addGroups } from './llama-swap-groups.ts'
import type { Source } from './source.ts'

const reasons: Reasons = [
  ['profiles', 'write aliases, and reload to change them'],
  ['matrix', 'a group counts its members, whatever their size (running)'],
  ['routing.router.settings.matrix', 'a group counts its members, whatever their size (running)'],
  ['routing.router.use', 'there is one kind of group here'],
  ['routing.scheduler', 'calls wait in a fair line, clients by turns'],
  ['logLevel', 'use logging.level; the logs of servers are in the journal'],
  ['logTimeFormat', 'every line of the log has its time'],
  ['logToStdout', 'the logs of servers are in the journal'],
  ['logRequests', 'each call has a line in the log, without its content'],
  ['metricsMaxInMemory', 'see usage.keep_calls_days'],
  ['captureBuffer', 'prompts and answers are never kept'],
  ['store', 'usage is in the ledger (docs/usage.md)'],
  ['sendLoadingState', 'a waiting stream gets heartbeats, which are not part of the answer'],
  ['includeAliasesInList', 'aliases are listed'],
  ['unloadTimeout', 'TimeoutStopSec= of a unit'],
  ['upstream', 'a provider has routes of its own at /providers/NAME (docs/native-routes.md)'],
  ['ui', 'the status page groups calls by client (docs/status.md)'],
  ['performance', 'see docs/metrics.md'],
  ['startPort', 'ports are fixed here, one for each server'],
  ['macros', 'macros were expanded'],
  ['models.*.macros', 'macros were expanded'],
  ['models.*.cmdStop', 'ExecStop= of a unit; a command is stopped by SIGTERM'],
  ['models.*.unloadTimeout', 'TimeoutStopSec= of a unit'],
  ['models.*.aliases.*.unlisted', 'every model is listed; a key can be bound to models'],
  ['models.*.unlisted', 'every model is listed; a key can be bound to models'],
  ['models.*.name', 'models have no name besides the one that calls use'],
  ['models.*.description', 'models have no description'],
  ['models.*.metadata', 'models have no metadata'],
  ['models.*.sendLoadingState', 'a waiting stream gets heartbeats, which are not part of the answer'],
  ['models.*.compat', 'it has no meaning here'],
  ['models.*.capabilities', 'what a server reports of its model counts; see takes'],
  ['models.*.timeouts.keepalive', 'connections are kept as long as the server allows'],
  ['selectors.*.name', 'models have no name besides the one that calls use'],
  ['selectors.*.description', 'models have no description'],
  ['selectors.*.metadata', 'models have no metadata'],
  ['selectors.*.unlisted', 'every model is listed; a key can be bound to models'],
]

export const llamaSwap: Source = {
  name: 'llama-swap',
  title: 'llama-swap',
  recognizes: (value) => {
    const hasCommands = Object.values(membersOf(value['models'])).some(
      (each) => isObject(each) && 'cmd' in each,
    )
    const hasPeers = Object.values(membersOf(value['peers'])).some(
      (each) => isObject(each) && 'proxy' in each,
    )
    return hasCommands || hasPeers
  },
  variables: {
    whole: (text) => /^\$\{env\.([A-Za-z_][A-Za-z0-9_]*)\}$/.exec(text.trim())?.[1],
    within: /\$\{env\.([A-Za-z_][A-Za-z0-9_]*)\}/g,
  },
  reasons,
  convert,
}

function convert(root: Foreign, draft: Draft): void {
  const book = new ProviderBook(draft)
  const local: LocalModels = {
    book,
    macros: Macros.read(root.get('macros')),
    nextPort: root.get('startPort').number() ?? 5800,
    usualTtl: root.get('globalTTL').number() ?? 0,
    readyTimeout: root.get('healthCheckTimeout').number(),
    preloaded: new Set(root.at('hooks', 'on_startup', 'preload').texts()),
    providers: new Map(),
    unstopped: new Map(),
  }
  const models = root
    .get('models')
    .members()
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
  for (const [name, model] of models) convertLocalModel(name, model, draft, local)
  for (const [name, peer] of root.get('peers').members()) addPeer(name, peer, draft, book)
  for (const [name, selector] of root.get('selectors').members()) addSelector(name, selector, draft)
  addGroups(root, draft, local.providers)
  keepUnstopped(local.unstopped, draft)
  const keys = root.get('apiKeys')
  if (keys.items().length > 0) requireKeys(keys, draft)
  keys.take()
  draft.errand(
    'llama-swap listens where -listen says, by default on all interfaces; the gateway listens on 127.0.0.1:4000 only (docs/remote.md).',
  )
}

function addPeer(name: string, peer: Foreign, draft: Draft, book: ProviderBook): void {
  const url = draft.text(peer.get('proxy'))
  if (url === undefined) {
    draft.leftOut(peer, 'its address (proxy) could not be carried')
    return
  }
  const key = peer.get('apiKey')
  const provider = book.find(peer, {
    kind: 'openai',
    baseUrl: withVersion(url),
    name,
    identity: `peer ${name}`,
    key: (owner) => draft.key(key, owner),
  })
  const entry = draft.config.providers[provider]!
  if (peer.get('timeouts').get('responseHeader').isThere) {
    const seconds = peer.get('timeouts').get('responseHeader').number()
    if (seconds !== undefined) entry.timeouts = { first_byte_ms: Math.round(seconds * 1000) }
  }
  for (const item of peer.get('models').items()) {
    const model = draft.name(item)
    if (model === undefined) continue
    const full = `${name}/${model}`
    const made: RawModel = { provider, model }
    draft.config.models[full] = made
    draft.carried(item, ['models', full])
    addFilters(peer.get('filters'), made, full, { draft, expand: (text) => text })
    // The plain name leads to the first that has it, as llama-swap has it where it is unique.
    if (draft.config.models[model] === undefined && model !== full) made.aliases = [model]
  }
  draft.changed(
    peer.get('proxy'),
    ['providers', provider],
    'with /v1; the key goes into one header here, not two',
  )
}

function addSelector(name: string, selector: Foreign, draft: Draft): void {
  const strategy = selector.get('strategy').text()
  const spillover = selector.at('settings', 'spillover')
  if (spillover.take() !== undefined) {
    draft.changed(
      spillover,
      ['models', name],
      'set max_parallel_requests of the provider: further calls go to the next target',
    )
  }
  const names = selector.get('targets').texts()
  const { models } = draft.config
  const targets = names.flatMap((each): RawTarget[] => {
    const model =
      models[each] ?? Object.values(models).find(({ aliases }) => aliases?.includes(each) === true)
    if (model?.provider === undefined) return []
    return [{ provider: model.provider, model: model.model ?? each }]
  })
  if (targets.length === 0) {
    draft.leftOut(selector, 'none of its targets could be carried')
    return
  }
  const chosen = strategy === 'pin' ? targets.slice(0, 1) : targets
  models[name] =
    chosen.length === 1
      ? { ...chosen[0]! }
      : {
          targets:
            strategy === 'spillover'
              ? chosen.map((target, index) => ({ ...target, tier: index + 1 }))
              : chosen,
        }
  const how =
    strategy === 'warm' ? 'a target whose server runs is preferred with service.when_starting: failover' : ''
  if (how === '') draft.carried(selector, ['models', name])
  else draft.changed(selector, ['models', name], how)
}
