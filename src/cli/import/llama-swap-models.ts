// `models` of llama-swap: each is a provider whose server systemd starts.
import { basename } from 'node:path'
import type { RawModel, RawProvider, RawService } from '../../config/raw.ts'
import { looksLikeCredential, namesCredential } from './credentials.ts'
import { programPath } from './commands.ts'
import type { Draft } from './draft.ts'
import type { Foreign } from './foreign.ts'
import { addFilters } from './llama-swap-filters.ts'
import { Macros, splitCommand, withoutComments, withoutKeys } from './llama-swap-macros.ts'
import { type ProviderBook, withVersion } from './provider-book.ts'

export interface LocalModels {
  readonly book: ProviderBook
  readonly macros: Macros
  /** For the next model whose texts name a port. */
  nextPort: number
  /** Seconds; 0 is never. */
  readonly usualTtl: number
  /** Seconds. */
  readonly readyTimeout: number | undefined
  readonly preloaded: ReadonlySet<string>
  /** The provider of each model. */
  readonly providers: Map<string, string>
  /** By provider, the models whose servers are never stopped for being idle. */
  readonly unstopped: Map<string, Foreign>
}

/** The longest time after which an idle server can be stopped: a week. */
const longestIdleMs = 604_800_000

export function convertLocalModel(name: string, model: Foreign, draft: Draft, local: LocalModels): void {
  const own = Macros.read(model.get('macros'), local.macros)
  const command = withoutComments(model.get('cmd').text() ?? '')
  const usesPort = [command, model.get('proxy').word].some((text) =>
    own.expand(text).unknown.includes('PORT'),
  )
  const port = usesPort ? String(local.nextPort++) : ''
  const macros = own.with({ MODEL_ID: name, ...(usesPort && { PORT: port }) })
  const url = readAddress(model.get('proxy'), macros, port, draft)
  if (url === undefined) {
    draft.leftOut(model, 'its address (proxy) could not be carried')
    return
  }
  const words = splitCommand(macros.expand(command).text)
  const provider = local.book.find(model, {
    kind: kindOf(words),
    baseUrl: withVersion(url),
    name,
    identity: `model ${name}`,
  })
  local.providers.set(name, provider)
  const entry = draft.config.providers[provider]!
  setProvider(entry, model, draft, provider)
  addService(words, model, { name, provider, macros, local, draft })
  addModel(name, model, provider, { draft, expand: (text) => macros.expand(text).text })
}

function readAddress(proxy: Foreign, macros: Macros, port: string, draft: Draft): string | undefined {
  const written = proxy.text() ?? (port === '' ? undefined : `http://127.0.0.1:${port}`)
  if (written === undefined) return undefined
  return draft.text(proxy, macros.expand(written).text)
}

function kindOf(words: readonly string[]): RawProvider['kind'] {
  const program = basename(words[0] ?? '')
  if (program.startsWith('llama-server')) return 'llama_cpp'
  return program === 'vllm' ? 'vllm' : 'openai'
}

function setProvider(entry: RawProvider, model: Foreign, draft: Draft, provider: string): void {
  const parallel = model.get('concurrencyLimit')
  const limit = parallel.number()
  if (limit !== undefined && limit > 0) {
    entry.max_parallel_requests = Math.min(1_000_000, Math.round(limit))
    draft.carried(parallel, ['providers', provider])
  }
  for (const [ours, theirs] of [
    ['connect_ms', 'connect'],
    ['first_byte_ms', 'responseHeader'],
  ] as const) {
    const seconds = model.get('timeouts').get(theirs).number()
    if (seconds === undefined || seconds < 0) continue
    entry.timeouts = { ...entry.timeouts, [ours]: Math.min(86_400_000, Math.round(seconds * 1000)) }
  }
}

function addModel(
  name: string,
  model: Foreign,
  provider: string,
  context: { readonly draft: Draft; readonly expand: (text: string) => string },
): void {
  const { draft, expand } = context
  const upstream = draft.name(model.get('useModelName'))
  const made: RawModel = { provider, ...(upstream !== undefined && upstream !== name && { model: upstream }) }
  const aliases = model
    .get('aliases')
    .items()
    .flatMap((item) => aliasOf(item, draft, expand) ?? [])
  if (aliases.length > 0) made.aliases = [...new Set(aliases)]
  const tokens = model.at('capabilities', 'context').number()
  if (tokens !== undefined && tokens > 0) made.context_length = Math.round(tokens)
  draft.config.models[name] = made
  draft.carried(model, ['models', name])
  addFilters(model.get('filters'), made, name, context)
}

/** A text, or a mapping with how it is listed. */
function aliasOf(item: Foreign, draft: Draft, expand: (text: string) => string): string | undefined {
  if (typeof item.value === 'string') return draft.name(item, expand(item.text() ?? ''))
  const name = draft.name(item.get('id'), expand(item.get('id').text() ?? ''))
  if (name !== undefined) item.get('name').take()
  return name === '' ? undefined : name
}

