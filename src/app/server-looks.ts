// What local servers report of themselves: slots, context, abilities, which models are loaded. Requested at the start, at a
// reload, and periodically, of providers for whose calls it decides something: those with `max_parallel_requests: auto`, and of
// known kinds those with `discover_models` or with a model that others have too. No request loads a model or wakes a server.
import { isDeepStrictEqual } from 'node:util'
import type { HttpProvider, ProviderConfig } from '../config/provider-types.ts'
import type { Config } from '../config/types.ts'
import { abilitiesNamed, knownModelOf } from '../dialects/model-facts.ts'
import type { ModelList } from '../dialects/openai/model-list.ts'
import { maxModelNameLength } from '../dialects/request.ts'
import type { KnownModel, ListedModel, ReportedServer } from '../domain.ts'
import type { Events } from '../observe/events.ts'
import { configuredServers } from '../routing/configured-servers.ts'
import type { ServerFacts } from '../routing/server-facts.ts'
import { okBodyOf, type ProbeOutcome, type ProbeRequest } from '../upstream/probe.ts'
import type { Provider } from '../upstream/provider.ts'
import { propsPath, propsPathOf, readProps } from '../upstream/providers/llama-cpp-report.ts'
import { loadedPath, readOllamaModels, tagsPath } from '../upstream/providers/ollama-report.ts'
import { isSameServer } from '../upstream/same-settings.ts'
import { listIn } from './list-in.ts'
import { type IsOpen, type PollClock, type PollParts, Polls } from './polls.ts'
import type { ProviderSet } from './provider-pool.ts'

export interface ServerLookParts {
  readonly clock: PollClock
  readonly events: Events
  readonly facts: ServerFacts
  /** Absent: every provider is. */
  readonly isOpen?: IsOpen
}

/** The software of a server, as far as it matters here. */
export type Software = 'llama.cpp' | 'ollama' | 'vllm' | 'other'

const limits = { maxBytes: 4 * 1024 * 1024, timeoutMs: 5_000 }

const intervalMs = 30_000
/** Where the number of slots limits calls. */
const slotIntervalMs = 10_000
/** Of a server that limits calls and did not answer: it may come back with other slots. */
const absentIntervalMs = 5_000

/** Models of a router that are asked for their slots: it has few loaded at once. */
const maxRoutedModels = 16

/** What one look has found. `loading`: nothing but that. Undefined: no answer; all stays as it was known unless nothing can be reached. */
interface Found {
  readonly software: Software
  readonly reported: ReportedServer | 'loading' | undefined
  readonly listed?: ModelList | undefined
}

type Look = Generator<ProbeRequest, Found | undefined, ProbeOutcome>

export class ServerLooks {
  readonly #parts: ServerLookParts
  readonly #polls: Polls
  readonly #software = new Map<string, Software>()
  readonly #reported = new Map<string, ReportedServer>()
  #configs: Config['providers'] = new Map()

  constructor(parts: ServerLookParts) {
    this.#parts = parts
    const onBug = (error: unknown) => {
      parts.events.emit({ kind: 'internal_error', error, where: 'a look at a server' })
    }
    this.#polls = new Polls(parts.clock, onBug, parts.isOpen)
  }

  /** What runs at a provider; undefined: it is not looked at, or has not answered. */
  softwareOf(provider: string): Software | undefined {
    return this.#software.get(provider)
  }

  follow({ providers: configs, models }: Config, providers: ProviderSet): void {
    const { facts } = this.#parts
    for (const [name, before] of this.#configs) {
      const now = configs.get(name)
      if (now !== undefined && isSameServer(before, now)) continue
      this.#software.delete(name)
      this.#reported.delete(name)
      if (now !== undefined) facts.forget(name)
    }
    this.#configs = configs
    facts.setConfigured(configuredServers(configs, models))
    const shared = sharingProviders(models)
    this.#polls.follow(providers, (provider) => {
      const config = configs.get(provider.name)!
      return isLookedAt(config, shared) ? this.#pollOf(provider, config) : undefined
    })
    this.#forgetUnpolled()
  }

  /** What nothing asks for any more would never change: that a server sleeps, say. */
  #forgetUnpolled(): void {
    for (const name of this.#software.keys()) {
      if (this.#polls.get(name) !== undefined) continue
      this.#software.delete(name)
      this.#reported.delete(name)
      if (this.#configs.has(name)) this.#parts.facts.setReported(name, {})
    }
  }

  /** The service of the provider was opened or closed. */
  reconsider(provider: string): void {
    this.#polls.reconsider(provider)
  }

  stop(): void {
    this.#polls.stop()
  }

  #pollOf(provider: Provider, config: HttpProvider): PollParts {
    let under: Look | undefined
    let found: Found | undefined
    const begin = () => {
      const look = lookAt(provider, config)
      look.next()
      return look
    }
    return {
      request: firstRequest(config),
      next(outcome) {
        const look = under ?? begin()
        under = undefined
        found = undefined
        const step = look.next(outcome)
        if (step.done !== true) {
          under = look
          return step.value
        }
        found = step.value
        return undefined
      },
      onResult: (outcome) => {
        if (isUnreachable(outcome)) this.#onUnreachable(config.name)
        return this.#onFound(config, found)
      },
      onGivenUp: () => void (under = undefined),
      onPaused: () => {
        if (this.#reported.delete(config.name)) this.#parts.facts.setStopped(config.name)
      },
    }
  }

  /** It may come back with other slots and another model. */
  #onUnreachable(name: string): void {
    if (this.#reported.delete(name)) this.#parts.facts.setUnreachable(name)
  }

  /** @returns how long until the next look, in milliseconds. */
  #onFound({ name, maxParallelRequests, discoverModels }: HttpProvider, found: Found | undefined): number {
    const isLimited = maxParallelRequests === 'auto'
    if (found === undefined) return isLimited ? absentIntervalMs : intervalMs
    const { facts, events } = this.#parts
    const { software, reported, listed } = found
    this.#software.set(name, software)
    if (listed !== undefined && discoverModels !== true) facts.setListed(name, knownModels(listed.models))
    const before = this.#reported.get(name) ?? {}
    const now =
      reported === 'loading'
        ? { ...before, anyModel: { ...before.anyModel, state: 'loading' as const } }
        : (reported ?? before)
    if (!this.#reported.has(name) || !isDeepStrictEqual(before, now)) {
      this.#reported.set(name, now)
      facts.setReported(name, now)
      const { slots, anyModel, models } = now
      const { contextLength: context_length, state } = anyModel ?? {}
      const size = models?.size ?? 0
      if (Object.keys(now).length > 0) {
        events.emit({ kind: 'server_reported', provider: name, slots, context_length, state, models: size })
      }
    }
    if (reported === 'loading') return isLimited ? absentIntervalMs : intervalMs
    return isLimited ? slotIntervalMs : intervalMs
  }
}

