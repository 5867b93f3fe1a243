// `llm-gateway doctor`: checks everything that calls need, and suggests a fix for what fails. It changes nothing. It calls
// providers directly: a call through the gateway would be counted, and would not show which step fails.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { listenHostFault } from '../../config/addresses.ts'
import { gatewayVariable } from '../../config/environment.ts'
import { findConfigFile, packageAccounts, packagedConfigFile } from '../../config/find.ts'
import {
  loadConfig,
  type LoadedConfig,
  openConfig,
  openReferenced,
  secretReferences,
} from '../../config/load.ts'
import { readPartialConfig } from '../../config/partial-config.ts'
import type { RawConfig } from '../../config/raw.ts'
import { type Boundary, narrower } from '../../platform/boundary.ts'
import { systemAccounts } from '../../platform/ownership.ts'
import type { HttpProvider } from '../../config/provider-types.ts'
import { servedProviders } from '../../config/served-providers.ts'
import type { Config } from '../../config/types.ts'
import type { Clock } from '../../platform/clock.ts'
import { isJournal } from '../../systemd/journal.ts'
import type { RunProgram } from '../../systemd/programs.ts'
import type { ServicePaths } from '../../systemd/scope.ts'
import { examineAudit } from './audit.ts'
import { examineBudgets } from './budgets.ts'
import { examineConfig } from './config.ts'
import { askServices } from '../running-services.ts'
import { examineControl } from './control.ts'
import { type CredentialReport, examineCredentials } from './credentials.ts'
import { examineDescriptors } from './descriptors.ts'
import { examineFiles } from './files.ts'
import type { Check, Finding } from './finding.ts'
import { examineIssuers } from './identity.ts'
import { examineKeys } from './keys.ts'
import { examineSharedKeys } from './shared-keys.ts'
import { findKeyPlace } from '../key-place.ts'
import { examineLedger } from './ledger.ts'
import { examineListener } from './listener.ts'
import { gradeFindings, type ProviderReport } from './severity.ts'
import { Progress } from './progress.ts'
import { examineModelServers, type ModelServers } from './model-servers.ts'
import { examineNotify } from './notify.ts'
import { examineProvider } from './provider.ts'
import { examineReady } from './ready.ts'
import { countStates, printJson, printTable } from './report.ts'
import { examineRuntime } from './runtime.ts'
import { examineService } from './service.ts'
import { examineStore } from './store.ts'
import { examineTracing } from './tracing.ts'
import { type CommandIo, Output } from '../output.ts'
import { printable } from '../../platform/printable.ts'
import { ownCommand } from '../invocation.ts'
import { stateDirectoryOf } from '../state-directory.ts'
import { unknownProvider } from '../suggest.ts'
import { currentRuntime, unsafeSettings } from '../unsafe-runtime.ts'

export interface DoctorOptions {
  /** Undefined: the file that `serve` would use. */
  readonly config: string | undefined
  readonly isJson: boolean
  /** Warnings count as failures. */
  readonly isStrict: boolean
  /** Whether providers may get a trial call, which costs a few tokens. */
  readonly mayCall: boolean
  readonly timeoutMs: number | undefined
  /** Empty: all. */
  readonly providers: readonly string[]
}

export interface DoctorParts {
  readonly version: string
  readonly paths: ServicePaths
  readonly run: RunProgram
  readonly clock: Pick<Clock, 'now' | 'setTimer'>
}

/** @returns the exit status: 0 without failures, 1 with failures, 2 for a provider that is not configured. */
export async function doctorCommand(
  io: CommandIo,
  options: DoctorOptions,
  parts: DoctorParts,
): Promise<number> {
  const { env } = io
  // A crash report would list the environment, and with it the keys.
  process.report.excludeEnv = true
  const file = resolve(examinedFile(options.config, parts.paths, env))
  const loaded = await openConfig(file, { env, mayLackSecrets: true })
  const unknown = loaded.ok ? options.providers.find((name) => !loaded.config.providers.has(name)) : undefined
  if (loaded.ok && unknown !== undefined) {
    const message = unknownProvider(unknown, file, loaded.config.providers.keys())
    new Output(io.stderr, io.env).line(`error: ${printable(message)}`)
    return 2
  }
  const checks = await examine({ io, options, parts, file, loaded })
  const { fail, warn } = countStates(checks)
  const isOk = fail === 0 && (warn === 0 || !options.isStrict)
  if (options.isJson) printJson(io, file, isOk, checks)
  else printTable(io, checks, isJournal(env, 1))
  return isOk ? 0 : 1
}

