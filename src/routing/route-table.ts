// Model name → the configured model and its targets. Names come from clients, so they serve as map keys only.
import type { ModelConfig } from '../config/types.ts'
import { BoundedNames } from '../platform/bounded-names.ts'
import { closestName, nameThatBegins } from '../platform/did-you-mean.ts'
import { looseName } from '../platform/loose-names.ts'
import type { ListedModel, ModelFacts, Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import { mergedFacts } from './merged-facts.ts'
import { noServerKinds, type ServerKinds } from './server-kinds.ts'

export interface Route {
  readonly model: ModelConfig
  /** Which kind of name matched. `discovered`: one that a provider lists. */
  readonly rule: 'name' | 'alias' | 'wildcard' | 'discovered'
  /**
   * The model's targets; `*` is replaced with the part that the wildcard matches. Of a model without any (`use`): those of the
   * one that it leads to, as far as that is known.
   */
  readonly targets: readonly Target[]
}

/** A model by a name that leads to it. */
export interface NamedRoute {
  readonly name: string
  readonly route: Route
}

/** The lists of the providers whose models are discovered, by provider name; empty or absent until the provider has responded. */
export type Discovered = ReadonlyMap<string, readonly ListedModel[]>

/**
 * The file's names and aliases have precedence, then its wildcards, the longest prefix first. A provider whose models are
 * discovered counts as a wildcard `PROVIDER/*` that matches only the names it lists, after one that the file has; shorter
 * wildcards do not match in that namespace. A listed name without prefix has the lowest precedence: no list redirects a
 * call that the file or another provider's list routes elsewhere. A short name that several local providers list is one
 * model with all of them as targets. Other spellings of a bounded model's name are names of that model; of models at Ollama,
 * other spellings of a name that leads nowhere else lead there too.
 */
export class RouteTable {
  readonly #byName = new Map<string, Route>()
  readonly #byAlias = new Map<string, Route>()
  /** `PROVIDER/MODEL` and, if that name is not in use, `MODEL`. */
  readonly #discovered = new Map<string, Route>()
  /** Names that several providers list, not all of them local → the full name at each of them. */
  readonly #ambiguous = new Map<string, readonly string[]>()
  readonly #discovering: ReadonlySet<string>
  /** Those of them that have listed nothing. */
  readonly #unlisted: readonly string[]
  /** Names that lead to a wildcard of the file, and that one of its providers lists. */
  readonly #matched = new Set<string>()
  /** By `listedKey`. */
  readonly #facts = new Map<string, ModelFacts>()
  /** By `looseName`, in the namespace of a provider by `looseKey`. */
  readonly #loose = new Map<string, Route>()
  readonly #kinds: ServerKinds
  readonly #bounded: BoundedNames
  /** Whether calls of a model are bounded more than all others. */
  readonly hasBoundaries: boolean
  /** Prefix → model. */
  readonly #wildcards = new Map<string, ModelConfig>()
  /** Of wildcards that lead to another model: its targets. */
  readonly #targetsLedTo = new Map<ModelConfig, readonly Target[]>()
  /** Lengths of the prefixes, the longest first. */
  readonly #prefixLengths: readonly number[]

  constructor(
    models: ReadonlyMap<string, ModelConfig>,
    discovered: Discovered = new Map(),
    kinds: ServerKinds = noServerKinds,
  ) {
    this.#kinds = kinds
    this.#bounded = new BoundedNames(models)
    for (const [name, model] of models) {
      if (name.endsWith('*')) this.#wildcards.set(name.slice(0, -1), model)
      else this.#byName.set(name, { model, rule: 'name', targets: model.targets })
      for (const alias of model.aliases)
        this.#byAlias.set(alias, { model, rule: 'alias', targets: model.targets })
    }
    this.hasBoundaries = [...models.values()].some(({ boundary }) => boundary !== undefined)
    const lengths = new Set([...this.#wildcards.keys()].map((prefix) => prefix.length))
    this.#prefixLengths = [...lengths].sort((a, b) => b - a)
    this.#discovering = kinds.discovering.union(new Set(discovered.keys()))
    this.#unlisted = [...this.#discovering].filter(
      (provider) => (discovered.get(provider) ?? []).length === 0,
    )
    this.#addDiscovered(discovered)
    this.#addMatched(discovered)
    for (const model of models.values()) if (model.use !== undefined) this.#leadOn(model)
    this.#addLoose(discovered)
  }

  /**
   * The exact name, else the alias, else that of a bounded model in another spelling, else a listed name, else the wildcard
   * with the longest prefix, else a name at Ollama in another spelling.
   */
  find(name: string): Route | undefined {
    return (
      this.#byName.get(name) ??
      this.#byAlias.get(name) ??
      this.#findBounded(name) ??
      this.#discovered.get(name) ??
      this.#findWildcard(name) ??
      this.#findLoose(name)
    )
  }

  /**
   * Where `use` leads from a model, over others that have one, too, and by which name; undefined: it has none, no model has
   * that name, or the way leads back.
   */
  ledTo({ use }: ModelConfig): NamedRoute | undefined {
    let last: NamedRoute | undefined
    const seen = new Set<ModelConfig>()
    for (let name = use; name !== undefined; name = last.route.model.use) {
      const route = this.find(name) ?? this.expected(name)
      if (route === undefined || seen.has(route.model)) return undefined
      seen.add(route.model)
      last = { name, route }
    }
    return last
  }

  /** The name or alias that a mistyped one is likely to mean. */
  suggest(name: string): string | undefined {
    return closestName(name, this.#names()) ?? nameThatBegins(name, this.#names())
  }

  /** The full names for a short name that is ambiguous, because several providers list it. */
  namesakes(name: string): readonly string[] {
    return this.#ambiguous.get(name) ?? []
  }

  /** Providers that may have the model, but list none: they are down, have not responded yet, or have no model. */
  withoutList(name: string): readonly string[] {
    const owner = this.#ownerOf(name)
    return owner === undefined ? this.#unlisted : this.#unlisted.filter((provider) => provider === owner)
  }

  /**
   * The route of a name in the namespace of a provider that does not list it: the provider is asked. All such names share
   * the limits of `PROVIDER/*`. Undefined for a name outside such namespaces.
   */
  unlisted(name: string): Route | undefined {
    const target = this.expected(name)?.targets[0]
    if (target === undefined) return undefined
    const targets = [target]
    const model = { name: `${target.provider}/*`, aliases: [], targets, fallbacks: [] }
    return { model, rule: 'wildcard', targets }
  }

  /** The route of a name if its provider listed it; undefined for a name outside the namespaces of such providers. */
  expected(name: string): Route | undefined {
    const provider = this.#ownerOf(name)
    if (provider === undefined || name.length === provider.length + 1) return undefined
    return routeTo(provider, name.slice(provider.length + 1), [])
  }

  /**
   * Names, then aliases, that clients can use, in the order of the file, then the listed ones. A wildcard has no names of
   * its own, but those that its providers list.
   */
  list(): string[] {
    return [...this.#names()]
  }

  /** What the providers of a model's targets all say of it; undefined: nothing. */
  factsOf({ targets }: Pick<Route, 'targets'>): ModelFacts | undefined {
    return mergedFacts(targets.map((target) => this.#facts.get(listedKey(target))))
  }

  *#names(): Generator<string> {
    yield* this.#byName.keys()
    yield* this.#byAlias.keys()
    yield* this.#discovered.keys()
    yield* this.#matched
  }

  /** Every model under the name that its limits use; wildcards included, aliases not. */
  models(): string[] {
    const listed = new Set(Array.from(this.#discovered.values(), ({ model }) => model.name))
    return [
      ...this.#byName.keys(),
      ...Array.from(this.#wildcards.keys(), (prefix) => `${prefix}*`),
      ...listed,
    ]
  }

  #addDiscovered(discovered: Discovered): void {
    const owners = ownersOfShortNames(discovered)
    for (const [provider, listed] of discovered) {
      for (const each of listed) {
        const names = [each.id, ...each.aliases]
        const full = names
          .map((name) => [`${provider}/${name}`, name] as const)
          .filter(([name]) => !this.#isConfigured(name, provider.length + 1))
        const short = names
          .filter((name) => owners.get(name)?.size === 1 && !this.#isTaken(name))
          .map((name) => [name, name] as const)
        const reachable = [...full, ...short]
        const { model } = routeTo(
          provider,
          each.id,
          reachable.map(([name]) => name),
        )
        for (const [name, own] of reachable) {
          // The provider accepts each of its names, and its responses repeat the one that the client has used.
          this.#discovered.set(name, { ...routeTo(provider, own, []), model })
        }
        if (each.facts === undefined) continue
        for (const name of names) this.#facts.set(listedKey({ provider, model: name }), each.facts)
      }
    }
    for (const [name, ids] of owners) {
      if (ids.size < 2 || this.#isTaken(name)) continue
      const providers = [...ids.keys()]
      if (providers.every((provider) => this.#kinds.local.has(provider))) {
        this.#discovered.set(name, sharedRoute(name, ids))
        continue
      }
      this.#ambiguous.set(
        name,
        providers.map((provider) => `${provider}/${name}`),
      )
    }
  }

  #addMatched(discovered: Discovered): void {
    for (const [prefix, { name: wildcard, targets }] of this.#wildcards) {
      for (const { provider, model } of targets) {
        for (const { id, aliases } of discovered.get(provider) ?? []) {
          for (const listed of [id, ...aliases]) {
            const rest = restOf(listed, model)
            const name = rest === undefined ? '' : prefix + rest
            if (rest !== undefined && this.find(name)?.model.name === wildcard) this.#matched.add(name)
          }
        }
      }
    }
  }

  /** A model without targets of its own is shown with those of the model that it leads to. */
  #leadOn(model: ModelConfig): void {
    const { name, aliases } = model
    const targets = this.ledTo(model)?.route.targets ?? []
    if (name.endsWith('*')) this.#targetsLedTo.set(model, targets)
    else this.#byName.set(name, { model, rule: 'name', targets })
    for (const alias of aliases) this.#byAlias.set(alias, { model, rule: 'alias', targets })
  }

  #addLoose(discovered: Discovered): void {
    const add = (key: string, route: Route | undefined) => {
      if (route !== undefined && !this.#loose.has(key)) this.#loose.set(key, route)
    }
    for (const [name, route] of [...this.#byName, ...this.#byAlias]) {
      if (route.targets.every(({ provider }) => this.#kinds.ollama.has(provider))) add(looseName(name), route)
    }
    for (const [provider, listed] of discovered) {
      const isOllama = this.#kinds.ollama.has(provider)
      for (const { id, aliases, hasLooseName = isOllama } of listed) {
        if (!hasLooseName) continue
        for (const name of [id, ...aliases]) {
          const full = `${provider}/${name}`
          add(looseKey(provider, name), this.#discovered.get(full))
          add(looseName(name), this.#discovered.get(name))
        }
      }
    }
  }

  #findLoose(name: string): Route | undefined {
    if (this.#loose.size === 0) return undefined
    const owner = this.#ownerOf(name)
    if (owner === undefined) return this.#loose.get(looseName(name))
    return this.#loose.get(looseKey(owner, name.slice(owner.length + 1)))
  }

  /** Whether the file covers a short name, or it looks like one in another provider's namespace. */
  #isTaken(name: string): boolean {
    return this.#isConfigured(name, 0) || this.#ownerOf(name) !== undefined
  }

  /** Whether a wildcard of the file with a prefix of at least so many characters matches the name. */
  #isConfigured(name: string, minPrefixLength: number): boolean {
    if (this.#byName.has(name) || this.#byAlias.has(name)) return true
    if (this.#findBounded(name) !== undefined) return true
    return this.#findWildcard(name, minPrefixLength) !== undefined
  }

  #findBounded(name: string): Route | undefined {
    const owner = this.#bounded.ownerOf(name)
    if (owner === undefined) return undefined
    const route = this.#byName.get(owner)
    if (route !== undefined) return route
    // An alias of a wildcard.
    const alias = this.#wildcards
      .get(owner.slice(0, -1))
      ?.aliases.find((each) => looseName(each) === looseName(name))
    return alias === undefined ? undefined : this.#byAlias.get(alias)
  }

  /** The provider whose namespace a name is in, if its models are discovered. */
  #ownerOf(name: string): string | undefined {
    const provider = name.slice(0, Math.max(0, name.indexOf('/')))
    return this.#discovering.has(provider) ? provider : undefined
  }

  #findWildcard(name: string, minPrefixLength = (this.#ownerOf(name)?.length ?? -1) + 1): Route | undefined {
    const length = this.#prefixLengths.find(
      // A * stands for at least one character.
      (each) => each < name.length && each >= minPrefixLength && this.#wildcards.has(name.slice(0, each)),
    )
    const matched = length === undefined ? undefined : name.slice(0, length)
    const spelled = this.#bounded.wildcardOf(
      name,
      matched === undefined ? undefined : `${matched}*`,
      minPrefixLength,
    )
    const prefix = spelled?.name.slice(0, -1) ?? matched
    if (prefix === undefined) return undefined
    const model = this.#wildcards.get(prefix)!
    const rest = spelled?.rest ?? name.slice(prefix.length)
    const targets = this.#targetsLedTo.get(model) ?? filledIn(model.targets, rest)
    return { model, rule: 'wildcard', targets }
  }
}

/** Listed name or alias → the providers that have it, with the model's id there. */
function ownersOfShortNames(discovered: Discovered): Map<string, Map<string, string>> {
  const owners = new Map<string, Map<string, string>>()
  for (const [provider, listed] of discovered) {
    for (const { id, aliases } of listed) {
      for (const name of [id, ...aliases]) {
        const known = owners.get(name)
        if (known === undefined) owners.set(name, new Map([[provider, id]]))
        else known.set(provider, id)
      }
    }
  }
  return owners
}

/** A name that several local providers list. Its limits are those of its id, if that is the same everywhere, else of the name. */
function sharedRoute(name: string, ids: ReadonlyMap<string, string>): Route {
  const [id, ...others] = new Set(ids.values())
  const targets = Array.from(ids.keys(), (provider) => ({ provider, model: name, ...defaultRank }))
  const model = { name: others.length === 0 ? id! : name, aliases: [], targets, fallbacks: [] }
  return { model, rule: 'discovered', targets }
}

/** All names of a listed model share the limits of the full name. */
function routeTo(provider: string, id: string, names: readonly string[]): Route {
  const name = `${provider}/${id}`
  const targets = [{ provider, model: id, ...defaultRank }]
  const aliases = names.filter((other) => other !== name)
  return { model: { name, aliases, targets, fallbacks: [] }, rule: 'discovered', targets }
}

const defaultRank = { tier: 1, weight: 1 } as const

/** What a client may see of the table. */
interface VisibleModels {
  /** Names. */
  list(): readonly string[]
}

/**
 * The error for a name that matches no model.
 * @param visible for a client that may not use every model: others are not hinted at.
 */
export function modelNotFound(name: string, routes: RouteTable, visible?: VisibleModels): GatewayError {
  const hint = visible === undefined ? hintFor(name, routes) : hintAmong(name, visible.list())
  const message = `The model ${JSON.stringify(name)} does not exist. ${hint}`
  return new GatewayError('model_not_found', message, { param: 'model' })
}

function hintAmong(name: string, names: readonly string[]): string {
  const close = closestName(name, names) ?? nameThatBegins(name, names)
  return close === undefined ? knownModels : `Did you mean ${JSON.stringify(close)}?`
}

const knownModels = 'GET /v1/models lists the models that can be called.'

function hintFor(name: string, routes: RouteTable): string {
  const namesakes = routes.namesakes(name).map((other) => JSON.stringify(other))
  if (namesakes.length > 0) return `Several providers list it: use ${namesakes.join(' or ')}.`
  const close = routes.suggest(name)
  if (close !== undefined) return `Did you mean ${JSON.stringify(close)}?`
  const unlisted = routes.withoutList(name)
  if (unlisted.length === 0) return knownModels
  return `${knownModels} Providers that list none at the moment: ${unlisted.join(', ')}. If yours is one of them, check that it is running and has the model.`
}

/** What the `*` of a wildcard's target would stand for in a provider's name for a model; undefined if nothing would do. */
function restOf(listed: string, pattern: string): string | undefined {
  const [before = '', after] = pattern.split('*')
  if (after === undefined || listed.length <= before.length + after.length) return undefined
  if (!listed.startsWith(before) || !listed.endsWith(after)) return undefined
  return listed.slice(before.length, listed.length - after.length)
}

/** Unambiguous, because a provider's name contains no line feed. */
function listedKey({ provider, model }: Pick<Target, 'provider' | 'model'>): string {
  return `${provider}\n${model}`
}

/** Unlike every name that a client sends. */
function looseKey(provider: string, name: string): string {
  return `${provider}\n${looseName(name)}`
}

function filledIn(targets: readonly Target[], rest: string): Target[] {
  // A function, because `replace` interprets "$&" and similar in a string, and the client chooses `rest`.
  return targets.map((target) => ({ ...target, model: target.model.replace('*', () => rest) }))
}
