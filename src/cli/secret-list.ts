// `llm-gateway secret list` and `verify`: which secrets are stored, and whether they open. Values are never shown.
import { setCommandFor } from '../config/generated-secrets.ts'
import { printable } from '../platform/printable.ts'
import { recipientOf } from '../vault/age.ts'
import { describeRecipients } from '../vault/recipients.ts'
import { type ExaminedSecret, examineSecrets } from '../vault/reseal.ts'
import { listSecretFiles, type SecretFile } from '../vault/secret-files.ts'
import { formatAge } from './credential-list.ts'
import { findSource } from './identity-source.ts'
import { ownCommand } from './invocation.ts'
import { counted, Output } from './output.ts'
import { readSecret } from './read-secret.ts'
import {
  bytesReader,
  findSetting,
  recipientsOf,
  type SecretParts,
  type SecretSetting,
} from './secret-setting.ts'

/** @returns the exit status: 0, or 1 when the configuration does not name the places. */
export async function secretListCommand(parts: SecretParts, nowMs: number): Promise<number> {
  const { io } = parts
  const setting = findSetting(parts)
  if (setting === undefined) return 1
  const out = new Output(io.stdout, io.env)
  const { references, places } = setting
  const found = await findSource(setting)
  const stored =
    found.kind === 'found'
      ? await examineSecrets(places.directory, keysOf(found.source), bytesReader(setting))
      : listSecretFiles(places.directory)
  for (const file of stored) {
    const state = stateOf(file)
    const age = formatAge(nowMs - file.changedAtMs)
    out.line(printable(`${file.name}  ${age}, ${state}, ${describeUse(references, file.name)}`))
  }
  const missing = new Set(references.map(({ secret }) => secret))
  for (const { name } of stored) missing.delete(name)
  for (const name of missing) {
    const command = `${ownCommand(io.env)} ${setCommandFor(name)}`
    out.line(printable(`${name}  not stored, ${describeUse(references, name)} (${command})`))
  }
  if (found.kind !== 'found' && stored.length > 0) new Output(io.stderr, io.env).line(found.message)
  if (stored.length + missing.size === 0) out.line('No secrets are stored, and no provider refers to one.')
  return 0
}

function stateOf(file: SecretFile | ExaminedSecret): string {
  if (!('fault' in file)) return 'not examined'
  return file.fault === undefined ? 'ok' : `unreadable: it ${file.fault}`
}

function describeUse(references: SecretSetting['references'], name: string): string {
  const users = references.filter(({ secret }) => secret === name).map(({ provider }) => provider)
  return users.length === 0 ? 'not used by any provider' : `for ${[...new Set(users)].join(', ')}`
}

function keysOf({ identities }: { identities: readonly { key: string }[] }): string[] {
  return identities.map(({ key }) => key)
}

/**
 * Opens every secret and compares the identity with the recipients.
 * @param options `isOfRecovery`: opens them with the recovery identity alone, which is read as a key is.
 * @returns the exit status: 0 when every secret opens.
 */
export async function secretVerifyCommand(
  parts: SecretParts,
  { isOfRecovery }: { readonly isOfRecovery: boolean },
): Promise<number> {
  const { io } = parts
  const setting = findSetting(parts)
  if (setting === undefined) return 1
  const [out, err] = [new Output(io.stdout, io.env), new Output(io.stderr, io.env)]
  const recipients = await recipientsOf(setting)
  if (recipients === undefined) return 1
  const given = isOfRecovery ? await readRecovery(parts) : await ownIdentities(setting)
  if (given === undefined) return 1
  const { name, identities } = given
  const examined = await examineSecrets(setting.places.directory, keysOf(given), bytesReader(setting))
  for (const { name: secret, fault } of examined) {
    if (fault === undefined) out.line(`${secret}  ok`)
    else err.line(printable(`${secret}  unreadable: it ${fault}`))
  }
  const ids = identities.map(({ recipient }) => recipient)
  const isListed = recipients.some(({ recipient }) => ids.includes(recipient))
  const bad = examined.filter(({ fault }) => fault !== undefined).length
  if (bad === 0 && (isListed || recipients.length === 0)) {
    const opened = counted(examined.length, 'secret')
    out.line(printable(`Opened ${opened} with the ${name} (${ids.join(', ')}).`))
    return 0
  }
  err.line(printable(`given:  ${ids.join(', ')} (${name})`))
  err.line(`wanted: ${describeRecipients(recipients)}`)
  if (!isListed) err.line('New secrets would not open with this identity.')
  return 1
}

interface Given {
  readonly name: string
  readonly identities: readonly { readonly key: string; readonly recipient: string }[]
}

async function ownIdentities(setting: SecretSetting): Promise<Given | undefined> {
  const { io } = setting.parts
  const found = await findSource(setting)
  if (found.kind === 'found') return found.source
  new Output(io.stderr, io.env).line(found.message)
  return undefined
}

/** Reads a recovery identity as a key is read. @returns undefined, with the reason on standard error, if it is not an identity. */
export async function readRecovery({ io }: SecretParts): Promise<Given | undefined> {
  const prompt = (text: string) => io.stderr.write(text.replace(/^Key/, 'Recovery identity'))
  // From paper it may come in lower case, as bech32 allows, and with spaces.
  const key = (await readSecret(io.stdin, prompt))?.replaceAll(/\s/g, '').toUpperCase() ?? ''
  const recipient = await recipientOf(key)
  if (recipient !== undefined) return { name: 'recovery identity', identities: [{ key, recipient }] }
  const message =
    'That is not an identity (AGE-SECRET-KEY-1…), or a character of it is wrong; nothing was changed.'
  new Output(io.stderr, io.env).line(message)
  return undefined
}
