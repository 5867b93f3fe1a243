// `llm-gateway systemd uninstall`: removes the units, and keeps the configuration and the keys.
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { credentialsDropIn } from '../systemd/credentials.ts'
import type { RunProgram } from '../systemd/programs.ts'
import { scopeOptions, type ServicePaths, serviceUnit, socketUnit } from '../systemd/scope.ts'
import { type CommandIo, Output, printable } from './output.ts'
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
  const dropIn = credentialsDropIn(paths)
  const { programDirectory } = paths
  const files = [join(unitDirectory, socketUnit), join(unitDirectory, serviceUnit), dropIn]
  const present = files.filter((file) => existsSync(file))
  if (present.length === 0) {
    out.line(`${printable(unitDirectory)} has no units of llm-gateway.`)
    return 0
  }
  const scope = scopeOptions(paths.scope)
  if (!isDryRun) run('systemctl', [...scope, 'disable', '--now', socketUnit, serviceUnit])
  for (const file of present) {
    out.line(`${out.styled('red', 'removed')}  ${printable(file)}`)
    if (!isDryRun) rmSync(file)
  }
  if (isInstalledProgram(programDirectory)) {
    out.line(`${out.styled('red', 'removed')}  ${printable(programDirectory)}/`)
    if (!isDryRun) rmSync(programDirectory, { recursive: true })
  }
  if (isDryRun) {
    out.line('Nothing was changed (--dry-run).')
    return 0
  }
  removeIfEmpty(dirname(dropIn))
  const { status } = run('systemctl', [...scope, 'daemon-reload'])
  if (status !== 0) {
    out.line(`The systemd manager could not be notified. Once it is running, run: ${systemctl} daemon-reload`)
  }
  out.line(`Kept: ${printable(paths.configFile)}, ${printable(paths.credentialsDirectory)}/`)
  return 0
}

/** The directory may hold drop-ins that the user wrote. */
function removeIfEmpty(directory: string): void {
  if (existsSync(directory) && readdirSync(directory).length === 0) rmdirSync(directory)
}
