// `llm-gateway systemd restart`: checks the configuration before the running gateway stops. systemd itself could check it only
// after that.
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfig } from '../config/load.ts'
import { servedProviders } from '../config/served-providers.ts'
import type { Config } from '../config/types.ts'
import type { RunProgram } from '../systemd/programs.ts'
import { scopeOptions, type ServicePaths, servicesSocket, serviceUnit, unitFile } from '../systemd/scope.ts'
import { readUnitState } from '../systemd/unit-state.ts'
import { configOf } from '../systemd/units.ts'
import { ownCommand } from './invocation.ts'
import { type CommandIo, Output } from './output.ts'
import { printable } from '../platform/printable.ts'
import { printProblems } from './validate-config.ts'

/** @returns the exit status: 0 when the new process serves; 1 when it does not, or the file has errors. */
export async function systemdRestartCommand(
  io: CommandIo,
  paths: ServicePaths,
  run: RunProgram,
): Promise<number> {
  const err = new Output(io.stderr, io.env)
  const config = installedConfig(paths)
  if (config === undefined) {
    err.line(`${printable(paths.unitDirectory)} has no units of llm-gateway.`)
    return 1
  }
  // systemd passes the keys to the service only.
  const loaded = loadConfig(config, { env: {}, withoutSecrets: true })
  printProblems(io, loaded.ok ? loaded.warnings : loaded.problems, loaded.lines)
  if (!loaded.ok) {
    err.line('The running service was not restarted.')
    return 1
  }
  warnOfStarter(err, paths, loaded.config, ownCommand(io.env))
  return restartWhenQuiet(io, paths, loaded.config.server.shutdownGraceMs, run)
}

/** What starts model servers is installed with the first `service` of the configuration. */
function warnOfStarter(err: Output, paths: ServicePaths, { providers }: Config, command: string): void {
  const isInstalled = existsSync(unitFile(paths, servicesSocket))
  if (isInstalled || servedProviders(providers).length === 0) return
  const option = paths.scope === 'system' ? ' --system' : ''
  const text = `the configuration has services, and ${servicesSocket} is not installed, so no model server can be started; run: ${command} systemd install${option}`
  err.line(`${err.styled('yellow', 'warning:')} ${printable(text)}`)
}

const checkEveryMs = 100

/** The gateway decides after the grace time; this only waits a little longer for it. */
const marginMs = 2_000

/**
 * Restarts the service at a moment without an open call, up to which the old process serves. If there is none within the
 * grace time, new calls wait until the open ones have ended. A service that does not run is started.
 */
async function restartWhenQuiet(
  io: CommandIo,
  paths: ServicePaths,
  graceMs: number,
  run: RunProgram,
): Promise<number> {
  const err = new Output(io.stderr, io.env)
  const scope = scopeOptions(paths.scope)
  const pid = () => readUnitState(serviceUnit, ['MainPID'], paths.scope, run)['MainPID']
  const before = pid()
  if (before !== undefined && before !== '0') {
    run('systemctl', [...scope, 'kill', '--kill-who=main', '--signal=SIGUSR2', serviceUnit])
    const untilMs = performance.now() + graceMs + marginMs
    while (performance.now() < untilMs && pid() === before) await sleep(checkEveryMs)
  }
  const { status, stderr } = run('systemctl', [...scope, 'restart', serviceUnit])
  const { StatusText: state = '' } = readUnitState(serviceUnit, ['StatusText'], paths.scope, run)
  if (status !== 0) {
    err.line(`The restart failed: ${printable(state || stderr.trim())}`)
    return 1
  }
  new Output(io.stdout, io.env).line(`The service has restarted: ${printable(state)}`)
  return 0
}

/** The configuration file that the installed service uses. Undefined: none is installed. */
export function installedConfig(paths: ServicePaths): string | undefined {
  try {
    return configOf(readFileSync(unitFile(paths, serviceUnit), 'utf8'))
  } catch {
    return undefined
  }
}
