// `llm-gateway systemd uninstall`: removes the units and the copy of the program, and keeps the configuration and the keys.
import { loadConfig } from '../config/load.ts'
import { servedProviders } from '../config/served-providers.ts'
import { shellWord } from '../platform/shell-word.ts'
import { readUnitState } from '../systemd/unit-state.ts'
import { installedConfig } from './systemd-restart.ts'
import { existsSync, lstatSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { credentialsDropIn } from '../systemd/credentials.ts'
import type { RunProgram } from '../systemd/programs.ts'
import { printable } from '../platform/printable.ts'
import {
  deployedDirectory,
  doctorTimer,
  doctorUnit,
  scopeOptions,
  type ServicePaths,
  servicesSocket,
  serviceUnit,
  servicesUnit,
  socketUnit,
} from '../systemd/scope.ts'
import { type CommandIo, Output } from './output.ts'
import { isInstalledProgram } from './service-program.ts'

/** @returns the exit status: 0, also when nothing was installed. */
export async function systemdUninstallCommand(
  io: CommandIo,
  paths: ServicePaths,
  { isDryRun }: { isDryRun: boolean },
  run: RunProgram,
): Promise<number> {
  const out = new Output(io.stdout, io.env)
  const { unitDirectory, systemctl } = paths
  const units = [socketUnit, serviceUnit, servicesSocket, servicesUnit, doctorTimer, doctorUnit]
  const dropInDirectories = [serviceUnit, doctorUnit].map((unit) => join(unitDirectory, `${unit}.d`))
  const files = [
    ...units.map((unit) => join(unitDirectory, unit)),
    credentialsDropIn(paths),
    credentialsDropIn(paths, doctorUnit),
    ...linksIn(dropInDirectories[1]!),
    ...(paths.sysusersFile === undefined ? [] : [paths.sysusersFile]),
  ]
  const present = files.filter((file) => lstatSync(file, { throwIfNoEntry: false }) !== undefined)
  const { programDirectory } = paths
  if (present.length === 0) {
    out.line(`${printable(unitDirectory)} has no units of llm-gateway.`)
    return 0
  }
  const scope = scopeOptions(paths.scope)
  const running = runningServers(io.env, paths, run)
  if (!isDryRun) {
    // A single unit that does not exist would make it do nothing.
    const installed = units.filter((unit) => present.includes(join(unitDirectory, unit)))
    run('systemctl', [...scope, 'disable', '--now', ...installed])
    run('systemctl', [...scope, 'reset-failed', ...installed])
    // When the timer last elapsed (Persistent=).
    if (installed.includes(doctorTimer)) run('systemctl', [...scope, 'clean', '--what=state', doctorTimer])
  }
  for (const file of present) {
    out.line(`${out.styled('red', 'removed')}  ${printable(file)}`)
    if (!isDryRun) rmSync(file)
  }
  if (isInstalledProgram(programDirectory)) {
    out.line(`${out.styled('red', 'removed')}  ${printable(programDirectory)}/`)
    if (!isDryRun) rmSync(programDirectory, { recursive: true })
  }
  // This program may be one of them; what it still needs is loaded.
  const deployed = deployedDirectory(paths)
  if (existsSync(deployed)) {
    out.line(`${out.styled('red', 'removed')}  ${printable(deployed)}/`)
    if (!isDryRun) rmSync(deployed, { recursive: true })
  }
  if (isDryRun) {
    out.line('Nothing was changed (--dry-run).')
    return 0
  }
  for (const directory of dropInDirectories) removeIfEmpty(directory)
  const { status } = run('systemctl', [...scope, 'daemon-reload'])
  if (status !== 0) {
    out.line(`The systemd manager could not be notified. Once it is running, run: ${systemctl} daemon-reload`)
  }
  if (running.length > 0) {
    const command = [
      ...(paths.scope === 'user' ? ['systemctl', '--user'] : ['systemctl']),
      'stop',
      ...running,
    ]
    out.line(
      `Model servers that the gateway has started still run. To stop them: ${printable(command.map(shellWord).join(' '))}`,
    )
  }
  out.line(`Kept: ${printable(paths.configFile)}, ${printable(paths.credentialsDirectory)}/`)
  return 0
}

/** The units of model servers that run now. A configuration that cannot be loaded names none. */
function runningServers(env: NodeJS.ProcessEnv, paths: ServicePaths, run: RunProgram): string[] {
  const file = installedConfig(paths)
  const loaded =
    file === undefined ? undefined : loadConfig(file, { env, withoutSecrets: true, withoutPriceList: true })
  if (loaded?.ok !== true) return []
  const units = servedProviders(loaded.config.providers).map(({ service }) => service.unit)
  return units.filter((unit) => {
    const { ActiveState: active = '' } = readUnitState(unit, ['ActiveState'], paths.scope, run)
    return ['active', 'activating', 'reloading', 'deactivating'].includes(active)
  })
}

/** Of the weekly check: links to drop-ins of the gateway. */
function linksIn(directory: string): string[] {
  const entries = existsSync(directory) ? readdirSync(directory, { withFileTypes: true }) : []
  return entries.filter((entry) => entry.isSymbolicLink()).map(({ name }) => join(directory, name))
}

/** The directory may hold drop-ins that the user wrote. */
function removeIfEmpty(directory: string): void {
  if (existsSync(directory) && readdirSync(directory).length === 0) rmdirSync(directory)
}
