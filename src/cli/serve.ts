// `llm-gateway serve`: runs the gateway until a signal ends it, and tells a person at a terminal what is served.
import { setFlagsFromString } from 'node:v8'
import { type App, startApp } from '../app/app.ts'
import { findConfigFile, findStateDirectory } from '../config/find.ts'
import { loadConfig } from '../config/load.ts'
import { fileVersion } from '../config/watch.ts'
import type { Config, ProviderConfig } from '../config/types.ts'
import { StartError } from '../errors.ts'
import { startWorkerPool } from '../app/workers/worker-pool.ts'
import { isJournal } from '../systemd/journal.ts'
import { takePassedSockets } from '../systemd/listen-fds.ts'
import { takeManagerSettings } from '../systemd/notify.ts'
import type { CommandIo } from './output.ts'
import type { ReloadSignal } from './reload-signal.ts'
import { firstOf, tellFailure, underManager } from './service.ts'
import { currentRuntime, unsafeSettings } from './unsafe-runtime.ts'
import { printProblems } from './validate-config.ts'

/** The log goes to standard output, and what is for a person's eyes only to standard error. */
export type ServeIo = CommandIo & {
  readonly stdout: NodeJS.WritableStream & { isTTY?: boolean }
  readonly reloadSignal: ReloadSignal
}

/** How long a provider may take to answer the question whether it is there. */
const checkTimeoutMs = 2_000

/** @returns the exit status: 0 after a signal, 1 when the gateway could not start. */
export async function serveCommand(io: ServeIo, file: string | undefined, version: string): Promise<number> {
  const unsafe = unsafeSettings(currentRuntime(io.env))
  for (const setting of unsafe) io.stderr.write(`llm-gateway can't start: ${setting}\n`)
  if (unsafe.length > 0) return 1
  // A report of a crash would list the environment, and with it the keys.
  process.report.excludeEnv = true
  // Sites that made long-lived objects at first (listeners of sockets, say) would make those of calls among the old ones
  // too, which keep whole calls until a full collection: a third of the garbage, and 20 to 30 µs of a call.
  setFlagsFromString('--no-allocation-site-pretenuring')
  const settings = takeManagerSettings(io.env, process.pid)
  const sockets = takePassedSockets(io.env, process.pid)
  const configFile = findConfigFile(file, io.env)
  const configVersion = fileVersion(configFile)
  const loaded = loadConfig(configFile, { env: io.env })
  printProblems(io, loaded.ok ? loaded.warnings : loaded.problems, loaded.lines)
  if (!loaded.ok) {
    await tellFailure(settings, firstOf(loaded.problems))
    return 1
  }
  const { config } = loaded
  let app: App
  try {
    const start = config.server.workers > 1 ? startWorkerPool : startApp
    app = await start(config, {
      stdout: io.stdout,
      isJournal: isJournal(io.env, 1),
      version,
      configFile,
      stateDirectory: findStateDirectory(io.env),
      sockets,
    })
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    io.stderr.write(`llm-gateway can't start: ${error.message}\n`)
    await tellFailure(settings, error.message)
    return 1
  }
  if (isWatched(config, io)) io.stderr.write(banner(config, app, configFile, version))
  void checkProviders(app, config)
  const service = underManager({ app, config, settings, io, configFile, configVersion })
  await untilSignal(async (signal) => {
    service.stopping()
    await app.stop(signal)
    await service.stopped()
  })
  return 0
}

/** A person may be looking. The journal has no use for the lines, and whoever asks for JSON wants nothing else. */
function isWatched({ logging }: Config, { env }: ServeIo): boolean {
  return logging.format !== 'json' && env['JOURNAL_STREAM'] === undefined
}

function banner(config: Config, app: App, configFile: string, version: string): string {
  const models = [...config.models.keys()]
  const served = app.addresses.map((address) => (address.startsWith('unix:') ? address : `${address}/v1`))
  const shown = models.slice(0, 8).join(', ') + (models.length > 8 ? `, … (${models.length} in all)` : '')
  const model =
    models.find((name) => config.models.get(name)?.targets[0]?.provider === 'echo') ?? models[0] ?? ''
  const messages = [{ role: 'user', content: 'hello' }]
  const body = { model, stream: true, stream_options: { include_usage: true }, messages }
  return [
    `llm-gateway ${version}, configured by ${configFile}`,
    `  serves     ${served.join(' and ')}`,
    `  models     ${shown}`,
    `  try        curl -N ${app.addresses[0]}/v1/chat/completions -H 'content-type: application/json' \\`,
    `               -d '${JSON.stringify(body)}'`,
    `  stop       Ctrl-C`,
    '',
  ].join('\n')
}

/** A provider that does not answer is a warning: it may come later. */
async function checkProviders({ providers, events }: App, { providers: configs }: Config): Promise<void> {
  const unasked = [...providers.values()].filter(({ name }) => !isAskedAnyway(configs.get(name)!))
  const checks = unasked.map(async (provider) => {
    const { isReachable, detail } = await provider.check(checkTimeoutMs)
    events.providerChecked(provider.name, isReachable, detail)
  })
  await Promise.all(checks)
}

/** Discovery and health checks tell by themselves how a provider is. */
function isAskedAnyway(config: ProviderConfig): boolean {
  return config.kind === 'openai' && (config.discoverModels === true || config.healthCheck !== undefined)
}

/** Stops on the first SIGTERM or SIGINT; a second one ends the process at once, as an impatient person expects. */
async function untilSignal(stop: (signal: string) => Promise<void>): Promise<void> {
  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
  process.once(signal, () => process.exit(signal === 'SIGINT' ? 130 : 143))
  await stop(signal)
}
