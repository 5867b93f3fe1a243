// Model name → the configured model and its targets. Names come from clients: they are keys of maps and nothing else.
import type { ModelConfig } from '../config/types.ts'
import { closestName } from '../did-you-mean.ts'
import type { Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'

export interface Route {
  readonly model: ModelConfig
  /** Which kind of name led here. */
  readonly rule: 'name' | 'alias' | 'wildcard'
  /** The model's targets, with what the `*` of a wildcard stands for filled in. */
  readonly targets: readonly Target[]
}

export class RouteTable {
  readonly #byName = new Map<string, Route>()
  readonly #byAlias = new Map<string, Route>()
  /** Prefix → model. */
  readonly #wildcards = new Map<string, ModelConfig>()
  /** Lengths of the prefixes, the longest first. */
  readonly #prefixLengths: readonly number[]

  constructor(models: ReadonlyMap<string, ModelConfig>) {
    for (const [name, model] of models) {
      if (name.endsWith('*')) this.#wildcards.set(name.slice(0, -1), model)
      else this.#byName.set(name, { model, rule: 'name', targets: model.targets })
      for (const alias of model.aliases)
        this.#byAlias.set(alias, { model, rule: 'alias', targets: model.targets })
    }
    const lengths = new Set([...this.#wildcards.keys()].map((prefix) => prefix.length))
    this.#prefixLengths = [...lengths].sort((a, b) => b - a)
  }

  /** The exact name, else the alias, else the wildcard with the longest prefix. */
  find(name: string): Route | undefined {
    return this.#byName.get(name) ?? this.#byAlias.get(name) ?? this.#findWildcard(name)
  }

  /** The name or alias that a mistyped one is likely to mean. */
  suggest(name: string): string | undefined {
    return closestName(name, this.list())
  }

  /** Names, then aliases, that clients can ask for, in the order of the file; wildcards have none of their own. */
  list(): string[] {
    return [...this.#byName.keys(), ...this.#byAlias.keys()]
  }

  /** Every model, by the name that its limits go by; wildcards included, aliases not. */
  models(): string[] {
    return [...this.#byName.keys(), ...Array.from(this.#wildcards.keys(), (prefix) => `${prefix}*`)]
  }

  #findWildcard(name: string): Route | undefined {
    for (const length of this.#prefixLengths) {
      // A * stands for at least one character.
      if (length >= name.length) continue
      const model = this.#wildcards.get(name.slice(0, length))
      if (model === undefined) continue
      return { model, rule: 'wildcard', targets: filledIn(model.targets, name.slice(length)) }
    }
    return undefined
  }
}

/** The answer for a name that leads nowhere. */
export function modelNotFound(name: string, routes: RouteTable): GatewayError {
  const close = routes.suggest(name)
  const hint = close === undefined ? 'GET /v1/models lists them.' : `Did you mean ${JSON.stringify(close)}?`
  const message = `The model ${JSON.stringify(name)} is not configured here. ${hint}`
  return new GatewayError('model_not_found', message, { param: 'model' })
}

function filledIn(targets: readonly Target[], rest: string): Target[] {
  // A function, because in a text "$&" and the like would be patterns, and the client chooses `rest`.
  return targets.map((target) => ({ ...target, model: target.model.replace('*', () => rest) }))
}
