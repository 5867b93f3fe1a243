// Other spellings of the names of bounded models. A spelling that Ollama takes for such a name belongs to its model, because an
// unbounded wildcard or a list would take its calls outside.
import { boundaries, type Boundary } from './boundary.ts'
import { looseName, withoutDefaults } from './loose-names.ts'

/** What the file says of a model. */
interface NamedModel {
  readonly aliases?: readonly string[]
  readonly boundary?: Boundary
  readonly use?: string
  readonly when?: readonly { readonly use: string }[]
}

export interface SpelledWildcard {
  /** With the `*`. */
  readonly name: string
  /** What the `*` stands for, as it was spelled. */
  readonly rest: string
}

export class BoundedNames {
  /** By `looseName`: the model that has the name or the alias. */
  readonly #owners = new Map<string, string>()
  /** Those of wildcards, the longest first. */
  readonly #prefixes: readonly { readonly loose: string; readonly name: string }[]

  /** Of several models with one spelling, the one with the narrowest boundary counts, then the first. */
  constructor(models: ReadonlyMap<string, NamedModel>) {
    const bounded = boundedOf(models)
    for (const [name, { aliases = [] }] of bounded) {
      for (const each of name.endsWith('*') ? aliases : [name, ...aliases]) {
        const key = looseName(each)
        if (!this.#owners.has(key)) this.#owners.set(key, name)
      }
    }
    this.#prefixes = bounded
      .filter(([name]) => name.endsWith('*'))
      .map(([name]) => ({ name, loose: loosePrefix(name) }))
      .toSorted((one, other) => other.loose.length - one.loose.length)
  }

  /** The model that a spelling belongs to by its name or an alias. */
  ownerOf(spelled: string): string | undefined {
    return this.#owners.size === 0 ? undefined : this.#owners.get(looseName(spelled))
  }

  /**
   * The wildcard that a spelling belongs to.
   * @param matched the wildcard that matches it as it is: it has precedence if it is as long.
   * @param minLength of the part before the `*`.
   */
  wildcardOf(spelled: string, matched: string | undefined, minLength: number): SpelledWildcard | undefined {
    if (this.#prefixes.length === 0) return undefined
    const plain = withoutDefaults(spelled)
    const least = matched === undefined ? minLength : Math.max(minLength, loosePrefix(matched).length + 1)
    const folded = plain.toLowerCase()
    const found = this.#prefixes.find(
      ({ loose }) => loose.length >= least && folded.length > loose.length && folded.startsWith(loose),
    )
    return found && { name: found.name, rest: plain.slice(found.loose.length) }
  }
}

/** The models that a boundary bounds, or one that their rules lead to; the narrowest first. */
function boundedOf(models: ReadonlyMap<string, NamedModel>): [string, NamedModel][] {
  const left = [...models].filter(([, { boundary = 'any' }]) => boundary !== 'any').map(([name]) => name)
  if (left.length === 0) return []
  const leading = leadingTo(models)
  const bounded = new Set(left)
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    const found = (leading.get(name) ?? []).filter((each) => !bounded.has(each))
    for (const each of found) bounded.add(each)
    left.push(...found)
  }
  const rankOf = ({ boundary = 'any' }: NamedModel) => boundaries.indexOf(boundary)
  return [...models]
    .filter(([name]) => bounded.has(name))
    .toSorted(([, one], [, other]) => rankOf(one) - rankOf(other))
}

/** Model → the models whose rules lead to it. */
function leadingTo(models: ReadonlyMap<string, NamedModel>): ReadonlyMap<string, string[]> {
  const byAlias = new Map<string, string>()
  for (const [name, { aliases = [] }] of models) for (const alias of aliases) byAlias.set(alias, name)
  const wildcards = [...models.keys()]
    .filter((name) => name.endsWith('*'))
    .toSorted((one, other) => other.length - one.length)
  const find = (name: string) => {
    if (models.has(name)) return name
    const matches = (wildcard: string) =>
      name.length >= wildcard.length && name.startsWith(wildcard.slice(0, -1))
    return byAlias.get(name) ?? wildcards.find(matches)
  }
  const leading = new Map<string, string[]>()
  for (const [name, { use, when = [] }] of models) {
    for (const other of [...when.map((rule) => rule.use), ...(use === undefined ? [] : [use])]) {
      const to = find(other)
      if (to === undefined) continue
      const known = leading.get(to)
      if (known === undefined) leading.set(to, [name])
      else known.push(name)
    }
  }
  return leading
}

function loosePrefix(wildcard: string): string {
  return withoutDefaults(wildcard.slice(0, -1)).toLowerCase()
}
