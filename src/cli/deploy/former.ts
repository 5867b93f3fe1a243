// What the box ran before deploy came: a Debian package, or an installation by hand. Deploy can go back to a program that it can start
// (`bin/llm-gateway` beside `dist/main.cjs`), whoever installed it; of others it says so before it replaces them.
import { join } from 'node:path'
import { printable } from '../../platform/printable.ts'
import { serviceUnit } from '../../systemd/scope.ts'
import { packagedUnit, programOf } from './box-files.ts'
import type { Site } from './site.ts'

type Seen = Pick<Site, 'destination' | 'installed' | 'paths'>

/** What a first deploy takes the place of for good, and how to keep it: sentences. Undefined: nothing. */
export function lossOfFormer(site: Seen): string | undefined {
  const { installed, paths } = site
  if (installed.current !== undefined) return undefined
  const unit = join(paths.unitDirectory, serviceUnit)
  if (installed.files.has(unit)) {
    if (programOf(paths, installed) !== undefined) return undefined
    return `${printable(unit)} starts a program that deploy did not install and could not start again: its ExecStart has no …/dist/main.cjs. Deploy replaces the unit, and --rollback does not return to it. To keep it, copy it first.`
  }
  if (!hasPackage(site)) return undefined
  return `The box has the Debian package. The units of deploy take the place of the package's, and --rollback does not return to it. ${wayToPackage(site)}`
}

/** Why there is no way back, as sentences. Undefined: there is one. */
export function rollbackRefusal(site: Seen): string | undefined {
  const { destination, installed, paths } = site
  const { current, previous, isPreviousThere } = installed
  if (previous !== undefined) {
    if (isPreviousThere) return undefined
    const whose = previous.startsWith(`${paths.base}/`) ? '' : ', which deploy did not install,'
    return `The version before${whose} is not there any more: ${printable(previous)}/bin/llm-gateway is missing or no program. To have a version of your choice there, run its own: llm-gateway deploy ${destination}`
  }
  if (current !== undefined && hasPackage(site)) {
    return `Deploy has installed one version there; before it, the box had the Debian package, which deploy did not install. ${wayToPackage(site)}`
  }
  if (current !== undefined) return 'The box has no version before this one: nothing was deployed twice.'
  if (installed.files.has(join(paths.unitDirectory, serviceUnit)) || hasPackage(site)) {
    return 'What the box runs was not installed by deploy, so there is nothing to go back to.'
  }
  return 'There is no gateway on the box.'
}

function hasPackage({ installed, paths }: Seen): boolean {
  const unit = packagedUnit(paths)
  return unit !== undefined && installed.files.has(unit)
}

function wayToPackage({ destination, paths }: Seen): string {
  const program = `${printable(paths.base)}/current/bin/llm-gateway`
  return `To go back to the package: ssh -t ${destination} "sudo ${program} systemd uninstall --system; sudo systemctl enable --now llm-gateway.socket"`
}
