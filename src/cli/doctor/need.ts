// How much a fault of a local server matters. Some run now and then, and the packaged configuration names the usual ones
// for whoever has them: a fault is a failure only where a model that somebody has written down has nothing else.
import { isDeepStrictEqual } from 'node:util'
import type { Config, ModelConfig, ProviderConfig } from '../../config/types.ts'
import { RouteTable } from '../../routing/route-table.ts'
import { counted } from '../output.ts'
import type { Finding } from './finding.ts'

/** What an examination of a provider came to. */
export interface Examined {
  readonly config: ProviderConfig
  readonly findings: readonly Finding[]
  /** Nothing listens there. */
  readonly isAbsent: boolean
}

/**
 * The findings of all, in their order, with faults of local servers as grave as they are.
 * @param examples the packaged configuration: models and providers that stand in the file as they do there are nobody's
 *   own. Undefined: all are.
 */
export function judgeNeeds(
  config: Config,
  examined: readonly Examined[],
  examples: Config | undefined,
): Finding[] {
  const needs = new Needs(config, examined, examples)
  const findings = examined.flatMap((each) => {
    if (each.config.kind === 'echo' || !each.config.isLocal) return each.findings
    const { name } = each.config
    return each.isAbsent ? absentFindings(each, needs.of(name)) : faultyFindings(each, needs.of(name))
  })
  const servers = examined.filter((each) => each.config.kind !== 'echo')
  if (servers.length === 0 || servers.length < needs.servers || servers.some(({ isAbsent }) => !isAbsent))
    return findings
  const detail = `none is there (${counted(servers.length, 'provider')}): no model but the built-in echo can be called`
  const fix = 'start one of them, or add one to the configuration'
  return [...findings, { subject: 'model servers', state: 'warn', detail, fix }]
}

/** What the models of a file want from one provider. */
interface Need {
  /** Somebody's own models that have no other target which works. */
  readonly without: readonly string[]
  /** Somebody's own models. */
  readonly own: readonly ModelConfig[]
  /** All of them. */
  readonly all: readonly ModelConfig[]
}

class Needs {
  readonly #config: Config
  readonly #faulty: ReadonlySet<string>
  readonly #examples: Config | undefined
  readonly #routes: RouteTable

  constructor(config: Config, examined: readonly Examined[], examples: Config | undefined) {
    this.#config = config
    this.#examples = examples
    const discovering = [...config.providers.values()].filter(discovers)
    this.#routes = new RouteTable(config.models, new Map(discovering.map(({ name }) => [name, []])))
    const faulty = examined.filter(({ findings }) => findings.some(({ state }) => state === 'fail'))
    this.#faulty = new Set(faulty.map((each) => each.config.name))
  }

  /** How many providers are others than the built-in echo. */
  get servers(): number {
    return [...this.#config.providers.values()].filter(({ kind }) => kind !== 'echo').length
  }

  of(provider: string): Need {
    const all = [...this.#config.models.values()].filter(({ targets }) =>
      targets.some((target) => target.provider === provider),
    )
    const own = all.filter((model) => !this.#isExample(model))
    const without = own.filter((model) => this.#providersOf(model).every((name) => this.#faulty.has(name)))
    return { without: without.map(({ name }) => name), own, all }
  }

  /** Those of its fallbacks included, and of theirs. */
  #providersOf({ name }: ModelConfig): string[] {
    const names = new Set([name])
    const found: string[] = []
    // A set may grow while it is gone through.
    for (const each of names) {
      // By its own name where it is a wildcard's; a fallback may also be a model that a provider would list.
      const model =
        this.#config.models.get(each) ?? (this.#routes.find(each) ?? this.#routes.expected(each))?.model
      if (model === undefined) continue
      const { targets, fallbacks } = model
      found.push(...targets.map((target) => target.provider))
      for (const fallback of fallbacks) names.add(fallback)
    }
    return found
  }

  #isExample(model: ModelConfig): boolean {
    const example = this.#examples?.models.get(model.name)
    if (example === undefined || !isDeepStrictEqual(example, model)) return false
    return model.targets.every(({ provider }) => this.#isExampleServer(provider))
  }

  #isExampleServer(provider: string): boolean {
    const [one, other] = [this.#config, this.#examples].map((config) => config?.providers.get(provider))
    if (one?.kind !== 'openai' || other?.kind !== 'openai') return one?.kind === other?.kind
    return one.origin === other.origin && one.basePath === other.basePath
  }
}

function discovers(provider: ProviderConfig): boolean {
  return provider.kind === 'openai' && provider.discoverModels === true
}

function absentFindings({ findings }: Examined, { all, own, without }: Need): Finding[] {
  const lacking = `no other target of ${quotedNames(without)} works`
  const [state, why] =
    without.length > 0
      ? (['fail', lacking] as const)
      : own.length > 0
        ? (['warn', `${quotedNames(own.map(({ name }) => name))} can be had elsewhere`] as const)
        : all.length > 0
          ? (['warn', 'only models of the packaged configuration name it'] as const)
          : (['skipped', 'no model of the file needs it'] as const)
  return findings.map((finding) =>
    finding.state === 'fail' ? { ...finding, state, detail: `${finding.detail}; ${why}` } : finding,
  )
}

/** It answers, but not well; or something else does at its address. */
function faultyFindings({ findings, config }: Examined, { own }: Need): Finding[] {
  return findings.map((finding) => {
    const model = finding.figures?.['model']
    const isOwn = own.some(({ targets }) =>
      targets.some(
        (target) => target.provider === config.name && (model === undefined || target.model === model),
      ),
    )
    return finding.state === 'fail' && !isOwn ? { ...finding, state: 'warn' } : finding
  })
}

function quotedNames(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ')
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown
}
