// Grades failures of local servers. Many users run them only now and then, and the packaged configuration names the usual
// ones: a failure stays one only if a model of the user's own has no other target or fallback that works.
import { isDeepStrictEqual } from 'node:util'
import type { Config, ModelConfig } from '../../config/types.ts'
import type { ProviderConfig } from '../../config/provider-types.ts'
import { RouteTable } from '../../routing/route-table.ts'
import { serverKindsOf } from '../../routing/server-kinds.ts'
import { counted } from '../output.ts'
import type { Finding } from './finding.ts'

/** The result of examining a provider. */
export interface ProviderReport {
  readonly config: ProviderConfig
  readonly findings: readonly Finding[]
  /** No program accepts connections at its address. */
  readonly isUnreachable: boolean
}

/**
 * All findings in their order, with failures of local servers downgraded where they matter less.
 * @param examples the packaged configuration: models and providers that are the same there are not the user's own.
 *   Undefined: all are.
 */
export function gradeFindings(
  config: Config,
  reports: readonly ProviderReport[],
  examples: Config | undefined,
): Finding[] {
  const dependents = new Dependents(config, reports, examples)
  const findings = reports.flatMap((report) => {
    if (report.config.kind === 'echo' || !report.config.isLocal) return report.findings
    const models = dependents.of(report.config.name)
    return report.isUnreachable ? gradeUnreachable(report, models) : gradeFaulty(report, models)
  })
  const servers = reports.filter((report) => report.config.kind !== 'echo')
  const isPartOfAll = servers.length < dependents.serverCount
  if (servers.length === 0 || isPartOfAll || servers.some(({ isUnreachable }) => !isUnreachable))
    return findings
  const detail = `no server can be reached (${counted(servers.length, 'provider')}); only the built-in echo works`
  const fix = 'start one of the servers, or add another provider to the configuration'
  return [...findings, { subject: 'model servers', state: 'warn', detail, fix }]
}

/** The models that use one provider. */
interface DependentModels {
  /** Names of the user's own models that have no other target that works. */
  readonly stranded: readonly string[]
  /** The user's own models. */
  readonly own: readonly ModelConfig[]
  readonly all: readonly ModelConfig[]
}

class Dependents {
  readonly #config: Config
  readonly #faulty: ReadonlySet<string>
  readonly #examples: Config | undefined
  readonly #routes: RouteTable

  constructor(config: Config, reports: readonly ProviderReport[], examples: Config | undefined) {
    this.#config = config
    this.#examples = examples
    const discovering = [...config.providers.values()].filter(discovers)
    const lists = new Map(discovering.map(({ name }) => [name, []]))
    this.#routes = new RouteTable(config.models, lists, serverKindsOf(config.providers))
    const faulty = reports.filter(({ findings }) => findings.some(({ state }) => state === 'fail'))
    this.#faulty = new Set(faulty.map((report) => report.config.name))
  }

  /** How many providers are not the built-in echo. */
  get serverCount(): number {
    return [...this.#config.providers.values()].filter(({ kind }) => kind !== 'echo').length
  }

  of(provider: string): DependentModels {
    const all = [...this.#config.models.values()].filter(({ targets }) =>
      targets.some((target) => target.provider === provider),
    )
    const own = all.filter((model) => !this.#isExample(model))
    const stranded = own.filter((model) => this.#providersOf(model).every((name) => this.#faulty.has(name)))
    return { stranded: stranded.map(({ name }) => name), own, all }
  }

  /** The providers of a model, of its fallbacks, and of theirs. */
  #providersOf({ name }: ModelConfig): string[] {
    const names = new Set([name])
    const found: string[] = []
    // Iterating over a set also visits what is added meanwhile.
    for (const each of names) {
      // The configured name first, which may be a wildcard; a fallback may also be a model that a provider would list.
      const model =
        this.#config.models.get(each) ??
        (this.#routes.find(each) ?? this.#routes.discovered.expected(each))?.model
      if (model === undefined) continue
      const { targets, fallbacks, when = [], use } = model
      found.push(...targets.map((target) => target.provider))
      for (const other of fallbacks) names.add(other)
      for (const rule of when) names.add(rule.use)
      if (use !== undefined) names.add(use)
    }
    return found
  }

  #isExample(model: ModelConfig): boolean {
    const example = this.#examples?.models.get(model.name)
    if (example === undefined || !isDeepStrictEqual(example, model)) return false
    return model.targets.every(({ provider }) => this.#isExampleProvider(provider))
  }

  #isExampleProvider(provider: string): boolean {
    const [one, other] = [this.#config, this.#examples].map((config) => config?.providers.get(provider))
    if (one === undefined || other === undefined || one.kind !== other.kind) return one === other
    if (one.kind === 'echo' || other.kind === 'echo') return true
    return one.origin === other.origin && one.basePath === other.basePath
  }
}

function discovers(provider: ProviderConfig): boolean {
  return provider.kind !== 'echo' && provider.discoverModels === true
}

function gradeUnreachable({ findings }: ProviderReport, { all, own, stranded }: DependentModels): Finding[] {
  const [state, reason] =
    stranded.length > 0
      ? (['fail', `no other target of ${joinNames(stranded)} works`] as const)
      : own.length > 0
        ? (['warn', `${joinNames(own.map(({ name }) => name))} can use another target`] as const)
        : all.length > 0
          ? (['warn', 'only models of the packaged configuration use it'] as const)
          : (['skipped', 'no model in the file uses it'] as const)
  return findings.map((finding) =>
    finding.state === 'fail' ? { ...finding, state, detail: `${finding.detail}; ${reason}` } : finding,
  )
}

/** For a server that responds with errors, or another program at its address. */
function gradeFaulty({ findings, config }: ProviderReport, { own }: DependentModels): Finding[] {
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

function joinNames(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ')
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown
}
