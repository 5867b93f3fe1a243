// Which keys go to the box: those that the configuration names as a credential (`carried-keys.ts` names those of other sources), that
// this machine has, and the box lacks. The vault's identities, and what belongs to keys of clients or to the ledger, stay here. A
// configuration that came from the box chooses no file, variable or secret of this machine: only references that the configuration
// here contains too are looked up.
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { RawSecret } from '../../config/raw.ts'
import { findSecret, type FoundSecret, secretFault } from '../../config/secrets.ts'
import { openSecrets, type SecretPlaces, secretPlaces } from '../../config/stored-secrets.ts'
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
  /** Only the box asks for it: the configuration of this machine does not contain the reference. */
  | { readonly kind: 'foreign'; readonly key: KeyReference; readonly configFile: string }

export interface KeySources {
  readonly env: NodeJS.ProcessEnv
  /** The service of this machine whose credentials are read. */
  readonly paths: ServicePaths
  /** Of this machine, beside which stored secrets lie. */
  readonly configFile: string
  /** The configuration of this machine, whose references may be looked up. Undefined: none can be read, and no key is sent. */
  readonly own: BoxConfig | undefined
  /** Credentials that only deploy has added to it: this machine's of that name are other keys. */
  readonly carried: ReadonlySet<string>
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
  const { own, env, configFile } = sources
  const places = secretPlaces(own?.raw.secrets, resolve(configFile), env)
  const identities = new Set([
    places.credential,
    secretPlaces(raw.secrets, resolve(configFile), env).credential,
  ])
  for (const key of keys) {
    const { credential } = key.reference
    if (credential === undefined || !isCredentialName(credential)) {
      plans.push({ kind: 'elsewhere', key })
      continue
    }
    if (seen.has(credential)) continue
    seen.add(credential)
    if (stored.has(credential) && !isReplacing) plans.push({ kind: 'kept', key })
    else if (identities.has(credential)) {
      const reason = `the credential ${credential} is the identity of the vault, which stays here`
      plans.push({ kind: 'absent', key, reason })
    } else if (!own?.keys.some(({ reference }) => isSameReference(reference, key.reference))) {
      plans.push({ kind: 'foreign', key, configFile })
    } else plans.push(await findKey(key, credential, places, sources))
  }
  return plans
}

/**
 * Places of the keys without which the gateway could not start on the box. Where a version runs there already, the box may have a key
 * in a file or variable of its own, and returns to that version if it has not.
 */
export function missingKeys(
  plans: readonly KeyPlan[],
  { isFirst, isConfigKept }: { readonly isFirst: boolean; readonly isConfigKept: boolean },
): string[] {
  return plans.flatMap(({ kind, key: { place, reference } }) => {
    if ((kind !== 'absent' && kind !== 'foreign') || reference.optional === true) return []
    const hasOtherSource = [reference.file, reference.env, reference.secret].some(
      (source) => source !== undefined,
    )
    return isFirst || (!isConfigKept && !hasOtherSource) ? [place] : []
  })
}

/** Whether both lead to the same places, whether or not the key may be absent. */
export function isSameReference(one: RawSecret, other: RawSecret): boolean {
  return (['credential', 'file', 'env', 'secret'] as const).every((kind) => one[kind] === other[kind])
}

async function findKey(
  key: KeyReference,
  credential: string,
  places: SecretPlaces,
  { carried, env, paths, run }: KeySources,
): Promise<KeyPlan> {
  if (carried.has(credential)) {
    const found = await lookUp(key.reference, places, env)
    if (found.kind !== 'found') return { kind: 'absent', key, reason: found.message }
    return { kind: 'send', key, source: found.secret.source, reveal: () => found.secret.reveal() }
  }
  const own = readCredential(paths, credential, run)
  if (own.kind === 'read') {
    const value = own.text.replace(/\r?\n$/, '')
    const fault = secretFault(value)
    if (fault !== undefined) return { kind: 'absent', key, reason: `the credential ${credential} ${fault}` }
    return { kind: 'send', key, source: `credential ${credential}`, reveal: () => value }
  }
  const found = await lookUp(key.reference, places, env)
  if (found.kind === 'found') {
    return { kind: 'send', key, source: found.secret.source, reveal: () => found.secret.reveal() }
  }
  const reason = own.kind === 'unreadable' ? `the credential ${credential}: ${own.message}` : found.message
  return { kind: 'absent', key, reason }
}

/** Looks a key up where its reference leads on this machine, but for a credential, which only a service receives. */
export async function lookUp(
  { credential: _notHere, ...reference }: RawSecret,
  places: SecretPlaces,
  env: NodeJS.ProcessEnv,
): Promise<FoundSecret> {
  const accounts = systemAccounts()
  const { file, secret } = reference
  const home = env['HOME'] || homedir()
  const inHome = file?.startsWith('~/') === true ? { file: join(home, file.slice(2)) } : {}
  const opened = secret === undefined ? [] : await openSecrets([secret], places, { env, accounts })
  return findSecret({ ...reference, ...inHome }, { env, accounts, stored: new Map(opened) })
}
