// Model name → the configured model and its targets. Names come from clients, so they serve as map keys only.
import type { ModelConfig } from '../config/types.ts'
import type { Target } from '../domain.ts'
import { BoundedNames } from '../platform/bounded-names.ts'
import { likelyName } from '../platform/did-you-mean.ts'
import { looseName } from '../platform/loose-names.ts'
import { type Discovered, DiscoveredNames } from './discovered-names.ts'
import type { NamedRoute, Route } from './route.ts'
import { noServerKinds, type ServerKinds } from './server-kinds.ts'

/**
 * The file's names and aliases have precedence, then its wildcards, the longest prefix first. A provider whose models are
 * discovered counts as a wildcard `PROVIDER/*` that matches only the names it lists, after one that the file has; shorter
 * wildcards do not match in that namespace. A listed name without prefix has the lowest precedence. Other spellings of a
 * bounded model's name are names of that model; of models at Ollama, other spellings of a name that leads nowhere else lead
 * there too.
 */
export class RouteTable {
  readonly #byName = new Map<string, Route>()
  readonly #byAlias = new Map<string, Route>()
  /** What providers list. */
  readonly discovered: DiscoveredNames
  /** Names that lead to a wildcard of the file, and that one of its providers lists. */
  readonly #matched = new Set<string>()
  /** By `looseName`, in the namespace of a provider by `looseKey`. */
  readonly #loose = new Map<string, Route>()
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
    lists: Discovered = new Map(),
    kinds: ServerKinds = noServerKinds,
  ) {
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
    this.discovered = new DiscoveredNames(lists, kinds, (name, minPrefixLength) =>
      this.#isConfigured(name, minPrefixLength),
    )
    this.#addMatched(lists)
    for (const model of models.values()) if (model.use !== undefined) this.#leadOn(model)
    this.#addLoose(lists, kinds)
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
      this.discovered.find(name) ??
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
      const route = this.find(name) ?? this.discovered.expected(name)
      if (route === undefined || seen.has(route.model)) return undefined
      seen.add(route.model)
      last = { name, route }
    }
    return last
  }

  /** The name or alias that a mistyped one is likely to mean. */
  suggest(name: string): string | undefined {
    return likelyName(name, () => this.#names())
  }

  /**
   * Names, then aliases, that clients can use, in the order of the file, then the listed ones. A wildcard has no names of
   * its own, but those that its providers list.
   */
  list(): string[] {
    return [...this.#names()]
  }

  *#names(): Generator<string> {
    yield* this.#byName.keys()
    yield* this.#byAlias.keys()
    yield* this.discovered.names()
    yield* this.#matched
  }

  /** Every model under the name that its limits use; wildcards included, aliases not. */
  models(): string[] {
    return [
      ...this.#byName.keys(),
      ...Array.from(this.#wildcards.keys(), (prefix) => `${prefix}*`),
      ...this.discovered.models(),
    ]
  }

  #addMatched(lists: Discovered): void {
    for (const [prefix, { name: wildcard, targets }] of this.#wildcards) {
      for (const { provider, model } of targets) {
        for (const { id, aliases } of lists.get(provider) ?? []) {
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

  #addLoose(lists: Discovered, { ollama }: ServerKinds): void {
    const add = (key: string, route: Route | undefined) => {
      if (route !== undefined && !this.#loose.has(key)) this.#loose.set(key, route)
    }
    for (const [name, route] of [...this.#byName, ...this.#byAlias]) {
      if (route.targets.every(({ provider }) => ollama.has(provider))) add(looseName(name), route)
    }
    for (const [provider, listed] of lists) {
      const isOllama = ollama.has(provider)
      for (const { id, aliases, hasLooseName = isOllama } of listed) {
        if (!hasLooseName) continue
        for (const name of [id, ...aliases]) {
          add(looseKey(provider, name), this.discovered.find(`${provider}/${name}`))
          add(looseName(name), this.discovered.find(name))
        }
      }
    }
  }

  #findLoose(name: string): Route | undefined {
    if (this.#loose.size === 0) return undefined
    const owner = this.discovered.ownerOf(name)
    if (owner === undefined) return this.#loose.get(looseName(name))
    return this.#loose.get(looseKey(owner, name.slice(owner.length + 1)))
  }

  /** Whether the file has a name for itself: by a wildcard only with a prefix of at least so many characters. */
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

  #findWildcard(
    name: string,
    minPrefixLength = (this.discovered.ownerOf(name)?.length ?? -1) + 1,
  ): Route | undefined {
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

/** What the `*` of a wildcard's target would stand for in a provider's name for a model; undefined if nothing would do. */
function restOf(listed: string, pattern: string): string | undefined {
  const [before = '', after] = pattern.split('*')
  if (after === undefined || listed.length <= before.length + after.length) return undefined
  if (!listed.startsWith(before) || !listed.endsWith(after)) return undefined
  return listed.slice(before.length, listed.length - after.length)
}

/** Unlike every name that a client sends. */
function looseKey(provider: string, name: string): string {
  return `${provider}\n${looseName(name)}`
}

function filledIn(targets: readonly Target[], rest: string): Target[] {
  // A function, because `replace` interprets "$&" and similar in a string, and the client chooses `rest`.
  return targets.map((target) => ({ ...target, model: target.model.replace('*', () => rest) }))
}
