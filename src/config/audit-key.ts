// The key of the audit log's chain: a stored secret of a fixed name, used when it is there.
import { membersOf } from '../bytes/json/parse.ts'
import { systemAccounts } from '../platform/ownership.ts'
import { readConfigFile } from './config-file.ts'
import type { RawConfig } from './raw.ts'
import { openSecrets, secretPlaces } from './stored-secrets.ts'

/** `secret set audit-chain --generate` stores it. */
export const auditKeyName = 'audit-chain'

export type OpenedAuditKey =
  | { readonly kind: 'opened'; readonly key: Buffer }
  /** None is stored: the chain has no key. */
  | { readonly kind: 'none' }
  /** It is there and does not open here. */
  | { readonly kind: 'refused'; readonly message: string }

/** @param configFile beside which, or in which place that it names, secrets are stored. */
export async function openAuditKey(configFile: string, env: NodeJS.ProcessEnv): Promise<OpenedAuditKey> {
  const accounts = systemAccounts()
  const read = readConfigFile(configFile, env, accounts)
  const value = read.kind === 'read' ? read.document.value : undefined
  const raw = membersOf(membersOf(value)['secrets']) as RawConfig['secrets']
  const opened = await openSecrets([auditKeyName], secretPlaces(raw, configFile, env), { env, accounts })
  const secret = opened.get(auditKeyName)
  if (secret?.kind === 'opened') return { kind: 'opened', key: Buffer.from(secret.value, 'utf8') }
  if (secret === undefined || (secret.kind === 'absent' && secret.credential === undefined))
    return { kind: 'none' }
  return { kind: 'refused', message: secret.message }
}
