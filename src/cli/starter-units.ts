// The units of the starter of model servers, which an installation has only while its configuration has services.
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { printable } from '../platform/printable.ts'
import type { RunProgram } from '../systemd/programs.ts'
import { scopeOptions, type ServicePaths, servicesSocket, servicesUnit } from '../systemd/scope.ts'
import type { Output } from './output.ts'

/**
 * Removes the units of an earlier configuration. The system's users stay, because files may belong to them.
 * @throws when a file cannot be removed.
 */
export function removeStarter(
  out: Output,
  { scope, unitDirectory }: ServicePaths,
  { isDryRun }: { readonly isDryRun: boolean },
  run: RunProgram,
): void {
  const installed = [servicesSocket, servicesUnit].filter((unit) => existsSync(join(unitDirectory, unit)))
  if (installed.length === 0) return
  if (!isDryRun) run('systemctl', [...scopeOptions(scope), 'disable', '--now', ...installed])
  for (const file of installed.map((unit) => join(unitDirectory, unit))) {
    out.line(`${out.styled('red', 'removed')}    ${printable(file)}`)
    if (!isDryRun) rmSync(file)
  }
}
