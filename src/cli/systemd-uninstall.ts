// `llm-gateway systemd uninstall`: takes the units away. Configuration, keys and counters stay.
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { credentialsDropIn } from '../systemd/credentials.ts'
import type { RunProgram } from '../systemd/programs.ts'
import { type Places, serviceUnit, socketUnit } from '../systemd/scope.ts'
import { type CommandIo, Output, printable } from './output.ts'

/** The exit code: 0, also when there was nothing to take away. */
export async function systemdUninstallCommand(
  io: CommandIo,
  places: Places,
  { isDryRun }: { isDryRun: boolean },
  run: RunProgram,
): Promise<number> {
  const out = new Output(io.stdout, io.env)
  const { unitDirectory, systemctl } = places
  const dropIn = credentialsDropIn(places)
  const files = [join(unitDirectory, socketUnit), join(unitDirectory, serviceUnit), dropIn]
  const present = files.filter((file) => existsSync(file))
  if (present.length === 0) {
    out.line(`There are no units of llm-gateway in ${printable(unitDirectory)}.`)
    return 0
  }
  const scope = places.scope === 'user' ? ['--user'] : []
  if (!isDryRun) run('systemctl', [...scope, 'disable', '--now', socketUnit, serviceUnit])
  for (const file of present) {
    out.line(`${out.styled('red', 'removed')}  ${printable(file)}`)
    if (!isDryRun) rmSync(file)
  }
  if (isDryRun) {
    out.line('Nothing was changed (--dry-run).')
    return 0
  }
  removeIfEmpty(dirname(dropIn))
  const { status } = run('systemctl', [...scope, 'daemon-reload'])
  if (status !== 0) out.line(`The manager could not be told; when it runs: ${systemctl} daemon-reload`)
  out.line(`Kept: ${printable(places.configFile)}, ${printable(places.credentialsDirectory)}/`)
  return 0
}

/** Drop-ins of the user's own stay. */
function removeIfEmpty(directory: string): void {
  if (existsSync(directory) && readdirSync(directory).length === 0) rmdirSync(directory)
}
