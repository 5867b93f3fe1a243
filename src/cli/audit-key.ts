// The key of the audit log's chain for a command: with the identity that the gateway has, or with the service's credential
// where this user can decrypt it.
import { auditKeyName, openAuditKey, type OpenedAuditKey } from '../config/audit-key.ts'
import { runProgram } from '../systemd/programs.ts'
import type { ServicePaths } from '../systemd/scope.ts'
import { decrypt } from '../vault/age.ts'
import { secretFile } from '../vault/secret-files.ts'
import type { CredentialIo } from './credential-set.ts'
import { findSource } from './identity-source.ts'
import { bytesReader, findSetting } from './secret-setting.ts'

export async function openAuditKeyHere(
  env: NodeJS.ProcessEnv,
  paths: ServicePaths,
  configFile: string,
): Promise<OpenedAuditKey> {
  const opened = await openAuditKey(configFile, env)
  if (opened.kind !== 'refused') return opened
  const setting = findSetting({ io: silentIo(env), paths, config: configFile, run: runProgram })
  if (setting?.isOfService !== true) return opened
  const source = await findSource(setting)
  const file = bytesReader(setting)(secretFile(setting.places.directory, auditKeyName))
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
