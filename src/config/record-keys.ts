// The keys of the gateway's own records, of the audit log's chain and of clients' pseudonyms: stored secrets of fixed names.
import { membersOf } from '../bytes/json/parse.ts'
import { systemAccounts } from '../platform/ownership.ts'
import { readConfigFile } from './config-file.ts'
import { auditKeyName } from './generated-secrets.ts'
import type { RawConfig } from './raw.ts'
import { openSecrets, secretPlaces } from './stored-secrets.ts'

/** The key of the audit log's chain, or another one that is stored so. */
export type OpenedAuditKey =
  | { readonly kind: 'opened'; readonly key: Buffer }
  /** None is stored: the chain has no key. */
  | { readonly kind: 'none' }
  /** It is there and does not open here. */
  | { readonly kind: 'refused'; readonly message: string }

/** The key of the audit log's chain, which is used when it is there. */
export function openAuditKey(configFile: string, env: NodeJS.ProcessEnv): Promise<OpenedAuditKey> {
  return openGeneratedKey(auditKeyName, configFile, env)
}

/** @param configFile beside which, or in which place that it names, secrets are stored. */
export async function openGeneratedKey(
  name: string,
  configFile: string,
  env: NodeJS.ProcessEnv,
): Promise<OpenedAuditKey> {
  const accounts = systemAccounts()
  const read = readConfigFile(configFile, env, accounts)
  const value = read.kind === 'read' ? read.document.value : undefined
  const raw = membersOf(membersOf(value)['secrets']) as RawConfig['secrets']
  const opened = await openSecrets([name], secretPlaces(raw, configFile, env), { env, accounts })
  const secret = opened.get(name)
  if (secret?.kind === 'opened') return { kind: 'opened', key: Buffer.from(secret.value, 'utf8') }
  if (secret === undefined || (secret.kind === 'absent' && secret.credential === undefined))
    return { kind: 'none' }
  return { kind: 'refused', message: secret.message }
}
