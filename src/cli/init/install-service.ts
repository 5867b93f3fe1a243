// The service of a new configuration: that of the package, or one that is installed for it.
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { printable } from '../../platform/printable.ts'
import type { RunProgram } from '../../systemd/programs.ts'
import { type ServicePaths, socketUnit } from '../../systemd/scope.ts'
import { type CommandIo, Output } from '../output.ts'
import { systemdInstallCommand } from '../systemd-install.ts'

export const usualPort = 4000

/** A package has brought the units, which listen on the usual port. */
function hasPackagedUnits({ packagedUnitDirectory, unitDirectory }: ServicePaths): boolean {
  if (packagedUnitDirectory === undefined || existsSync(join(unitDirectory, socketUnit))) return false
  return existsSync(join(packagedUnitDirectory, socketUnit))
}

/** @returns the exit status: 0 when the socket is enabled. */
export async function installService(
  io: CommandIo,
  paths: ServicePaths,
  { file, port }: { readonly file: string; readonly port: number },
  run: RunProgram,
): Promise<number> {
  if (hasPackagedUnits(paths) && port === usualPort && file === resolve(paths.configFile)) {
    const steps = [['daemon-reload'], ['enable', '--now', socketUnit]]
    const failed = steps.map((words) => run('systemctl', words)).find(({ status }) => status !== 0)
    if (failed === undefined) {
      new Output(io.stdout, io.env).line(
        `Enabled ${socketUnit} of the package; the first call starts the gateway.`,
      )
      return 0
    }
    new Output(io.stderr, io.env).line(
      `error: ${socketUnit} was not enabled: ${printable(failed.stderr.trim())}`,
    )
    return 1
  }
  const config = file === resolve(paths.configFile) ? undefined : file
  return systemdInstallCommand(io, paths, { config, hasDoctorTimer: false, isDryRun: false }, run)
}
