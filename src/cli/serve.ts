// `llm-gateway serve`: runs the gateway until a signal ends it, and shows on a terminal what it serves.
import { type App, startApp } from '../app/app.ts'
import { startControl } from '../app/control.ts'
import { checkProviders } from '../app/check-providers.ts'
import { refuseCalls } from '../app/refuse-calls.ts'
import { formatFirstError } from '../app/reload.ts'
import { openAuditKey } from '../config/record-keys.ts'
import { controlSocketPath, findConfigFile, findStateDirectory, servicesSocketPath } from '../config/find.ts'
import { type LoadedConfig, openConfig, storedSecretFiles } from '../config/load.ts'
import type { Config } from '../config/types.ts'
import { fileVersion } from '../config/watch.ts'
import { AddressInUseError, StartError } from '../errors.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import { setServingFlags } from '../platform/node/serving-flags.ts'
import { printable, printableJson } from '../platform/printable.ts'
import { isJournal } from '../systemd/journal.ts'
import { type PassedSocket, takePassedSockets } from '../systemd/listen-fds.ts'
import { type ManagerSettings, takeManagerSettings } from '../systemd/notify.ts'
import type { CommandIo } from './output.ts'
import type { ReloadSignal } from './reload-signal.ts'
import { describePortHolder } from './port-holder.ts'
import { notifyStartFailure, startService } from './service-manager.ts'
import { currentRuntime, unsafeSettings } from './unsafe-runtime.ts'
import { printProblems } from './validate-config.ts'

/** The log goes to standard output; what only a person reads goes to standard error. */
export type ServeIo = CommandIo & {
  readonly stdout: NodeJS.WritableStream & { isTTY?: boolean }
  readonly reloadSignal: ReloadSignal
}

/** EX_CONFIG of sysexits.h(3head). Our units list it in `RestartPreventExitStatus=`. */
const configErrorStatus = 78

/**
 * @returns the exit status: 0 after a signal, 1 when the gateway could not start, 78 when a service manager started it and
 *   only a change of its configuration helps.
 */
export async function serveCommand(
  io: ServeIo,
  file: string | undefined,
  version: string,
  clock: Clock = systemClock,
): Promise<number> {
  const unsafe = unsafeSettings(currentRuntime(io.env))
  for (const setting of unsafe) io.stderr.write(`llm-gateway cannot start: ${setting}\n`)
  // A crash report would list the environment, and with it the keys.
  process.report.excludeEnv = true
  const settings = takeManagerSettings(io.env, process.pid)
  const sockets = takePassedSockets(io.env, process.pid)
  const configFile = findConfigFile(file, io.env)
  const configVersion = fileVersion(configFile)
  const hasChanged = () => fileVersion(configFile) !== configVersion
  const manager = { settings, sockets, clock, hasChanged }
  if (unsafe.length > 0) return failStart(manager, unsafe[0]!)
  const onRead = (read: LoadedConfig) =>
    printProblems(io, read.ok ? read.warnings : read.problems, read.lines)
  const loaded = await openConfig(configFile, { env: io.env })
  onRead(loaded)
  if (!loaded.ok) {
    return failStart(manager, formatFirstError(loaded.problems))
  }
  const { config } = loaded
  const stateDirectory = findStateDirectory(io.env)
  const auditKey = config.audit.enabled ? await openAuditKey(configFile, io.env) : undefined
  let app: App
  try {
    app = await startApp(config, {
      stdout: io.stdout,
      isJournal: isJournal(io.env, 1),
      version,
      configFile,
      stateDirectory,
      starterPath: servicesSocketPath(io.env, config.services.manager),
      ...(auditKey !== undefined && { auditKey }),
      sockets,
    })
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    const { message } = await withHolder(error)
    io.stderr.write(`llm-gateway cannot start: ${printable(message)}\n`)
    return failStart(manager, message)
  }
  const path = controlSocketPath(io.env)
  const startedAtMs = clock.wallNow()
  const control = await startControl(app, { path, version, configFile, stateDirectory, startedAtMs })
  setServingFlags()
  if (showsBanner(config, io)) io.stderr.write(banner(config, app, configFile, version))
  const endChecks = checkProviders(app, config, clock)
  const { env, reloadSignal } = io
  const { setTimer } = clock
  const secretFiles = storedSecretFiles(loaded.raw, configFile, env)
  const running = { app, config, settings, env, configFile, configVersion, secretFiles }
  const service = startService({ ...running, reloadSignal, setTimer, onRead })
  const becomesQuiet = sockets.length === 0 ? undefined : () => service.quiet()
  await untilSignal(becomesQuiet, async (signal) => {
    service.stopping()
    endChecks()
    control?.close()
    await app.stop(signal)
    await service.stopped()
  })
  return 0
}

