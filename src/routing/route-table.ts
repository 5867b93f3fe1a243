// Model name → the configured model and its targets. Names come from clients: they are keys of maps and nothing else.
import type { ModelConfig } from '../config/types.ts'
import { closestName } from '../platform/did-you-mean.ts'
import type { Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'

export interface Route {
  readonly model: ModelConfig
  /** Which kind of name led here. `discovered`: one that a provider lists. */
  readonly rule: 'name' | 'alias' | 'wildcard' | 'discovered'
  /** The model's targets, with what the `*` of a wildcard stands for filled in. */
  readonly targets: readonly Target[]
}

/** What the providers list that are asked for their models, by their names; empty until one has answered. */
export type Discovered = ReadonlyMap<string, readonly ListedModel[]>

/** As `upstream/model-list.ts` has checked it. */
interface ListedModel {
  readonly id: string
  readonly aliases: readonly string[]
}

/**
 * The file's names and aliases lead, then its wildcards, the longest prefix first. A provider that is asked for its
 * models counts as a wildcard `PROVIDER/*` that covers just the names it lists, after one that the file has; shorter
 * wildcards do not reach into it. A listed name on its own comes last of all: no list takes a call away from where the
 * file sends it, and none from another provider.
 */
export class RouteTable {
  readonly #byName = new Map<string, Route>()
  readonly #byAlias = new Map<string, Route>()
  /** Both `PROVIDER/MODEL` and, where nothing else has the name, `MODEL`. */
  readonly #discovered = new Map<string, Route>()
  /** Names that several providers list → how each can be asked for. */
  readonly #ambiguous = new Map<string, readonly string[]>()
  readonly #discovering: ReadonlySet<string>
  /** Prefix → model. */
  readonly #wildcards = new Map<string, ModelConfig>()
  /** Lengths of the prefixes, the longest first. */
  readonly #prefixLengths: readonly number[]

  constructor(models: ReadonlyMap<string, ModelConfig>, discovered: Discovered = new Map()) {
    for (const [name, model] of models) {
      if (name.endsWith('*')) this.#wildcards.set(name.slice(0, -1), model)
      else this.#byName.set(name, { model, rule: 'name', targets: model.targets })
      for (const alias of model.aliases)
        this.#byAlias.set(alias, { model, rule: 'alias', targets: model.targets })
    }
    const lengths = new Set([...this.#wildcards.keys()].map((prefix) => prefix.length))
    this.#prefixLengths = [...lengths].sort((a, b) => b - a)
    this.#discovering = new Set(discovered.keys())
    this.#addDiscovered(discovered)
  }

  /** The exact name, else the alias, else what a provider lists, else the wildcard with the longest prefix. */
  find(name: string): Route | undefined {
    return (
      this.#byName.get(name) ??
      this.#byAlias.get(name) ??
      this.#discovered.get(name) ??
      this.#findWildcard(name)
    )
  }

  /** The name or alias that a mistyped one is likely to mean. */
  suggest(name: string): string | undefined {
    return closestName(name, this.list())
  }

  /** The full names behind one that is no model's because several providers list it. */
  namesakes(name: string): readonly string[] {
    return this.#ambiguous.get(name) ?? []
  }

  /** Where a name would lead if its provider listed it; undefined for a name that is in no such provider's room. */
  expected(name: string): Route | undefined {
    const provider = this.#ownerOf(name)
    if (provider === undefined || name.length === provider.length + 1) return undefined
    return routeTo(provider, { id: name.slice(provider.length + 1), aliases: [] }, [])
  }

  /**
   * Names, then aliases, that clients can ask for, in the order of the file, then what the providers list; wildcards
   * have none of their own.
   */
  list(): string[] {
    return [...this.#byName.keys(), ...this.#byAlias.keys(), ...this.#discovered.keys()]
  }

  /** Every model, by the name that its limits go by; wildcards included, aliases not. */
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
      for (const model of listed) {
        const names = [model.id, ...model.aliases]
        const full = names
          .map((name) => `${provider}/${name}`)
          .filter((name) => !this.#isConfigured(name, provider.length + 1))
        const short = names.filter((name) => owners.get(name)?.length === 1 && !this.#isTaken(name))
        const reachable = [...full, ...short]
        const route = routeTo(provider, model, reachable)
        for (const name of reachable) this.#discovered.set(name, route)
      }
    }
    for (const [name, providers] of owners) {
      if (providers.length < 2 || this.#isTaken(name)) continue
      this.#ambiguous.set(
        name,
        providers.map((provider) => `${provider}/${name}`),
      )
    }
  }

  /** A short name that the file covers, or that looks like one in another provider's room. */
  #isTaken(name: string): boolean {
    return this.#isConfigured(name, 0) || this.#ownerOf(name) !== undefined
  }

  /** Whether the file itself says where a name leads, by a wildcard with a prefix of at least so many characters. */
  #isConfigured(name: string, minPrefixLength: number): boolean {
    if (this.#byName.has(name) || this.#byAlias.has(name)) return true
    return this.#findWildcard(name, minPrefixLength) !== undefined
  }

  /** The provider in whose room a name is, if that one is asked for its models. */
  #ownerOf(name: string): string | undefined {
    const provider = name.slice(0, Math.max(0, name.indexOf('/')))
    return this.#discovering.has(provider) ? provider : undefined
  }

  #findWildcard(name: string, minPrefixLength = (this.#ownerOf(name)?.length ?? -1) + 1): Route | undefined {
    for (const length of this.#prefixLengths) {
      if (length < minPrefixLength) return undefined
      // A * stands for at least one character.
      if (length >= name.length) continue
      const model = this.#wildcards.get(name.slice(0, length))
      if (model === undefined) continue
      return { model, rule: 'wildcard', targets: filledIn(model.targets, name.slice(length)) }
    }
    return undefined
  }
}

/** Listed name or alias → the providers that have it. */
function ownersOfShortNames(discovered: Discovered): Map<string, string[]> {
  const owners = new Map<string, string[]>()
  for (const [provider, listed] of discovered) {
    for (const { id, aliases } of listed) {
      for (const name of [id, ...aliases]) {
        const known = owners.get(name)
        if (known === undefined) owners.set(name, [provider])
        else known.push(provider)
      }
    }
  }
  return owners
}

/** All of its names share the limits of the full one. */
function routeTo(provider: string, { id }: ListedModel, names: readonly string[]): Route {
  const name = `${provider}/${id}`
  const targets = [{ provider, model: id, ...defaultRank }]
  const aliases = names.filter((other) => other !== name)
  return { model: { name, aliases, targets, fallbacks: [] }, rule: 'discovered', targets }
}

const defaultRank = { tier: 1, weight: 1 } as const

/** The answer for a name that leads nowhere. */
export function modelNotFound(name: string, routes: RouteTable): GatewayError {
  const message = `The model ${JSON.stringify(name)} is not configured here. ${hintFor(name, routes)}`
  return new GatewayError('model_not_found', message, { param: 'model' })
}

function hintFor(name: string, routes: RouteTable): string {
  const namesakes = routes.namesakes(name).map((other) => JSON.stringify(other))
  if (namesakes.length > 0) return `Several providers list it: ask for ${namesakes.join(' or ')}.`
  const close = routes.suggest(name)
  return close === undefined ? 'GET /v1/models lists them.' : `Did you mean ${JSON.stringify(close)}?`
}

function filledIn(targets: readonly Target[], rest: string): Target[] {
  // A function, because in a text "$&" and the like would be patterns, and the client chooses `rest`.
  return targets.map((target) => ({ ...target, model: target.model.replace('*', () => rest) }))
}
