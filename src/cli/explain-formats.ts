// Which way a call in a format goes to a provider, how that is known, and what its translation carries.
import { serverOf, type FormatFindings } from '../app/format-findings.ts'
import { FormatsFile } from '../app/formats-file.ts'
import { traitNames } from '../config/resolve-traits.ts'
import type { ModelConfig } from '../config/types.ts'
import type { ProviderConfig, ProviderTraits } from '../config/provider-types.ts'
import type { Carriage, Coverage } from '../dialects/coverage.ts'
import type { ClientDialect } from '../dialects/dialect.ts'
import { dialects } from '../dialects/table.ts'
import { closestName } from '../platform/did-you-mean.ts'
import { durationText } from '../platform/duration.ts'
import { printable } from '../platform/printable.ts'
import { speaks } from '../upstream/providers/kinds.ts'
import type { Output } from './output.ts'

/** A way that a call may go. */
export interface ExplainedWay {
  /** `pass`, or the translation. */
  readonly way: string
  /** False: taken if the server turns out to speak the format, which the first such call probes. */
  readonly isCertain: boolean
}

/** What is known of a provider and one format. */
interface KnownFormat {
  /** As `speaks` names it. */
  readonly format: string
  /** Undefined: not known yet. */
  readonly isSpoken: boolean | undefined
  /** Absent: not known yet. */
  readonly source?: 'configured' | 'kind' | 'probed'
  /** Of a probe, in milliseconds since 1970. */
  readonly probedAtMs?: number
  /** Of the server that was probed. */
  readonly version?: string
}

export interface ExplainedFormats {
  readonly ways: readonly ExplainedWay[]
  /** Of the formats that decide about the way, in the order in which they are considered. */
  readonly known: readonly KnownFormat[]
  /** Settings of the file that translations go by, under the keys there. */
  readonly translation: Readonly<Record<string, unknown>>
}

/** By the name in the log, or as the configuration names it. */
export function findDialect(name: string): ClientDialect | undefined {
  const wanted = name === 'responses' ? 'response' : name
  return [...dialects.keys()].find((dialect) => dialect.name === wanted)
}

export function unknownDialect(name: string): string {
  const inLog = Array.from(dialects.keys(), (dialect) => dialect.name)
  const translated = ['chat', 'responses', 'messages']
  const names = [...new Set([...translated, ...inLog])].filter((each) => each !== 'response')
  const near = closestName(name, names)
  return near === undefined ? `Known dialects: ${names.join(', ')}` : `Did you mean "${near}"?`
}

/**
 * What the gateway that keeps its state in a directory has learned from probes.
 * @param onFault is called if the file exists and cannot be read.
 */
export function readProbes(directory: string, onFault: (cause: Error) => void): FormatFindings {
  return new FormatsFile({ directory, findings: () => new Map(), onFault }).load()
}

/** The certain way comes last; there is none if no format leads to the provider. */
export function explainFormats(
  dialect: ClientDialect,
  provider: ProviderConfig,
  { traits: ofModel = {} }: Pick<ModelConfig, 'traits'>,
  probes: FormatFindings,
): ExplainedFormats {
  const ways: ExplainedWay[] = []
  const known: KnownFormat[] = []
  for (const { way, provider: format } of dialects.get(dialect) ?? []) {
    const found = knownOf(provider, format.name, probes)
    known.push(found)
    if (found.isSpoken === false) continue
    ways.push({ way, isCertain: found.isSpoken === true })
    if (found.isSpoken === true) break
  }
  const ofProvider = provider.kind === 'echo' ? {} : provider.traits
  return { ways, known, translation: keysOf({ ...ofProvider, ...ofModel }) }
}

function knownOf(provider: ProviderConfig, name: string, probes: FormatFindings): KnownFormat {
  const format = name === 'response' ? 'responses' : name
  const isSpoken = speaks(provider, name)
  if (isSpoken !== undefined) {
    const isConfigured = provider.kind !== 'echo' && provider.speaks !== undefined
    return { format, isSpoken, source: isConfigured ? 'configured' : 'kind' }
  }
  const probe = provider.kind === 'echo' ? undefined : probes.get(provider.name)
  const shown = probe?.formats[name]
  if (provider.kind === 'echo' || shown === undefined || probe?.address !== serverOf(provider)) {
    return { format, isSpoken: undefined }
  }
  const { foundAtMs: probedAtMs, version } = probe
  return { format, isSpoken: shown, source: 'probed', probedAtMs, ...(version !== undefined && { version }) }
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

/**
 * On one line: the way, and how it is known.
 * @param kind of the provider.
 */
export function describeFormats({ ways, known }: ExplainedFormats, kind: string, wallNowMs: number): string {
  const reasons = known.map((each) => describeKnown(each, kind, wallNowMs))
  return [describeWays(ways), ...reasons].join('; ')
}

function describeWays(ways: readonly ExplainedWay[]): string {
  if (ways.length === 0) return 'none: calls are refused with not_translatable'
  return ways
    .map(({ way, isCertain }) => (isCertain ? way : `${way} if the server speaks the format, else`))
    .join(' ')
    .replace(/, else$/, '')
}

function describeKnown(known: KnownFormat, kind: string, wallNowMs: number): string {
  const { format, isSpoken, source, probedAtMs = 0, version } = known
  if (source === undefined) return `${format} not probed yet`
  const how = {
    configured: () => 'configured',
    kind: () => `kind ${kind}`,
    probed: () =>
      `probed ${durationText(wallNowMs - probedAtMs)} ago${version === undefined ? '' : `, version ${printable(version)}`}`,
  }
  return `${isSpoken === true ? 'speaks' : 'does not speak'} ${format} (${how[source]()})`
}

const carriages: Readonly<Record<Carriage, 'green' | 'yellow' | 'red' | 'dim'>> = {
  exact: 'green',
  approximated: 'yellow',
  refused: 'red',
  dropped: 'dim',
}

/** How many members are carried how, and which are not. */
export function printCoverageSummary(out: Output, way: string, coverage: Coverage): void {
  out.line()
  for (const part of ['request', 'response'] as const) {
    const rows = Object.entries(coverage[part])
    const named = (carriage: Carriage) => rows.flatMap(([name, [each]]) => (each === carriage ? [name] : []))
    const counts = `${named('exact').length} exact, ${named('approximated').length} approximated`
    out.line(`${out.styled('bold', `${way}: ${part}`)}  ${counts}`)
    for (const carriage of ['refused', 'dropped'] as const) {
      const names = named(carriage)
      if (names.length === 0) continue
      out.line(`   ${out.styled(carriages[carriage], `${names.length} ${carriage}`)}: ${names.join(', ')}`)
    }
  }
}

/** Every member, with what becomes of it. */
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

/** The routes of its own that calls may take at the root. Of a server of kind `openai` nothing is known. */
export function ownRoutesOf(provider: ProviderConfig): string[] {
  if (provider.kind === 'openai') return []
  const own = [...dialects.keys()].filter(({ name, count }) => name === 'other' && count === undefined)
  return own.filter(({ native }) => speaks(provider, native.name) === true).map(({ path }) => path)
}
