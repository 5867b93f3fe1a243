// Where the `secret` commands find the identity that opens secrets, and where they write one: a systemd credential where the
// service is installed, else a file of mode 0600. The order is the gateway's.
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { identitiesIn, readIdentities } from '../config/stored-secrets.ts'
import { printable } from '../platform/printable.ts'
import { replaceFile } from '../platform/replace-file.ts'
import { readCredential, storeCredential, updateDropIns } from '../systemd/credentials.ts'
import { scopeOptions } from '../systemd/scope.ts'
import { type Identity, renderIdentities } from '../vault/identities.ts'
import type { SecretSetting } from './secret-setting.ts'

export interface IdentitySource {
  readonly kind: 'credential' | 'file'
  readonly identities: readonly Identity[]
  /** For people: `credential gateway_identity`. */
  readonly name: string
}

export type FoundSource =
  | { readonly kind: 'found'; readonly source: IdentitySource }
  /** `message` is a sentence. `unusable`: a credential that is there and holds no identity that can be read. */
  | { readonly kind: 'absent' | 'refused' | 'unusable'; readonly message: string }

export async function findSource({
  parts: { paths, run },
  places: { credential, identityFile },
  isOfService,
  accounts,
}: SecretSetting): Promise<FoundSource> {
  if (isOfService) {
    const name = `credential ${credential}`
    const stored = readCredential(paths, credential, run)
    if (stored.kind === 'unreadable') {
      const message = `This user cannot decrypt the ${name}: ${printable(stored.message)}.`
      return { kind: 'unusable', message }
    }
    if (stored.kind === 'read') {
      const found = await identitiesIn(stored.text, name)
      if (found.kind !== 'found') return { kind: 'unusable', message: sentence(found.message) }
      return { kind: 'found', source: { kind: 'credential', name, identities: found.identities } }
    }
  }
  const places = [
    ...(isOfService ? [`credential ${credential}`] : []),
    ...(identityFile === undefined ? [] : [`file ${identityFile}`]),
  ]
  const absent = `There is no identity (${printable(places.join(' or '))}).`
  if (identityFile === undefined) return { kind: 'absent', message: absent }
  const name = `file ${identityFile}`
  const found = await readIdentities(identityFile, name, { isSecret: true, accounts })
  if (found.kind === 'absent') return { kind: 'absent', message: absent }
  if (found.kind === 'refused')
    return { kind: 'refused', message: sentence(`${found.message} (${found.hint})`) }
  return { kind: 'found', source: { kind: 'file', name, identities: found.identities } }
}

function sentence(message: string): string {
  return `${message.charAt(0).toUpperCase()}${printable(message.slice(1))}.`
}

/** Where a first identity goes; undefined if there is no place for it. */
export function kindOfNewSource({
  isFileNamed,
  isOfService,
  places,
}: SecretSetting): IdentitySource['kind'] | undefined {
  if (isOfService && !isFileNamed) return 'credential'
  return places.identityFile === undefined ? undefined : 'file'
}

/** Writes the identities in place of those that are there, at once. @returns for people: where. @throws when it cannot. */
export function storeIdentities(
  { parts: { paths, run }, places: { credential, identityFile } }: SecretSetting,
  kind: IdentitySource['kind'],
  identities: readonly Identity[],
): string {
  const value = renderIdentities(identities)
  if (kind === 'file') {
    mkdirSync(dirname(identityFile!), { recursive: true, mode: 0o700 })
    replaceFile(identityFile!, value, { mode: 0o600 })
    return `${identityFile} (mode 0600)`
  }
  const stored = storeCredential(paths, { name: credential, value }, run)
  updateDropIns(paths)
  run('systemctl', [...scopeOptions(paths.scope), 'daemon-reload'])
  return `${stored.path} (${stored.isEncrypted ? "encrypted with this machine's key" : 'mode 0600, not encrypted'})`
}
