// `llm-gateway explain MODEL`: where a call for a model would go, and why. Keys appear by their source, never by value.
import type { FormatFindings } from '../app/format-findings.ts'
import { findConfigFile } from '../config/find.ts'
import { openConfig } from '../config/load.ts'
import type { Config } from '../config/types.ts'
import { printable } from '../platform/printable.ts'
import type { Discovered } from '../routing/discovered-names.ts'
import { RouteTable } from '../routing/route-table.ts'
import { serverKindsOf } from '../routing/server-kinds.ts'
import { findDialect, readProbes, unknownDialect } from './explain-formats.ts'
import { printExplanation } from './explain-print.ts'
import { explain } from './explanation.ts'
import { type CommandIo, Output } from './output.ts'
import { gatewayAt } from './state-directory.ts'
import { storedCredentialNames } from './stored-credentials.ts'
import { printProblems } from './validate-config.ts'

export interface ExplainOptions {
  readonly config?: string | undefined
  readonly dialect?: string | undefined
  /** Prints each member of the translations. Absent: a summary. JSON has all of them. */
  readonly members?: boolean | undefined
  readonly json: boolean
}

/** @returns the exit status: 0, or 1 when the model is unknown or the configuration is invalid. */
export async function explainCommand(io: CommandIo, model: string, options: ExplainOptions): Promise<number> {
  const dialect = options.dialect === undefined ? undefined : findDialect(options.dialect)
  if (options.dialect !== undefined && dialect === undefined) {
    const hint = unknownDialect(options.dialect)
    new Output(io.stderr, io.env).line(`There is no dialect "${printable(options.dialect)}". ${hint}`)
    return 1
  }
  const file = findConfigFile(options.config, io.env)
  const storedCredentials = storedCredentialNames(io.env)
  const loaded = await openConfig(file, { env: io.env, storedCredentials })
  if (!loaded.ok) {
    if (options.json) new Output(io.stdout, io.env).json({ file, valid: false, problems: loaded.problems })
    else printProblems(io, loaded.problems, loaded.lines)
    return 1
  }
  const discovered = emptyLists(loaded.config)
  const routes = new RouteTable(loaded.config.models, discovered, serverKindsOf(loaded.config.providers))
  // Explains the file alone: providers are not asked which models they have now.
  const route = routes.find(model) ?? routes.discovered.expected(model)
  if (route === undefined) {
    const discovering = [...discovered.keys()]
    printUnknown(io, { file, model, routes, discovering, isJson: options.json })
    return 1
  }
  const probes = dialect === undefined ? new Map() : probesOf(loaded.config, io)
  const explanation = explain(model, route, { ...loaded, file, storedCredentials, dialect, probes })
  const out = new Output(io.stdout, io.env)
  if (options.json) out.json({ file, found: true, ...explanation })
  else printExplanation(out, explanation, options.members === true)
  return 0
}

/** Of the gateway that runs with this configuration, else of the service. */
function probesOf({ server }: Config, io: CommandIo): FormatFindings {
  const { stateDirectory: directory } = gatewayAt(server, io.env)
  if (directory === undefined) return new Map()
  return readProbes(directory, ({ message }) => {
    new Output(io.stderr, io.env).line(`warning: what probes have shown is not known: ${printable(message)}`)
  })
}

/** An empty list of models for each provider with `discover_models`. */
function emptyLists({ providers }: Config): Discovered {
  const discovering = [...providers.values()].filter((each) => each.kind !== 'echo' && each.discoverModels)
  return new Map(discovering.map(({ name }) => [name, []]))
}

interface UnknownModel {
  readonly file: string
  readonly model: string
  readonly routes: RouteTable
  readonly discovering: readonly string[]
  readonly isJson: boolean
}

function printUnknown(io: CommandIo, { file, model, routes, discovering, isJson }: UnknownModel): void {
  const suggestion = routes.suggest(model)
  if (isJson) {
    new Output(io.stdout, io.env).json({ file, found: false, model, suggestion: suggestion ?? null })
    return
  }
  const err = new Output(io.stderr, io.env)
  const hint = suggestion === undefined ? '' : ` Did you mean "${printable(suggestion)}"?`
  err.line(`There is no model "${printable(model)}" in ${printable(file)}.${hint}`)
  const names = routes.list()
  if (suggestion === undefined && names.length > 0) {
    const shown = names.slice(0, 20).map(printable).join(', ')
    err.line(`Known models: ${shown}${names.length > 20 ? ', …' : ''}`)
  }
  if (discovering.length > 0) {
    err.line(
      `Models that these providers list are known only to a running gateway (GET /v1/models): ${discovering.join(', ')}`,
    )
  }
}