/** A server that is only late has not lost anything. */
function isUnreachable(outcome: ProbeOutcome): boolean {
  return outcome.kind === 'failed' && outcome.failure.kind === 'unreachable'
}

/** What a list of models says, by each of their names. */
export function knownModels(models: readonly ListedModel[]): Map<string, KnownModel> {
  const known = new Map<string, KnownModel>()
  for (const { id, aliases, facts } of models) {
    if (facts === undefined) continue
    const model = knownModelOf(facts)
    for (const name of [id, ...aliases]) known.set(name, model)
  }
  return known
}

/** Providers of models that have other targets or fallbacks besides. */
function sharingProviders(models: Config['models']): ReadonlySet<string> {
  const names = [...models.values()].flatMap(({ targets, fallbacks }) =>
    targets.length + fallbacks.length > 1 ? targets.map(({ provider }) => provider) : [],
  )
  return new Set(names)
}

function isLookedAt(config: ProviderConfig, shared: ReadonlySet<string>): config is HttpProvider {
  if (config.kind === 'echo' || config.kind === 'anthropic' || !config.isLocal) return false
  if (config.maxParallelRequests === 'auto') return true
  // What another server with OpenAI's API is shows in its list of models only, which discovery has.
  return config.kind !== 'openai' && (config.discoverModels === true || shared.has(config.name))
}

function firstRequest({ kind }: HttpProvider): ProbeRequest {
  if (kind === 'llama_cpp') return { path: propsPath, ...limits }
  return { path: kind === 'ollama' ? tagsPath : '/models', ...limits }
}

/** Begins with `firstRequest`. */
function* lookAt(provider: Provider, config: HttpProvider): Look {
  const first = yield firstRequest(config)
  if (config.kind === 'llama_cpp') return yield* lookAtLlamaCpp(provider, first)
  if (config.kind === 'ollama') return yield* lookAtOllama(first)
  const listed = listIn(first, provider, maxModelNameLength)
  if (listed === undefined) return undefined
  if (config.kind === 'vllm' || listed.server === 'vllm') return { software: 'vllm', reported: {}, listed }
  if (listed.server === 'llama.cpp') {
    const found = yield* lookAtLlamaCpp(provider, yield { path: propsPath, ...limits })
    return found && { listed, ...found }
  }
  if (listed.server === 'ollama') {
    const found = yield* lookAtOllama(yield { path: tagsPath, ...limits })
    return found && { listed, ...found }
  }
  return { software: 'other', reported: {}, listed }
}

function* lookAtLlamaCpp(provider: Provider, props: ProbeOutcome): Look {
  const software = 'llama.cpp'
  if (props.kind !== 'answered') return undefined
  const { status } = props.head
  const { body } = props
  if (status !== 200) {
    const isLoading = provider.meaningOf({ status, code: undefined, body }) === 'loading'
    return isLoading ? { software, reported: 'loading' } : undefined
  }
  const server = readProps(body)
  if (server === undefined) return undefined
  if (!server.isRouter) return { software, reported: server }
  const listed = listIn(yield { path: '/models', ...limits }, provider, maxModelNameLength)
  if (listed === undefined) return undefined
  const models = new Map<string, KnownModel>()
  const loaded = listed.models.filter(({ facts }) => knownModelOf(facts ?? {}).state === 'loaded')
  for (const { id, aliases } of loaded.slice(0, maxRoutedModels)) {
    const body = okBodyOf(yield { path: propsPathOf(id), ...limits })
    const model = body && readProps(body)
    if (model === undefined) continue
    const known = { ...model.anyModel, slots: model.slots }
    for (const name of [id, ...aliases]) models.set(name, known)
  }
  return { software, reported: { models }, listed }
}

function* lookAtOllama(tags: ProbeOutcome): Look {
  const loaded = yield { path: loadedPath, ...limits }
  const [all, running] = [tags, loaded].map(okBodyOf)
  const models = all && readOllamaModels(all, running, abilitiesNamed)
  return models && { software: 'ollama', reported: { models } }
}
