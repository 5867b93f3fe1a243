// Secrets that `secret set` has stored, encrypted, beside the configuration: where they are, and how they are opened. A
// value that is there but cannot be opened is a problem that names the identities wanted and given, never an absent key.
import { statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { type Accounts } from '../platform/ownership.ts'
import { decrypt, maxAgeFileBytes } from '../vault/age.ts'
import { type Identity, parseIdentities } from '../vault/identities.ts'
import {
  describeRecipients,
  parseRecipients,
  type ParsedRecipients,
  type Recipient,
  recipientsFile,
} from '../vault/recipients.ts'
import { secretFile } from '../vault/secret-files.ts'
import { defaults } from './defaults.ts'
import { findStateDirectory } from './find.ts'
import { setCommandFor } from './generated-secrets.ts'
import type { RawConfig } from './raw.ts'
import { readTrustedBytes, readTrustedFile } from './trusted-file.ts'

/** Where stored secrets and the identity that opens them are. Paths are absolute. */
export interface SecretPlaces {
  /** For `NAME.age` and the recipients. */
  readonly directory: string
  /** The systemd credential that holds the identity. */
  readonly credential: string
  /** The file that holds it where there is no such credential. Undefined: no state is kept, and none is named. */
  readonly identityFile: string | undefined
}

/** The places that a configuration names, or the usual ones: beside the file, and in the state directory. */
export function secretPlaces(
  raw: RawConfig['secrets'],
  configFile: string,
  env: NodeJS.ProcessEnv,
): SecretPlaces {
  const inHome = (path: string) =>
    path.startsWith('~/') ? join(env['HOME'] || homedir(), path.slice(2)) : path
  const { credential, file } = { ...defaults.secrets.identity, ...raw?.identity }
  const directory = raw?.dir ?? join(dirname(resolve(configFile)), 'secrets')
  const state = findStateDirectory(env)
  const usual = state === undefined ? undefined : join(state, 'identity.txt')
  return {
    directory: inHome(directory),
    credential,
    identityFile: file === null ? usual : inHome(file),
  }
}

export type FoundIdentities =
  | { readonly kind: 'found'; readonly identities: readonly Identity[]; readonly source: string }
  | { readonly kind: 'absent'; readonly message: string }
  | { readonly kind: 'refused'; readonly message: string; readonly hint: string }

/** An identity file is small, also while its identity is being replaced and with some of other people's. */
const maxIdentityBytes = 16 * 1024

/** Reads the identity where the gateway finds it: the credential that systemd has passed, else the file. */
async function findIdentities(
  { credential, identityFile }: SecretPlaces,
  env: NodeJS.ProcessEnv,
  accounts: Accounts,
): Promise<FoundIdentities> {
  const passed = env['CREDENTIALS_DIRECTORY']
  const files = [
    // The service manager creates the directory and sets its modes.
    ...(passed
      ? [{ path: join(passed, credential), source: `credential ${credential}`, isSecret: false }]
      : []),
    ...(identityFile === undefined
      ? []
      : [{ path: identityFile, source: `file ${identityFile}`, isSecret: true }]),
  ]
  for (const { path, source, isSecret } of files) {
    const found = await readIdentities(path, source, { isSecret, accounts })
    if (found.kind !== 'absent') return found
  }
  const places = [`credential ${credential}`, ...(identityFile === undefined ? [] : [`file ${identityFile}`])]
  return { kind: 'absent', message: `there is no identity to open it with (${places.join(' or ')})` }
}

/** Reads an identity file. @param source what messages call it. */
export async function readIdentities(
  path: string,
  source: string,
  { isSecret, accounts }: { readonly isSecret: boolean; readonly accounts: Accounts },
): Promise<FoundIdentities> {
  const file = readTrustedFile(path, { maxBytes: maxIdentityBytes, isSecret }, accounts)
  if (file.kind === 'absent') return { kind: 'absent', message: `${source} does not exist` }
  if (file.kind === 'refused') {
    return { kind: 'refused', message: `the identity from ${source} ${file.message}`, hint: file.hint }
  }
  return identitiesIn(file.text, source)
}

/** @param source what messages call the text. */
export async function identitiesIn(text: string, source: string): Promise<FoundIdentities> {
  const parsed = await parseIdentities(text)
  if (parsed.kind === 'parsed') return { kind: 'found', identities: parsed.identities, source }
  const hint = 'age-keygen writes such files, and so does the first secret set'
  return { kind: 'refused', message: `the identity from ${source} ${parsed.message}`, hint }
}

/** Undefined: there is no such file. */
export async function readRecipients(
  directory: string,
  accounts: Accounts,
): Promise<ParsedRecipients | undefined> {
  const path = join(directory, recipientsFile)
  const file = readTrustedFile(path, { maxBytes: maxIdentityBytes, isSecret: false }, accounts)
  if (file.kind === 'absent') return undefined
  return file.kind === 'read' ? parseRecipients(file.text) : { kind: 'faulty', message: file.message }
}

type OpenedSecret =
  /** `setAtMs`: when its file was written, in milliseconds since 1970. */
  | { readonly kind: 'opened'; readonly value: string; readonly setAtMs?: number | undefined }
  | {
      readonly kind: 'absent'
      readonly message: string
      readonly hint: string
      /** The credential whose absence is the reason. Absent: no such secret is stored. */
      readonly credential?: string
    }
  | { readonly kind: 'refused'; readonly message: string; readonly hint: string }

/** By name. */
export type OpenedSecrets = ReadonlyMap<string, OpenedSecret>

interface Sources {
  readonly env: NodeJS.ProcessEnv
  readonly accounts: Accounts
}

/** Opens the secrets with these names, as far as they can be opened. */
export async function openSecrets(
  names: Iterable<string>,
  places: SecretPlaces,
  sources: Sources,
): Promise<OpenedSecrets> {
  const opened = new Map<string, OpenedSecret>()
  for (const name of new Set(names)) {
    // A reload shares the thread with open calls: each takes a few milliseconds.
    await setImmediate()
    const first = await openSecret(name, places, sources)
    // Between two looks, rotate-identity may have replaced the identity or the file.
    opened.set(name, first.kind === 'opened' ? first : await openSecret(name, places, sources))
  }
  return opened
}

async function openSecret(
  name: string,
  places: SecretPlaces,
  { env, accounts }: Sources,
): Promise<OpenedSecret> {
  const path = secretFile(places.directory, name)
  const file = readTrustedBytes(path, { maxBytes: maxAgeFileBytes, isSecret: false }, accounts)
  if (file.kind === 'absent') {
    const message = `secret not found: looked for secret ${name} (${path})`
    return { kind: 'absent', message, hint: setHint(name) }
  }
  if (file.kind === 'refused') {
    return { kind: 'refused', message: `the secret ${name} ${file.message}`, hint: file.hint }
  }
  const found = await findIdentities(places, env, accounts)
  if (found.kind === 'refused') return found
  const recipients = await readRecipients(places.directory, accounts)
  const wanted = recipients?.kind === 'parsed' ? recipients.recipients : []
  if (found.kind === 'absent') {
    const message = `the secret ${name} cannot be opened: ${found.message}; wanted: ${describeWanted(wanted)}`
    return { kind: 'absent', message, hint: restoreHint, credential: places.credential }
  }
  const { identities, source } = found
  const keys = identities.map(({ key }) => key)
  const decrypted = await decrypt(file.bytes, keys)
  if (decrypted.kind === 'opened') {
    return { ...decrypted, setAtMs: statSync(path, { throwIfNoEntry: false })?.mtimeMs }
  }
  return { kind: 'refused', ...openingFault(name, decrypted.kind, { wanted, given: identities, source }) }
}

/** Why a stored secret does not open. */
function openingFault(
  name: string,
  kind: 'for_others' | 'damaged',
  { wanted, given, source }: { wanted: readonly Recipient[]; given: readonly Identity[]; source: string },
): { message: string; hint: string } {
  if (kind === 'damaged') {
    return { message: `the secret ${name} is damaged: no identity can open it`, hint: setHint(name) }
  }
  const at = given.map(({ recipient }) => recipient)
  const isListed = wanted.some(({ recipient }) => at.includes(recipient))
  const shown = `the identity from ${source} is ${at.join(', ')}`
  return isListed
    ? {
        message: `the secret ${name} cannot be opened: it is encrypted for other recipients than ${recipientsFile} lists, and ${shown}`,
        hint: setHint(name),
      }
    : {
        message: `the secret ${name} cannot be opened: wanted: ${describeWanted(wanted)}; ${shown}`,
        hint: restoreHint,
      }
}

const setHint = (name: string) => `store it: llm-gateway ${setCommandFor(name)}`
const restoreHint =
  'bring back that identity, or make a new one: llm-gateway secret rotate-identity --from-recovery'

function describeWanted(recipients: readonly Recipient[]): string {
  return recipients.length === 0
    ? `unknown, because ${recipientsFile} cannot be read`
    : describeRecipients(recipients)
}
