// `llm-gateway doctor`: everything that has to be right for calls to pass, looked at, with the fix for what is not. It
// changes nothing, and asks providers by itself: a call through the gateway would be counted, and would not tell at
// which step it fails.
import { resolve } from 'node:path'
import { listenHostFault } from '../config/addresses.ts'
import { findConfigFile, findStateDirectory, packagedConfigFile } from '../config/find.ts'
import { loadConfig, secretReferences, type LoadedConfig } from '../config/load.ts'
import { readPartialConfig } from '../config/partial-config.ts'
import type { RawConfig } from '../config/raw.ts'
import { systemAccounts } from '../config/trusted-file.ts'
import type { Config } from '../config/types.ts'
import { closestName } from '../did-you-mean.ts'
import { isJournal } from '../systemd/journal.ts'
import type { RunProgram } from '../systemd/programs.ts'
import type { Places } from '../systemd/scope.ts'
import { examineConfig } from './doctor/config.ts'
import { examineCredentials, type LackingKey } from './doctor/credentials.ts'
import { examineFiles } from './doctor/files.ts'
import type { Check, Finding } from './doctor/finding.ts'
import { examineListener } from './doctor/listener.ts'
import { judgeNeeds } from './doctor/need.ts'
import { Progress } from './doctor/progress.ts'
import { examineProvider } from './doctor/provider.ts'
import { countStates, printJson, printTable } from './doctor/report.ts'
import { examineRuntime } from './doctor/runtime.ts'
import { examineService } from './doctor/service.ts'
import { type CommandIo, Output, printable } from './output.ts'
import { ownCommand } from './own-command.ts'
import { currentRuntime, unsafeSettings } from './unsafe-runtime.ts'

export interface DoctorOptions {
  /** Undefined: the one that `serve` would take. */
  readonly config: string | undefined
  readonly isJson: boolean
  /** Warnings count as failures. */
  readonly isStrict: boolean
  readonly mayCall: boolean
  readonly timeoutMs: number | undefined
  /** Empty: all. */
  readonly providers: readonly string[]
}

export interface DoctorSurroundings {
  readonly version: string
  readonly places: Places
  readonly run: RunProgram
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number
}

/** The exit code: 0 when nothing fails, 1 when something does, 2 for a provider that the configuration has not. */
export async function doctorCommand(
  io: CommandIo,
  options: DoctorOptions,
  surroundings: DoctorSurroundings,
): Promise<number> {
  const { env } = io
  // A report of a crash would list the environment, and with it the keys.
  process.report.excludeEnv = true
  const file = resolve(findConfigFile(options.config, env))
  const loaded = loadConfig(file, { env, mayLackSecrets: true })
  const stranger = loaded.ok
    ? options.providers.find((name) => !loaded.config.providers.has(name))
    : undefined
  if (loaded.ok && stranger !== undefined) {
    sayUnknown(io, file, stranger, loaded.config)
    return 2
  }
  const checks = await examine({ io, options, surroundings, file, loaded })
  const { fail, warn } = countStates(checks)
  const isOk = fail === 0 && (warn === 0 || !options.isStrict)
  if (options.isJson) printJson(io, file, isOk, checks)
  else printTable(io, checks, isJournal(env, 1))
  return isOk ? 0 : 1
}

function sayUnknown(io: CommandIo, file: string, name: string, { providers }: Config): void {
  const near = closestName(name, providers.keys())
  const hint =
    near === undefined ? `There is: ${[...providers.keys()].join(', ')}` : `Did you mean "${near}"?`
  const text = `There is no provider "${name}" in ${file}. ${hint}`
  new Output(io.stderr, io.env).line(`error: ${printable(text)}`)
}

interface Subject {
  readonly io: CommandIo
  readonly options: DoctorOptions
  readonly surroundings: DoctorSurroundings
  readonly file: string
  readonly loaded: LoadedConfig
}

