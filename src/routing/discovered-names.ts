// Names that providers list, and where each leads. No list redirects a call that the file or another provider's list routes
// elsewhere. A short name that several local providers list is one model with all of them as targets.
import type { ListedModel, ModelFacts, Target } from '../domain.ts'
import { mergedFacts } from './merged-facts.ts'
import type { Route } from './route.ts'
import type { ServerKinds } from './server-kinds.ts'

/** The lists of the providers whose models are discovered, by provider name; empty or absent until the provider has responded. */
export type Discovered = ReadonlyMap<string, readonly ListedModel[]>

/** Whether the file has a name for itself: by a wildcard only if the part before its `*` has at least so many characters. */
type IsConfigured = (name: string, minPrefixLength: number) => boolean

/** The providers that list a name, each with its id of the model. */
type Owners = ReadonlyMap<string, string>

export class DiscoveredNames {
  /** `PROVIDER/MODEL` and, if that name is not in use, `MODEL`. */
  readonly #routes = new Map<string, Route>()
  /** Names that several providers list, not all of them local → the full name at each of them. */
  readonly #ambiguous = new Map<string, readonly string[]>()
  readonly #discovering: ReadonlySet<string>
  /** Those of them that have listed nothing. */
  readonly #unlisted: readonly string[]
  /** By `listedKey`. */
  readonly #facts = new Map<string, ModelFacts>()

  constructor(lists: Discovered, { discovering, local }: ServerKinds, isConfigured: IsConfigured) {
    this.#discovering = discovering.union(new Set(lists.keys()))
    this.#unlisted = [...this.#discovering].filter((provider) => (lists.get(provider) ?? []).length === 0)
    // It may also look like a name in another provider's namespace.
    const isTaken = (short: string) => isConfigured(short, 0) || this.ownerOf(short) !== undefined
    const owners = ownersOfShortNames(lists)
    for (const [provider, listed] of lists) {
      for (const each of listed) {
        const names = [each.id, ...each.aliases]
        const full = names
          .map((name) => [`${provider}/${name}`, name] as const)
          .filter(([name]) => !isConfigured(name, provider.length + 1))
        const short = names
          .filter((name) => owners.get(name)?.size === 1 && !isTaken(name))
          .map((name) => [name, name] as const)
        this.#addModel(provider, each.id, [...full, ...short])
        if (each.facts === undefined) continue
        for (const name of names) this.#facts.set(listedKey({ provider, model: name }), each.facts)
      }
    }
    for (const [name, ids] of owners) if (ids.size > 1 && !isTaken(name)) this.#addShared(name, ids, local)
  }

  find(name: string): Route | undefined {
    return this.#routes.get(name)
  }

  /** All that lead to a model. */
  names(): Iterable<string> {
    return this.#routes.keys()
  }

  /** Every model under the name that its limits use. */
  models(): Iterable<string> {
    return new Set(Array.from(this.#routes.values(), ({ model }) => model.name))
  }

  /** The provider whose namespace a name is in, if its models are discovered. */
  ownerOf(name: string): string | undefined {
    const provider = name.slice(0, Math.max(0, name.indexOf('/')))
    return this.#discovering.has(provider) ? provider : undefined
  }

  /** The full names for a short name that is ambiguous, because several providers list it. */
  namesakes(name: string): readonly string[] {
    return this.#ambiguous.get(name) ?? []
  }

  /** Providers that may have the model, but list none: they are down, have not responded yet, or have no model. */
  withoutList(name: string): readonly string[] {
    const owner = this.ownerOf(name)
    return owner === undefined ? this.#unlisted : this.#unlisted.filter((provider) => provider === owner)
  }

  /** The route of a name if its provider listed it; undefined for a name outside the namespaces of such providers. */
  expected(name: string): Route | undefined {
    const provider = this.ownerOf(name)
    if (provider === undefined || name.length === provider.length + 1) return undefined
    const id = name.slice(provider.length + 1)
    return discoveredRoute(name, [targetAt(provider, id)])
  }

  /**
   * The route of a name in the namespace of a provider that does not list it: the provider is asked. All such names share
   * the limits of `PROVIDER/*`. Undefined for a name outside such namespaces.
   */
  unlisted(name: string): Route | undefined {
    const target = this.expected(name)?.targets[0]
    if (target === undefined) return undefined
    return { ...discoveredRoute(`${target.provider}/*`, [target]), rule: 'wildcard' }
  }

  /** What the providers of a model's targets all say of it; undefined: nothing. */
  factsOf({ targets }: Pick<Route, 'targets'>): ModelFacts | undefined {
    return mergedFacts(targets.map((target) => this.#facts.get(listedKey(target))))
  }

  /**
   * All names of a listed model share the limits of the full name.
   * @param names each with the one that goes upstream: the provider accepts all of its names, and its responses repeat the one
   * that the client has used.
   */
  #addModel(provider: string, id: string, names: readonly (readonly [name: string, own: string])[]): void {
    const full = `${provider}/${id}`
    const aliases = names.map(([name]) => name).filter((name) => name !== full)
    const { model } = discoveredRoute(full, [targetAt(provider, id)], aliases)
    for (const [name, own] of names)
      this.#routes.set(name, { model, rule: 'discovered', targets: [targetAt(provider, own)] })
  }

  /** The limits of a shared name are those of its id, if that is the same everywhere, else of the name. */
  #addShared(name: string, ids: Owners, local: ReadonlySet<string>): void {
    const providers = [...ids.keys()]
    if (providers.every((provider) => local.has(provider))) {
      const [id, ...others] = new Set(ids.values())
      const targets = providers.map((provider) => targetAt(provider, name))
      this.#routes.set(name, discoveredRoute(others.length === 0 ? id! : name, targets))
    } else {
      const full = providers.map((provider) => `${provider}/${name}`)
      this.#ambiguous.set(name, full)
    }
  }
}

/** By listed name or alias. */
function ownersOfShortNames(lists: Discovered): ReadonlyMap<string, Owners> {
  const owners = new Map<string, Map<string, string>>()
  for (const [provider, listed] of lists) {
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

/** @param name of the model. */
function discoveredRoute(name: string, targets: readonly Target[], aliases: readonly string[] = []): Route {
  return { model: { name, aliases, targets, fallbacks: [] }, rule: 'discovered', targets }
}

function targetAt(provider: string, model: string): Target {
  return { provider, model, tier: 1, weight: 1 }
}

/** Unambiguous, because a provider's name contains no line feed. */
function listedKey({ provider, model }: Pick<Target, 'provider' | 'model'>): string {
  return `${provider}\n${model}`
}
