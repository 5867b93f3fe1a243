// The keys of the gateway's records for a command: with the identity that the gateway has, or with the service's credential
// where this user can decrypt it.
import { openGeneratedKey, type OpenedAuditKey } from '../config/record-keys.ts'
import { auditKeyName, pseudonymKeyName } from '../config/generated-secrets.ts'
import { readConfigFile } from '../config/config-file.ts'
import { hasPseudonyms } from '../config/stored-names.ts'
import { Pseudonyms } from '../vault/pseudonyms.ts'
import { systemAccounts } from '../platform/ownership.ts'
import { runProgram } from '../systemd/programs.ts'
import type { ServicePaths } from '../systemd/scope.ts'
import { decrypt } from '../vault/age.ts'
import { secretFile } from '../vault/secret-files.ts'
import type { CredentialIo } from './credential-set.ts'
import { findSource } from './identity-source.ts'
import { bytesReader, findSetting } from './secret-setting.ts'

export function openAuditKeyHere(
  env: NodeJS.ProcessEnv,
  paths: ServicePaths,
  configFile: string,
): Promise<OpenedAuditKey> {
  return openKeyHere(auditKeyName, { env, paths, configFile })
}

/** How a command names clients as the gateway records them. */
export type NamesHere =
  | { readonly kind: 'plain' }
  | { readonly kind: 'pseudonyms'; readonly pseudonyms: Pseudonyms }
  /** The configuration has pseudonyms, and their key does not open here. The message is for people. */
  | { readonly kind: 'refused'; readonly message: string; readonly isStored: boolean }

interface Here {
  readonly env: NodeJS.ProcessEnv
  readonly paths: ServicePaths
  readonly configFile: string
}

export async function namesHere(here: Here): Promise<NamesHere> {
  const read = readConfigFile(here.configFile, here.env, systemAccounts())
  if (read.kind !== 'read' || !hasPseudonyms(read.document.value)) return { kind: 'plain' }
  const opened = await openKeyHere(pseudonymKeyName, here)
  switch (opened.kind) {
    case 'opened':
      return { kind: 'pseudonyms', pseudonyms: new Pseudonyms(opened.key) }
    case 'none':
      return { kind: 'refused', message: `the secret ${pseudonymKeyName} is not stored`, isStored: false }
    case 'refused':
      return { ...opened, isStored: true }
    default:
      return opened satisfies never
  }
}

/** The name of a client as it is recorded: a pseudonym, or as it is. Undefined: this user cannot know. */
export function recordedName(names: NamesHere, id: string): string | undefined {
  if (names.kind === 'refused') return undefined
  return names.kind === 'plain' ? id : names.pseudonyms.of(id)
}

async function openKeyHere(name: string, { env, paths, configFile }: Here): Promise<OpenedAuditKey> {
  const opened = await openGeneratedKey(name, configFile, env)
  if (opened.kind !== 'refused') return opened
  const setting = findSetting({ io: silentIo(env), paths, config: configFile, run: runProgram })
  if (setting?.isOfService !== true) return opened
  const source = await findSource(setting)
  const file = bytesReader(setting)(secretFile(setting.places.directory, name))
  if (source.kind !== 'found' || file.kind !== 'read') return opened
  const decrypted = await decrypt(
    file.bytes,
    source.source.identities.map(({ key }) => key),
  )
  return decrypted.kind === 'opened' ? { kind: 'opened', key: Buffer.from(decrypted.value, 'utf8') } : opened
}

/** What is wrong with the configuration is reported elsewhere. */
function silentIo(env: NodeJS.ProcessEnv): CredentialIo {
  const stream = { write: () => true }
  return { env, stdout: stream, stderr: stream, stdin: process.stdin }
}
