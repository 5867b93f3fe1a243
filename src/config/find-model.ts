// Which model of the file a name leads to, in the order in which the gateway routes calls.
import { BoundedNames } from '../platform/bounded-names.ts'
import type { RawConfig, RawModel } from './raw.ts'

/** Undefined: no model of the file, though a provider may list one of that name. */
export type FindModel = (name: string) => string | undefined

/**
 * The name, the alias, a spelling of a bounded model, the wildcard with the longest prefix. In the namespace of a provider that
 * lists its models, a wildcard matches only if its prefix begins there.
 */
export function modelFinder(models: ReadonlyMap<string, RawModel>, raw: RawConfig): FindModel {
  const bounded = new BoundedNames(models)
  const listing = listingProviders(raw)
  const owners = new Map<string, string>()
  for (const [name, { aliases = [] }] of models) {
    for (const alias of aliases) if (!owners.has(alias)) owners.set(alias, name)
  }
  const wildcards = [...models.keys()]
    .filter((name) => name.endsWith('*'))
    .toSorted((one, other) => other.length - one.length)
  return (name) => {
    const named = models.has(name) ? name : (owners.get(name) ?? bounded.ownerOf(name))
    if (named !== undefined) return named
    const provider = providerIn(name)
    const least = listing.has(provider) ? provider.length + 1 : 0
    // A * stands for at least one character.
    const matches = (wildcard: string) =>
      wildcard.length > least && name.startsWith(wildcard.slice(0, -1)) && name.length >= wildcard.length
    const matched = wildcards.find(matches)
    return bounded.wildcardOf(name, matched, least)?.name ?? matched
  }
}

/** Of `PROVIDER/MODEL`; empty for other names. */
export function providerIn(name: string): string {
  return name.slice(0, Math.max(0, name.indexOf('/')))
}

function listingProviders(raw: RawConfig): ReadonlySet<string> {
  const providers = Object.entries(raw.providers ?? {})
  return new Set(providers.filter(([, each]) => each.discover_models === true).map(([name]) => name))
}
