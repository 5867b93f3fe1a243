// `logging.transport`: finds the module that it names. The module runs within the gateway, so its file must be as
// trustworthy as the configuration: anything else is refused.
import { createRequire } from 'node:module'
import { dirname, isAbsolute, resolve } from 'node:path'

import { quoted } from './problems.ts'
import { type Accounts } from '../platform/ownership.ts'
import { readTrustedFile } from './trusted-file.ts'

export type FoundTransport =
  | { kind: 'found'; target: string }
  | { kind: 'refused'; message: string; hint: string }

const maxModuleBytes = 16 * 1024 * 1024

/**
 * The module as an absolute path, or `pino/file`, which is a part of the gateway's own log.
 *
 * @param target the name of a package, looked up from the folder of the configuration file, or a path that begins with
 *   `/`, `./` or `../`, relative to that folder.
 */
export function findTransport(target: string, configFile: string, accounts: Accounts): FoundTransport {
  if (target === 'pino/file') return { kind: 'found', target }
  const folder = dirname(resolve(configFile))
  const isPath = /^(?:\/|\.\.?\/)/.test(target)
  const found = isPath ? resolve(folder, target) : resolvePackage(target, folder)
  if (typeof found !== 'string') return found
  const file = readTrustedFile(found, { maxBytes: maxModuleBytes, isSecret: false }, accounts)
  if (file.kind === 'read') return { kind: 'found', target: found }
  if (file.kind === 'absent') return { kind: 'refused', message: `there is no file ${found}`, hint: '' }
  return { kind: 'refused', message: `${found} ${file.message}`, hint: file.hint }
}

function resolvePackage(name: string, folder: string): string | FoundTransport {
  try {
    const path = createRequire(`${folder}/`).resolve(name)
    // A module of Node's resolves to its own name.
    if (isAbsolute(path)) return path
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') {
      const message = `the package ${quoted(name)} cannot be loaded by its name`
      return { kind: 'refused', message, hint: `write the path of its module: ./node_modules/${name}/…` }
    }
  }
  return {
    kind: 'refused',
    message: `there is no package ${quoted(name)} in node_modules of ${folder} or a directory above it`,
    hint: 'install it there, or write a path that begins with ./',
  }
}