interface ServiceParts {
  readonly name: string
  readonly provider: string
  readonly macros: Macros
  readonly local: LocalModels
  readonly draft: Draft
}

function addService(words: readonly string[], model: Foreign, parts: ServiceParts): void {
  const { name, provider, local, draft, macros } = parts
  const cmd = model.get('cmd')
  const { words: kept, keys } = withoutKeys(words)
  for (const key of keys) draft.withhold(key)
  if (keys.length > 0) {
    draft.changed(
      cmd,
      ['providers', provider],
      'an option with a key was left out: give it to the server in the environment file of a unit',
    )
    draft.errand(
      `The server of providers.${provider} had a key in its command, which was not copied: write a unit (docs/services.md).`,
    )
  }
  const [program, ...rest] = kept
  // A credential may be spread over several words.
  const hasCredential = looksLikeCredential(kept.join(' '))
  const run = [program === undefined ? undefined : programPath(program, draft.env), ...rest].map((word) =>
    word === undefined || hasCredential ? undefined : draft.text(cmd, word),
  )
  // Also where the command is left out: what it has of credentials may stand elsewhere too.
  const environment = environmentOf(model.get('env'), macros, draft)
  if (run.length === 0 || run.some((word) => word === undefined)) {
    draft.leftOut(
      cmd,
      'it is no command that could be carried: a part of it may be a credential, or is not known here',
    )
    for (const setting of ['env', 'ttl', 'checkEndpoint'].map((key) => model.get(key))) {
      if (setting.isThere) draft.leftOut(setting, 'it belongs to the command, which was left out')
    }
    return
  }
  const ready = model.get('checkEndpoint').text()
  const idle = idleMs(model.get('ttl').number(), local.usualTtl)
  if (idle === undefined) local.unstopped.set(provider, model)
  const service: RawService = {
    run: run as string[],
    ...environment,
    ...(isPath(ready) && { ready: macros.expand(ready).text }),
    ...(ready === undefined && kindOf(words) === 'openai' && { ready: '/health' }),
    ...(local.readyTimeout !== undefined && { start_timeout_ms: Math.max(15, local.readyTimeout) * 1000 }),
    ...(idle !== undefined && { stop_after_idle_ms: idle }),
    ...(local.preloaded.has(name) && { start: 'boot' as const }),
  }
  if (ready !== undefined && ready !== 'none' && !isPath(ready)) {
    draft.leftOut(model.get('checkEndpoint'), 'only a plain path is carried: a query may hold a key')
  }
  if (ready === 'none')
    draft.changed(
      model.get('checkEndpoint'),
      ['providers', provider],
      'a server is always waited for here: write ready',
    )
  draft.services.set(provider, service)
}

function isPath(ready: string | undefined): ready is string {
  return ready !== undefined && /^\/[^?#\s]*$/.test(ready) && !looksLikeCredential(ready)
}

/** Milliseconds; undefined is never. */
function idleMs(ttl: number | undefined, usual: number): number | undefined {
  const seconds = ttl === undefined || ttl < 0 ? usual : ttl
  return seconds <= 0 ? undefined : Math.min(longestIdleMs, Math.round(seconds * 1000))
}

/**
 * Keeps the servers that are never stopped for being idle. One of a group has to make room for the others, so it gets the
 * longest time instead.
 */
export function keepUnstopped(unstopped: ReadonlyMap<string, Foreign>, draft: Draft): void {
  const grouped = new Set(Object.values(draft.groups).flatMap(({ members }) => members ?? []))
  for (const [provider, model] of unstopped) {
    const service = draft.services.get(provider)
    if (service === undefined || service.keep === true) continue
    if (!grouped.has(provider)) {
      draft.services.set(provider, { ...service, keep: true })
      continue
    }
    draft.services.set(provider, { ...service, stop_after_idle_ms: longestIdleMs })
    draft.changed(
      model.get('ttl'),
      ['providers', provider],
      'a server that takes turns with others is stopped after a week without a call, the longest time there is',
    )
  }
}

function environmentOf(env: Foreign, macros: Macros, draft: Draft): Pick<RawService, 'environment'> {
  const environment: [string, string][] = []
  for (const item of env.items()) {
    const text = item.text() ?? ''
    const split = text.indexOf('=')
    const [name, value] = [text.slice(0, split), macros.expand(text.slice(split + 1)).text]
    if (split < 1) continue
    if (namesCredential(name)) {
      draft.withhold(value)
      draft.leftOut(
        item,
        'a credential does not belong in the environment of a command: use the environment file of a unit',
      )
      continue
    }
    const carried = draft.text(item, value)
    if (carried !== undefined) environment.push([name, carried])
  }
  return environment.length === 0 ? {} : { environment: Object.fromEntries(environment) }
}
