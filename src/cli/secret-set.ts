// `llm-gateway secret set NAME`: stores a value, encrypted. It takes the recipients only, so that it also replaces a value
// that nothing can open any more; the first one makes the identities.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { secretFault } from '../config/secrets.ts'
import { storeSection } from '../config/stored-names.ts'
import { printable } from '../platform/printable.ts'
import { replaceFile } from '../platform/replace-file.ts'
import { encrypt, generateIdentity, recipientOf } from '../vault/age.ts'
import type { Identity } from '../vault/identities.ts'
import {
  describeRecipients,
  type Recipient,
  recipientsFile,
  renderRecipients,
  withRecipient,
} from '../vault/recipients.ts'
import { isSecretName, listSecretFiles, secretFile } from '../vault/secret-files.ts'
import { notRecorded, recordAfterwards, recordInAudit } from './audit-record.ts'
import { findSource, kindOfNewSource, storeIdentities } from './identity-source.ts'
import { ownCommand } from './invocation.ts'
import { Output } from './output.ts'
import { readSecret } from './read-secret.ts'
import {
  changing,
  findSetting,
  recipientsOf,
  reloadHint,
  restartHint,
  type SecretParts,
  type SecretSetting,
  storeHint,
} from './secret-setting.ts'

/** @returns the exit status: 0 when the value is stored. It appears nowhere else. */
export async function secretSetCommand(
  parts: SecretParts,
  name: string,
  { isGenerated }: { readonly isGenerated: boolean },
): Promise<number> {
  const { io } = parts
  const err = new Output(io.stderr, io.env)
  const setting = findSetting(parts)
  if (setting === undefined) return 1
  if (!isSecretName(name)) {
    err.line(`"${printable(name)}" is not a valid name: use letters, digits, ".", "_" and "-".`)
    return 1
  }
  const value = isGenerated
    ? randomBytes(32).toString('base64url')
    : await readSecret(io.stdin, (text) => io.stderr.write(text))
  const fault = value === undefined ? undefined : secretFault(value)
  if (value === undefined || fault !== undefined) {
    err.line(`${fault === undefined ? 'No key was entered' : `The key ${fault}`}; nothing was changed.`)
    return 1
  }
  return changing(setting, () => store(setting, name, value))
}

async function store(setting: SecretSetting, name: string, value: string): Promise<number> {
  const { places, access, parts } = setting
  const out = new Output(parts.io.stdout, parts.io.env)
  const known = await recipientsOf(setting)
  if (known === undefined) return 1
  const made = known.length > 0 ? { recipients: known, isNew: false } : await makeRecipients(setting)
  if (made === undefined) return 1
  const { recipients, isNew } = made
  const text = await encrypt(
    value,
    recipients.map(({ recipient }) => recipient),
  )
  const event = { name: 'secret.set', attributes: { 'secret.name': name } } as const
  const recorded = await recordInAudit(event, setting.audit, true)
  if (recorded.kind === 'failed') {
    new Output(parts.io.stderr, parts.io.env).line(`error: ${printable(notRecorded(recorded.reason))}`)
    return 1
  }
  const path = secretFile(places.directory, name)
  try {
    replaceFile(path, text, { mode: access.file })
  } catch (error) {
    await recordAfterwards(parts.io, { ...event, outcome: 'failure' }, setting.audit)
    throw error
  }
  out.line(`Stored ${name} in ${printable(path)}, encrypted for ${describeRecipients(recipients)}.`)
  const isForRestart = isNew && kindOfNewSource(setting) === 'credential'
  for (const line of howToUse(setting, name, isForRestart)) out.line(printable(line))
  return 0
}

/** @param isForRestart the service has no identity yet that opens it. */
function howToUse(setting: SecretSetting, name: string, isForRestart: boolean): string[] {
  const { references, signingKey, storeCredential, parts } = setting
  const uses = references.filter(({ secret }) => secret === name)
  if (uses.length === 0 && name === signingKey)
    return ['Commands sign the keys of clients with it from now on.']
  if (uses.length === 0 && name === storeCredential) {
    const command = `${ownCommand(parts.io.env)} credential set ${name}`
    return [
      `rate_limit_settings.store.url names the credential ${name} of the service, which is another one: ${command} stores that. To use this one, write url: { secret: ${name} }, and restart the gateway.`,
    ]
  }
  const hints: string[] = []
  if (uses.length === 0)
    hints.push(`To use it as the key of a provider, add to its entry: api_key: { secret: ${name} }`)
  const isOfStore = uses.some(({ provider }) => provider === storeSection)
  if (isForRestart) hints.push(restartHint(setting))
  else if (!isOfStore || uses.some(({ provider }) => provider !== storeSection))
    hints.push(reloadHint(setting))
  if (isOfStore && !isForRestart) hints.push(storeHint(setting))
  return hints
}

/** Makes the identities of an empty directory, or completes what an interrupted command began. */
async function makeRecipients(
  setting: SecretSetting,
): Promise<{ recipients: readonly Recipient[]; isNew: boolean } | undefined> {
  const { places, access, parts } = setting
  const { io } = parts
  const err = new Output(io.stderr, io.env)
  const file = join(places.directory, recipientsFile)
  if (listSecretFiles(places.directory).length > 0) {
    const command = `${ownCommand(io.env)} secret recovery`
    err.line(`${printable(file)} is missing; ${command} writes it anew. Nothing was changed.`)
    return undefined
  }
  const found = await findSource(setting)
  if (found.kind === 'refused' || found.kind === 'unusable') {
    err.line(found.message)
    return undefined
  }
  const own = found.kind === 'found' ? found.source.identities[0]! : await makeIdentity(setting)
  if (own === undefined) return undefined
  const recovery = await generateIdentity()
  printRecovery(new Output(io.stdout, io.env), recovery)
  const identity: Recipient = { recipient: own.recipient, role: 'identity' }
  const recipients = withRecipient([identity], 'recovery', (await recipientOf(recovery))!)
  replaceFile(file, renderRecipients(recipients), { mode: access.file })
  return { recipients, isNew: found.kind === 'absent' }
}

async function makeIdentity(setting: SecretSetting): Promise<Identity | undefined> {
  const { io } = setting.parts
  const kind = kindOfNewSource(setting)
  if (kind === undefined) {
    const message = 'There is no place for an identity: set secrets.identity.file, or HOME.'
    new Output(io.stderr, io.env).line(message)
    return undefined
  }
  const key = await generateIdentity()
  const identity: Identity = { key, recipient: (await recipientOf(key))!, role: 'kept' }
  const where = storeIdentities(setting, kind, [identity])
  new Output(io.stdout, io.env).line(`Made the identity that opens the secrets: ${printable(where)}.`)
  return identity
}

/** Shows the recovery identity, the only time that it is anywhere but on paper. */
export function printRecovery(out: Output, recovery: string): void {
  out.line('This recovery identity opens the secrets if the identity of this machine is lost. It is stored')
  out.line('nowhere and not shown again: write it down, and keep it apart from this machine and its backups.')
  out.line()
  out.line(`  ${out.styled('bold', recovery)}`)
  out.line()
}