/** The system's service uses one of its own, whichever `serve` would use for the user who runs this. */
function examinedFile(
  named: string | undefined,
  { scope, configFile }: ServicePaths,
  env: NodeJS.ProcessEnv,
): string {
  const found = findConfigFile(named, env)
  const isChosen = named !== undefined || gatewayVariable(env, 'CONFIG') !== undefined
  return !isChosen && scope === 'system' && existsSync(configFile) ? configFile : found
}

interface Examination {
  readonly io: CommandIo
  readonly options: DoctorOptions
  readonly parts: DoctorParts
  readonly file: string
  readonly loaded: LoadedConfig
}

/** Programs of systemd block this process, so the providers, whose times are measured, come last. */
async function examine(examination: Examination): Promise<Check[]> {
  const { io, options, parts, file, loaded } = examination
  const { env } = io
  const { paths, run } = parts
  const accounts = systemAccounts()
  const raw = loaded.ok ? loaded.raw : undefined
  const runtime = currentRuntime(env)
  const service = examineService(file, paths, env, run)
  const sources = { env, accounts }
  const stored = raw === undefined ? new Map() : await openReferenced(raw, file, sources)
  const credentials = raw === undefined ? undefined : examineCredentials(raw, { ...sources, stored }, paths)
  const addresses = addressesOf(examination)
  const running = loaded.ok ? await askServices(env, file) : ''
  const modelServers = loaded.ok
    ? examineModelServers(loaded.config, options.providers, {
        paths,
        run,
        running: typeof running === 'string' ? [] : running.services,
        command: ownCommand(env),
      })
    : { findings: [], servers: new Map<string, never>() }
  const notExamined = [skipped('all', notValid)]
  const [listener, providers] = await Promise.all([
    addresses === undefined ? notExamined : examineListener({ ...addresses, ...service }, loaded.ok),
    examineProviders(examination, credentials, modelServers),
  ])
  const listening = listener.map(({ figures }) => figures?.['pid']).find((each) => each !== undefined)
  const pid = service.mainPid ?? (listening === undefined ? undefined : Number(listening))
  const files = {
    config: file,
    secrets: raw === undefined ? [] : secretFiles(raw),
    credentialsDirectory: paths.credentialsDirectory,
    stateDirectory: stateDirectoryOf(pid, paths, env),
  }
  const config = examineConfig(file, loaded)
  // The check that reads a file reports its mode too; one finding is enough.
  const reported = new Set([...config, ...(credentials?.findings ?? [])].map(({ fix }) => fix))
  const modes = examineFiles(files, accounts).filter(
    ({ state, fix }) => state !== 'fail' || !reported.has(fix),
  )
  const keys = examineKeys(file, env, { accounts, nowMs: Date.now(), command: ownCommand(env) })
  const place = findKeyPlace(file, env)
  const sharedKeys =
    'message' in place ? [] : await examineSharedKeys(place, { env, command: ownCommand(env) })
  const { stateDirectory } = files
  const records = loaded.ok && loaded.config.usage.enabled && stateDirectory !== undefined
  const ledger = records ? examineLedger(stateDirectory) : []
  const budgets =
    stateDirectory === undefined ? [] : await examineBudgets(stateDirectory, { isRunning: pid !== undefined })
  const command = ownCommand(env)
  const isAudited = loaded.ok && loaded.config.audit.enabled && stateDirectory !== undefined
  const audit = isAudited ? [await examineAudit(stateDirectory.path, file, { env, command })] : []
  const issuers = loaded.ok
    ? await examineIssuers(loaded.config.identity, {
        stateDirectory: stateDirectory?.path,
        wallNow: () => Date.now(),
      })
    : []
  const store = loaded.ok ? await examineStore(loaded.config.store, parts.clock) : []
  const tracing = loaded.ok ? await examineTracing(loaded.config.tracing) : []
  const notify = loaded.ok ? examineNotify(loaded.config.notify, { state: stateDirectory, command }) : []
  const control = await examineControl(file, { env, isRunning: pid !== undefined })
  return [
    ...inArea('runtime', examineRuntime(process.versions.node, runtime)),
    ...inArea('runtime', examineDescriptors(listener)),
    ...inArea('config', config),
    ...inArea('files', modes),
    ...inArea('files', [...keys, ...sharedKeys, ...ledger, ...budgets, ...audit]),
    ...inArea('credentials', credentials?.findings ?? notExamined),
    ...inArea('service', [...service.findings, ...modelServers.findings]),
    ...inArea('port', [...listener, ...control]),
    ...inArea('store', store),
    ...inArea('identity', issuers),
    ...inArea('tracing', tracing),
    ...inArea('notify', notify),
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

/** Reads what it can of a file with problems. */
function addressesOf({ io, file, loaded }: Examination) {
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
  { io, options, parts, loaded }: Examination,
  credentials: CredentialReport | undefined,
  { servers }: ModelServers,
): Promise<Finding[]> {
  if (!loaded.ok) return [skipped('all providers', notValid)]
  // Such settings could send keys to the wrong server.
  if (unsafeSettings(currentRuntime(io.env)).length > 0)
    return [skipped('all providers', 'unsafe Node settings')]
  const { config } = loaded
  const { mayCall, timeoutMs, providers: requested } = options
  const { clock, version } = parts
  const progress = new Progress(io, clock)
  const chosen = [...config.providers.values()].filter(
    ({ name }) => requested.length === 0 || requested.includes(name),
  )
  const userAgent = `llm-gateway/${version} doctor`
  const command = ownCommand(io.env)
  const reports = chosen.map(async (provider): Promise<ProviderReport> => {
    const server = servers.get(provider.name)
    const before: Finding[] = []
    if (server !== undefined && provider.kind !== 'echo') {
      progress.wait(provider.name, 'its server')
      const sharesPort = sharesAddress(provider, config)
      const times = { now: clock.now, monotonicMs }
      const ready = await examineReady(provider, server, { userAgent, command, sharesPort, ...times })
      before.push(...server.findings, ...ready.findings)
      if (!ready.isReady) {
        progress.done(provider.name)
        return { config: provider, findings: before, isUnreachable: false }
      }
    }
    const report = await examineProvider({
      config: provider,
      models: modelsOf(config, provider.name),
      boundary: boundaryAt(config, provider.name),
      missingKey: credentials?.missing.get(provider.name),
      optionalKeyFix: credentials?.optionalFixes.get(provider.name),
      mayCall,
      timeoutMs,
      userAgent,
      command,
      now: clock.now,
      onWait: (what) => progress.wait(provider.name, what),
    })
    progress.done(provider.name)
    return { ...report, findings: [...before, ...report.findings] }
  })
  return gradeFindings(config, await Promise.all(reports), packagedConfig())
}

/** The clock of `ActiveEnterTimestampMonotonic`: systemd.directives(7). */
function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n)
}