/** What asks systemd blocks, so the providers, whose times are taken, come last. */
async function examine(subject: Subject): Promise<Check[]> {
  const { io, surroundings, file, loaded } = subject
  const { env } = io
  const { places, run } = surroundings
  const accounts = systemAccounts()
  const raw = loaded.ok ? loaded.raw : undefined
  const runtime = currentRuntime(env)
  const service = examineService(file, places, env, run)
  const credentials = raw === undefined ? undefined : examineCredentials(raw, { env, accounts }, places)
  const { credentialsDirectory } = places
  const files = {
    config: file,
    secrets: raw === undefined ? [] : secretFiles(raw),
    credentialsDirectory,
    stateDirectory: env['STATE_DIRECTORY'] === undefined ? places.stateDirectory : findStateDirectory(env),
  }
  const addresses = addressesOf(subject)
  const unasked = [skipped('all', notValid)]
  const [listener, providers] = await Promise.all([
    addresses === undefined ? unasked : examineListener({ ...addresses, ...service }, loaded.ok),
    examineProviders(subject, credentials?.lacking ?? new Map()),
  ])
  const config = examineConfig(file, loaded)
  // Who reads a file that others may write has said so already.
  const told = new Set([...config, ...(credentials?.findings ?? [])].map(({ fix }) => fix))
  const modes = examineFiles(files, accounts).filter(({ state, fix }) => state !== 'fail' || !told.has(fix))
  return [
    ...inArea('runtime', examineRuntime(process.versions.node, runtime)),
    ...inArea('config', config),
    ...inArea('files', modes),
    ...inArea('credentials', credentials?.findings ?? unasked),
    ...inArea('service', service.findings),
    ...inArea('port', listener),
    ...inArea('provider', providers),
  ]
}

function inArea(area: Check['area'], findings: readonly Finding[]): Check[] {
  return findings.map((finding) => ({ area, ...finding }))
}

const notValid = 'the configuration is not valid'

function skipped(subject: string, detail: string): Finding {
  return { subject, state: 'skipped', detail }
}

function secretFiles(raw: RawConfig): string[] {
  return [...secretReferences(raw)].flatMap(([, { file }]) => file ?? [])
}

/** Of a file with problems as much as can be read. */
function addressesOf({ io, file, loaded }: Subject) {
  if (loaded.ok) {
    const { hosts, port, unixSocket } = loaded.config.server
    return { hosts, port, unixSocket }
  }
  const read = readPartialConfig(file, io.env)
  if (read.kind === 'unreadable') return undefined
  const { hosts, port } = read.config
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return undefined
  return { hosts: hosts.filter((host) => listenHostFault(host) === undefined), port, unixSocket: undefined }
}

async function examineProviders(
  { io, options, surroundings, loaded }: Subject,
  lacking: ReadonlyMap<string, LackingKey>,
): Promise<Finding[]> {
  if (!loaded.ok) return [skipped('all providers', notValid)]
  // They may hand keys to whoever answers.
  if (unsafeSettings(currentRuntime(io.env)).length > 0)
    return [skipped('all providers', 'settings of Node are not safe')]
  const { config } = loaded
  const { mayCall, timeoutMs, providers: asked } = options
  const { now, version } = surroundings
  const progress = new Progress(io, now)
  const chosen = [...config.providers.values()].filter(
    ({ name }) => asked.length === 0 || asked.includes(name),
  )
  const examined = chosen.map(async (provider) => {
    const examinedOne = await examineProvider({
      config: provider,
      models: modelsOf(config, provider.name),
      lacking: lacking.get(provider.name),
      mayCall,
      timeoutMs,
      userAgent: `llm-gateway/${version} doctor`,
      command: ownCommand(io.env),
      now,
      onWait: (what) => progress.wait(provider.name, what),
    })
    progress.done(provider.name)
    return examinedOne
  })
  return judgeNeeds(config, await Promise.all(examined), packagedConfig())
}

/** What comes with the program, without what the environment would change of it. */
function packagedConfig(): Config | undefined {
  const loaded = loadConfig(packagedConfigFile(), { env: {}, mayLackSecrets: true })
  return loaded.ok ? loaded.config : undefined
}

/** The provider's names for what is asked of it, each once. What a wildcard stands for is not known. */
function modelsOf({ models }: Config, provider: string): string[] {
  const named = [...models.values()].filter(({ name }) => !name.endsWith('*'))
  const targets = named.flatMap((model) => model.targets).filter((target) => target.provider === provider)
  return [...new Set(targets.map(({ model }) => model))].filter((model) => !model.includes('*'))
}