/** Names the program that has taken the gateway's port. */
async function withHolder(error: StartError): Promise<StartError> {
  if (!(error instanceof AddressInUseError)) return error
  const { taken } = error
  return new AddressInUseError(taken, await describePortHolder(taken.host, taken.port))
}

interface StartedBy {
  readonly settings: ManagerSettings
  readonly sockets: readonly PassedSocket[]
  readonly clock: Clock
  /** Whether the configuration file has changed since it was read. */
  readonly hasChanged: () => boolean
}

/** Started by hand, the gateway ends at once. Where a manager passed sockets, the cause cannot be that a port is taken. */
async function failStart(
  { settings, sockets, clock, hasChanged }: StartedBy,
  reason: string,
): Promise<number> {
  await notifyStartFailure(settings, reason)
  await refuseCalls(sockets, clock.setTimer, hasChanged)
  return sockets.length > 0 ? configErrorStatus : 1
}

/** For a person at a terminal: neither the journal nor a reader of JSON logs has a use for it. */
function showsBanner({ logging }: Config, { env }: ServeIo): boolean {
  return logging.format !== 'json' && env['JOURNAL_STREAM'] === undefined
}

function banner(config: Config, app: App, configFile: string, version: string): string {
  const models = [...config.models.keys()]
  const urls = app.addresses.map((address) => (address.startsWith('unix:') ? address : `${address}/v1`))
  const listed = models.slice(0, 8).join(', ') + (models.length > 8 ? `, … (${models.length} in total)` : '')
  const model =
    models.find((name) => config.models.get(name)?.targets[0]?.provider === 'echo') ?? models[0] ?? ''
  const address = app.addresses.find((each) => !each.startsWith('unix:'))
  const page = config.status.enabled && address !== undefined ? [`  status     ${address}/`] : []
  const messages = [{ role: 'user', content: 'hello' }]
  const body = { model, stream: true, stream_options: { include_usage: true }, messages }
  return [
    `llm-gateway ${version}, configured by ${printable(configFile)}`,
    `  serves     ${urls.join(' and ')}`,
    `  models     ${printable(listed)}`,
    `  try        curl -N ${app.addresses[0]}/v1/chat/completions -H 'content-type: application/json' \\`,
    `               -d '${printableJson(JSON.stringify(body))}'`,
    ...page,
    `  stop       Ctrl-C`,
    '',
  ].join('\n')
}

/**
 * Stops on the first SIGTERM or SIGINT; a second one ends the process at once. SIGUSR2, which `systemd restart` sends, stops
 * it as soon as it is quiet. @param becomesQuiet undefined where no manager would start the gateway again.
 */
async function untilSignal(
  becomesQuiet: (() => Promise<void>) | undefined,
  stop: (signal: string) => Promise<void>,
): Promise<void> {
  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
    if (becomesQuiet !== undefined)
      process.once('SIGUSR2', (name) => void becomesQuiet().then(() => resolve(name)))
  })
  process.once(signal, () => endBy(signal))
  await stop(signal)
  setTimeout(() => endBy(signal), maxEndMs).unref()
}

/** How long the process may take to end by itself once the gateway has stopped. */
const maxEndMs = 1_000

/**
 * Ends the process by the signal itself, which service managers take for an end in order. `process.exit` waits for the
 * threads of Node's pool, and so for minutes where no name server answers.
 */
function endBy(signal: NodeJS.Signals): void {
  const status = signal === 'SIGINT' ? 130 : 143
  // The kernel lets no signal without a handler end the first process of a container.
  if (process.pid === 1) process.exit(status)
  process.emit('exit', status)
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}