/** Whether the server of another provider may be the one that listens at its address. */
function sharesAddress({ name, origin }: HttpProvider, { providers }: Config): boolean {
  return servedProviders(providers).some((other) => other.name !== name && other.origin === origin)
}

/** The packaged configuration, without overrides from the environment. */
function packagedConfig(): Config | undefined {
  const loaded = loadConfig(packagedConfigFile(), {
    env: {},
    mayLackSecrets: true,
    accounts: packageAccounts(),
  })
  return loaded.ok ? loaded.config : undefined
}

/** What calls at a provider may not leave: the narrowest boundary of the models that use it. */
function boundaryAt({ models, routing }: Config, provider: string): Boundary {
  const bounded = [...models.values()].filter(({ targets }) =>
    targets.some((target) => target.provider === provider),
  )
  return bounded.map(({ boundary }) => boundary ?? 'any').reduce(narrower, routing.boundary ?? 'any')
}

/** The provider's names for the models that the configuration uses, each once; without wildcards. */
function modelsOf({ models }: Config, provider: string): string[] {
  const named = [...models.values()].filter(({ name }) => !name.endsWith('*'))
  const targets = named.flatMap((model) => model.targets).filter((target) => target.provider === provider)
  return [...new Set(targets.map(({ model }) => model))].filter((model) => !model.includes('*'))
}
