// For how long each stored key of a provider has been in use: since its file was written last. No key is read.
import { resolve } from 'node:path'
import { readConfigFile } from '../../config/config-file.ts'
import { secretPlaces } from '../../config/stored-secrets.ts'
import { systemAccounts } from '../../platform/ownership.ts'
import { listCredentials } from '../../systemd/credentials.ts'
import type { ServicePaths } from '../../systemd/scope.ts'
import { listSecretFiles } from '../../vault/secret-files.ts'
import { chosenConfig, secretsSection } from '../secret-setting.ts'

export interface KeyAge {
  readonly name: string
  readonly kind: 'credential' | 'secret'
  readonly ageMs: number
}

/** The oldest first. Directories that this user may not read have none. */
export function keyAges(
  env: NodeJS.ProcessEnv,
  { paths, config }: { readonly paths: ServicePaths; readonly config: string | undefined },
  nowMs: number,
): KeyAge[] {
  const configFile = resolve(chosenConfig({ io: { env }, paths, config }))
  const credentials = listed(() => listCredentials(paths.credentialsDirectory))
  const secrets = listed(() => listSecretFiles(secretDirectory(configFile, env)))
  const ages = (kind: KeyAge['kind'], files: readonly { name: string; changedAtMs: number }[]) =>
    files.map(({ name, changedAtMs }) => ({ name, kind, ageMs: Math.max(0, nowMs - changedAtMs) }))
  return [...ages('credential', credentials), ...ages('secret', secrets)].toSorted(
    (one, other) => other.ageMs - one.ageMs,
  )
}

/** A directory without permission, or a file that goes meanwhile, is no fault of the report. */
function listed<File>(list: () => readonly File[]): readonly File[] {
  try {
    return list()
  } catch {
    return []
  }
}

function secretDirectory(configFile: string, env: NodeJS.ProcessEnv): string {
  const read = readConfigFile(configFile, env, systemAccounts())
  const section = read.kind === 'read' ? secretsSection(read.document.value) : undefined
  return secretPlaces(section, configFile, env).directory
}
