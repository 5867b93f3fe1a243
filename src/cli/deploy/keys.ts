// Which keys go to the box: those that the configuration names as a credential, that this machine has, and the box lacks. What a
// key of the vault, of clients or of the ledger needs stays here.
import { resolve } from 'node:path'
import { findSecret, secretFault } from '../../config/secrets.ts'
import { openSecrets, secretPlaces } from '../../config/stored-secrets.ts'
import { systemAccounts } from '../../platform/ownership.ts'
import { isCredentialName, readCredential } from '../../systemd/credentials.ts'
import type { RunProgram } from '../../systemd/programs.ts'
import type { ServicePaths } from '../../systemd/scope.ts'
import type { BoxConfig, KeyReference } from './box-config.ts'

export type KeyPlan =
  /** `reveal` returns the key, once it is to be sent. */
  | { readonly kind: 'send'; readonly key: KeyReference; readonly source: string; reveal(): string }
  | { readonly kind: 'kept'; readonly key: KeyReference }
  /** A clause: why it is not here. */
  | { readonly kind: 'absent'; readonly key: KeyReference; readonly reason: string }
  /** The box could not find it by its reference. */
  | { readonly kind: 'elsewhere'; readonly key: KeyReference }

export interface KeySources {
  readonly env: NodeJS.ProcessEnv
  /** The service of this machine whose credentials are read. */
  readonly paths: ServicePaths
  /** Of this machine, beside which stored secrets lie. */
  readonly configFile: string
  readonly run: RunProgram
}

/** @param stored names of the credentials that the box has. @param isReplacing send them all the same. */
export async function planKeys(
  { keys, raw }: BoxConfig,
  stored: ReadonlySet<string>,
  isReplacing: boolean,
  sources: KeySources,
): Promise<KeyPlan[]> {
  const plans: KeyPlan[] = []
  const seen = new Set<string>()
  const places = secretPlaces(raw.secrets, resolve(sources.configFile), sources.env)
  for (const key of keys) {
    const { credential } = key.reference
    if (credential === undefined || !isCredentialName(credential)) {
      plans.push({ kind: 'elsewhere', key })
      continue
    }
    if (seen.has(credential)) continue
    seen.add(credential)
    if (stored.has(credential) && !isReplacing) plans.push({ kind: 'kept', key })
    else plans.push(await findKey(key, credential, places, sources))
  }
  return plans
}

async function findKey(
  key: KeyReference,
  credential: string,
  places: ReturnType<typeof secretPlaces>,
  { env, paths, run }: KeySources,
): Promise<KeyPlan> {
  if (credential === places.credential) {
    return {
      kind: 'absent',
      key,
      reason: `the credential ${credential} is the identity of the vault, which stays here`,
    }
  }
  const own = readCredential(paths, credential, run)
  if (own.kind === 'read') {
    const value = own.text.replace(/\r?\n$/, '')
    const fault = secretFault(value)
    if (fault !== undefined) return { kind: 'absent', key, reason: `the credential ${credential} ${fault}` }
    return { kind: 'send', key, source: `credential ${credential}`, reveal: () => value }
  }
  const { secret } = key.reference
  const accounts = systemAccounts()
  const opened = secret === undefined ? [] : await openSecrets([secret], places, { env, accounts })
  const found = findSecret(key.reference, { env, accounts, stored: new Map(opened) })
  if (found.kind === 'found') {
    return { kind: 'send', key, source: found.secret.source, reveal: () => found.secret.reveal() }
  }
  const reason = own.kind === 'unreadable' ? `the credential ${credential}: ${own.message}` : found.message
  return { kind: 'absent', key, reason }
}
