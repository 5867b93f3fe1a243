// What a deploy changes of the small files on the box, before it does: the units, as `systemd install` writes them there.
import { join } from 'node:path'
import {
  doctorTimer,
  doctorUnit,
  servicesSocket,
  serviceUnit,
  servicesUnit,
  socketUnit,
} from '../../systemd/scope.ts'
import { renderDoctorUnits, renderServicesUnits, renderUnits, startCommand } from '../../systemd/units.ts'
import { diffLines } from '../diff.ts'
import { maskedDiff } from '../masked-diff.ts'
import type { Account, BoxPaths, Installed } from './box.ts'
import type { BoxConfig } from './box-config.ts'
import { isPlainPath } from './remote-command.ts'

/** The files whose present text is read. */
export function filesToRead(paths: BoxPaths, nodePackage: string): string[] {
  const { unitDirectory, configFile, base } = paths
  return [
    ...[packagedUnit(paths)].filter((unit) => unit !== undefined),
    ...[serviceUnit, socketUnit, servicesUnit, servicesSocket, doctorUnit, doctorTimer].map((unit) =>
      join(unitDirectory, unit),
    ),
    configFile,
    join(base, 'before.yaml'),
    nodeHashFile(base, nodePackage),
  ]
}

/** Of a Debian package. Undefined: there are none for this manager. */
export function packagedUnit({ packagedUnitDirectory }: BoxPaths): string | undefined {
  return packagedUnitDirectory === undefined ? undefined : join(packagedUnitDirectory, serviceUnit)
}

/** In the release that runs: the hash of the package that its Node is of. */
export function nodeHashFile(base: string, nodePackage: string): string {
  return join(base, 'current/node_modules', nodePackage, '.hash')
}

export function releaseDirectory(base: string, id: string): string {
  return join(base, 'releases', id)
}

/** The root of the program that the installed unit starts, whoever installed it. Undefined: there is no unit. */
export function programOf({ unitDirectory }: BoxPaths, { files }: Installed): string | undefined {
  const unit = files.get(join(unitDirectory, serviceUnit))
  const main = unit === undefined ? undefined : startCommand(unit).find((word) => word.endsWith('/main.cjs'))
  const root = main === undefined ? undefined : join(main, '../..')
  return root !== undefined && isPlainPath(root) ? root : undefined
}

/** A path and its text as it is to be. */
interface WantedFile {
  readonly path: string
  readonly text: string
}

/** The units for a release; those of the weekly check if it is there. */
export function unitsFor(
  release: string,
  { paths, account, installed }: { paths: BoxPaths; account: Account; installed: Installed },
  config: Pick<BoxConfig, 'hosts' | 'port' | 'hasServices'>,
): WantedFile[] {
  const facts = {
    node: join(release, 'node_modules', account.nodePackage, 'bin/node'),
    main: join(release, 'dist/main.cjs'),
    config: paths.configFile,
    state: paths.stateDirectory,
    credentials: paths.credentialsDirectory,
    hosts: config.hosts.filter((host) => !host.includes(':') || account.hasIpv6Loopback),
    port: config.port,
  }
  const units = [
    ...renderUnits(paths.scope, facts),
    ...(config.hasServices ? renderServicesUnits(paths.scope, facts) : []),
    ...(installed.files.has(join(paths.unitDirectory, doctorUnit))
      ? renderDoctorUnits(paths.scope, facts)
      : []),
  ]
  return units.map(({ name, text }) => ({ path: join(paths.unitDirectory, name), text }))
}

export type FileChange =
  | { readonly kind: 'new' | 'unchanged'; readonly path: string }
  | { readonly kind: 'changed'; readonly path: string; readonly diff: readonly string[] }

export function changeOf({ path, text }: WantedFile, { files }: Installed): FileChange {
  const before = files.get(path)
  if (before === undefined) return { kind: 'new', path }
  if (before === text) return { kind: 'unchanged', path }
  // Paths in units look like keys.
  const diff = path.endsWith('.yaml') ? maskedDiff(before, text, 'config') : diffLines(before, text)
  return { kind: 'changed', path, diff }
}
