// Which way a call in a format goes to a provider, and what its translation carries.
import { traitNames } from '../config/resolve-traits.ts'
import type { ModelConfig, ProviderConfig, ProviderTraits } from '../config/types.ts'
import type { Carriage, Coverage } from '../dialects/coverage.ts'
import type { ClientDialect } from '../dialects/dialect.ts'
import { dialects } from '../dialects/table.ts'
import { closestName } from '../platform/did-you-mean.ts'
import { speaks } from '../upstream/providers/kinds.ts'
import type { Output } from './output.ts'

/** A way that a call may go. */
export interface ExplainedWay {
  /** `pass`, or the translation. */
  readonly way: string
  /** False: taken if the server turns out to speak the format, which the first such call finds out. */
  readonly isCertain: boolean
}

export interface ExplainedFormats {
  readonly ways: readonly ExplainedWay[]
  /** Settings of the file that translations go by, under the keys there. */
  readonly translation: Readonly<Record<string, unknown>>
}

/** By the name in the log, or as the configuration names it. */
export function findDialect(name: string): ClientDialect | undefined {
  const wanted = name === 'responses' ? 'response' : name
  return [...dialects.keys()].find((dialect) => dialect.name === wanted)
}

export function unknownDialect(name: string): string {
  const names = [...new Set(Array.from(dialects.keys(), (dialect) => dialect.name))]
  const near = closestName(name, names)
  return near === undefined ? `Known dialects: ${names.join(', ')}` : `Did you mean "${near}"?`
}

/** The certain way comes last; there is none if no format leads to the provider. */
export function explainFormats(
  dialect: ClientDialect,
  provider: ProviderConfig,
  { traits: ofModel = {} }: Pick<ModelConfig, 'traits'>,
): ExplainedFormats {
  const ways: ExplainedWay[] = []
  for (const { way, provider: format } of dialects.get(dialect) ?? []) {
    const isSpoken = speaks(provider, format.name)
    if (isSpoken === false) continue
    ways.push({ way, isCertain: isSpoken === true })
    if (isSpoken === true) break
  }
  const ofProvider = provider.kind === 'echo' ? {} : provider.traits
  return { ways, translation: keysOf({ ...ofProvider, ...ofModel }) }
}

function keysOf(traits: Partial<ProviderTraits>): Record<string, unknown> {
  const named = Object.entries(traitNames).filter(([, trait]) => trait in traits)
  return Object.fromEntries(named.map(([key, trait]) => [key, traits[trait] ?? null]))
}

/** Of these ways that are translations. */
export function coveragesOf(
  dialect: ClientDialect,
  ways: readonly ExplainedWay[],
): ReadonlyMap<string, Coverage> {
  const named = new Set(ways.map(({ way }) => way))
  const translators = (dialects.get(dialect) ?? []).filter(({ way }) => named.has(way))
  return new Map(
    translators.flatMap(({ way, coverage }) => (coverage === undefined ? [] : [[way, coverage] as const])),
  )
}

/** On one line. */
export function describeWays(ways: readonly ExplainedWay[]): string {
  if (ways.length === 0) return 'none: calls are refused with not_translatable'
  return ways
    .map(({ way, isCertain }) => (isCertain ? way : `${way} if the server speaks the format, else`))
    .join(' ')
    .replace(/ else$/, ' which is found out by a call')
}

const carriages: Readonly<Record<Carriage, 'green' | 'yellow' | 'red' | 'dim'>> = {
  exact: 'green',
  approximated: 'yellow',
  refused: 'red',
  dropped: 'dim',
}

export function printCoverage(out: Output, way: string, coverage: Coverage): void {
  for (const part of ['request', 'response'] as const) {
    out.line()
    out.line(out.styled('bold', `${way}: ${part}`))
    const rows = Object.entries(coverage[part])
    const width = Math.max(0, ...rows.map(([member]) => member.length))
    for (const carriage of Object.keys(carriages) as Carriage[]) {
      for (const [member, [carried, note = '']] of rows) {
        if (carried !== carriage) continue
        const shown = out.styled(carriages[carriage], carriage.padEnd(12))
        out.line(`   ${shown}  ${member.padEnd(width)}  ${note}`.trimEnd())
      }
    }
  }
}
