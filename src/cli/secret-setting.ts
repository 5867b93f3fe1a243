// What the `secret` commands work on: the configuration, the directory of its secrets, and whose gateway reads them.
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { membersOf } from '../bytes/json/parse.ts'
import { readConfigFile } from '../config/config-file.ts'
import { gatewayVariable } from '../config/environment.ts'
import { findConfigFile, packagedConfigFile } from '../config/find.ts'
import { isAudited } from '../config/partial-config.ts'
import { pseudonymKeyName } from '../config/generated-secrets.ts'
import { hasPseudonyms, storeCredential, storedReferences, storedSigningKey } from '../config/stored-names.ts'
import { readRecipients, type SecretPlaces, secretPlaces } from '../config/stored-secrets.ts'
import { readTrustedBytes } from '../config/trusted-file.ts'
import { type Accounts, systemAccounts } from '../platform/ownership.ts'
import { printable } from '../platform/printable.ts'
import { holdLock } from '../platform/process-lock.ts'
import type { RunProgram } from '../systemd/programs.ts'
import { type ServicePaths, serviceUnit, unitFile } from '../systemd/scope.ts'
import { configOf } from '../systemd/units.ts'
import { maxAgeFileBytes } from '../vault/age.ts'
import type { Recipient } from '../vault/recipients.ts'
import type { ReadBytes } from '../vault/reseal.ts'
import { type Access, makeSecretDirectory, ownAccess, serviceAccess } from '../vault/secret-files.ts'
import type { AuditPlace } from './audit-place.ts'
import { ownCommand } from './invocation.ts'
import { Output } from './output.ts'
import type { CredentialIo } from './credential-set.ts'

/** What every `secret` command is given. */
export interface SecretParts {
  readonly io: CredentialIo
  readonly paths: ServicePaths
  /** Undefined: the one that the gateway would use. */
  readonly config: string | undefined
  readonly run: RunProgram
}

export interface SecretSetting {
  readonly parts: SecretParts
  readonly configFile: string
  readonly places: SecretPlaces
  /** Whether the configuration names the identity's file. */
  readonly isFileNamed: boolean
  /** Whether the installed service runs with this configuration. */
  readonly isOfService: boolean
  readonly access: Access
  /** Whether the gateway notices by itself that a secret has changed. */
  readonly isWatched: boolean
  readonly audit: AuditPlace
  readonly accounts: Accounts
  /** Each reference of the configuration to a stored secret; in place of a provider may stand a key of the configuration. */
  readonly references: readonly { readonly provider: string; readonly secret: string }[]
  /** With which commands sign the keys of clients. */
  readonly signingKey: string | undefined
  /** The service's credential that has the URL of the store that machines share. */
  readonly storeCredential: string | undefined
}

/** @returns undefined, with the reason on standard error, if the configuration does not name the places. */
export function findSetting(parts: SecretParts): SecretSetting | undefined {
  const { io, paths } = parts
  const { env } = io
  const accounts = systemAccounts()
  const configFile = resolve(chosenConfig(parts))
  const refuse = (message: string) => {
    new Output(io.stderr, env).line(`${printable(configFile)}: ${printable(message)}`)
    return undefined
  }
  const read = readConfigFile(configFile, env, accounts)
  if (read.kind === 'refused') {
    const { message, hint } = read.problem
    return refuse(hint === '' ? message : `${message} (${hint})`)
  }
  if (read.kind === 'invalid-yaml') return refuse('is not valid YAML; validate-config shows where')
  const raw = secretsSection(read.document.value)
  if (raw === undefined) return refuse('secrets is not valid; validate-config shows where')
  const isOfService = installedConfig(paths) === configFile
  return {
    parts,
    configFile,
    places: secretPlaces(raw, configFile, env),
    isFileNamed: typeof raw.identity?.file === 'string',
    isOfService,
    audit: { env, configFile, paths, isAudited: isAudited(membersOf(read.document.value)) },
    isWatched: membersOf(membersOf(read.document.value)['server'])['watch_config'] === true,
    access: isOfService && paths.scope === 'system' ? serviceAccess : ownAccess,
    accounts,
    references: [...storedReferences(read.document.value), ...ownReferences(read.document.value)],
    signingKey: storedSigningKey(read.document.value),
    storeCredential: storeCredential(read.document.value),
  }
}

/** The file as `serve` chooses it, but never the file of the package, beside which nobody keeps secrets. */
export function chosenConfig({
  io,
  paths,
  config,
}: Pick<SecretParts, 'paths' | 'config'> & { readonly io: Pick<SecretParts['io'], 'env'> }): string {
  const found = findConfigFile(config, io.env)
  const isChosen = config !== undefined || gatewayVariable(io.env, 'CONFIG') !== undefined
  const isOther = found === packagedConfigFile() || paths.scope === 'system'
  return !isChosen && isOther ? paths.configFile : found
}

function* ownReferences(document: unknown): Generator<{ provider: string; secret: string }> {
  if (hasPseudonyms(document)) yield { provider: 'usage.client_names', secret: pseudonymKeyName }
}

type RawSecrets = NonNullable<Parameters<typeof secretPlaces>[0]>

/** Undefined if it has another shape than the schema. */
export function secretsSection(document: unknown): RawSecrets | undefined {
  const { dir = null, identity } = membersOf(membersOf(document)['secrets'])
  const { credential, file = null } = membersOf(identity)
  const isPath = (value: unknown) => value === null || (typeof value === 'string' && /^(\/|~\/)/.test(value))
  const isName =
    credential === undefined || (typeof credential === 'string' && /^\w[\w.-]*$/.test(credential))
  if (!isPath(dir) || !isPath(file) || !isName) return undefined
  return { dir, identity: { ...(credential !== undefined && { credential }), file } } as RawSecrets
}

function installedConfig(paths: ServicePaths): string | undefined {
  try {
    return configOf(readFileSync(unitFile(paths, serviceUnit), 'utf8'))
  } catch {
    return undefined
  }
}

/** Reads a stored secret, still encrypted. */
export function bytesReader({ accounts }: SecretSetting): ReadBytes {
  return (path) => readTrustedBytes(path, { maxBytes: maxAgeFileBytes, isSecret: false }, accounts)
}

/** @returns undefined, with the reason on standard error, if the file is at fault; empty if there is none. */
export async function recipientsOf(setting: SecretSetting): Promise<readonly Recipient[] | undefined> {
  const { io } = setting.parts
  const read = await readRecipients(setting.places.directory, setting.accounts)
  if (read === undefined) return []
  if (read.kind === 'parsed') return read.recipients
  const path = printable(join(setting.places.directory, 'recipients.txt'))
  const hint = `${ownCommand(io.env)} secret recovery writes it anew if it is removed`
  new Output(io.stderr, io.env).line(`${path} ${read.message} (${hint}).`)
  return undefined
}

/**
 * Runs a command that changes something, unless another one does. What cannot be written is reported on standard error.
 * @returns the exit status: that of the command, or 1.
 */
export async function changing(setting: SecretSetting, change: () => Promise<number>): Promise<number> {
  const { io } = setting.parts
  const err = new Output(io.stderr, io.env)
  const { directory } = setting.places
  try {
    makeSecretDirectory(directory, setting.access)
    const held = holdLock(join(directory, '.lock'))
    if (held.kind === 'taken') {
      err.line(`Another command (pid ${held.pid}) changes ${printable(directory)}; nothing was changed.`)
      return 1
    }
    try {
      return await change()
    } finally {
      if (held.kind === 'held') held.lock.release()
    }
  } catch (error) {
    // Of a rename, the file that was to be replaced.
    const { code, path, dest, syscall } = error as NodeJS.ErrnoException & { readonly dest?: string }
    const reason = code === undefined ? undefined : reasons[code]
    if (reason === undefined || syscall === undefined) throw error
    err.line(`Cannot write ${printable(dest ?? path ?? directory)}: ${reason}.`)
    return 1
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EDQUOT: 'the disk quota is exhausted',
  EISDIR: 'a directory is in its place; remove it',
  ENOSPC: 'the disk is full',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ERR_FS_EISDIR: 'a directory is in its place; remove it',
}

/** How a service comes to have a new identity: it receives its credentials when it starts. */
export function restartHint({ parts: { io, paths } }: SecretSetting): string {
  const scope = paths.scope === 'system' ? ' --system' : ''
  return `To pass the new identity to the service, run: ${ownCommand(io.env)} systemd restart${scope}`
}

/** How a running gateway comes to use another URL of the store that machines share: it connects when it starts. */
export function storeHint({ isOfService, parts: { io, paths } }: SecretSetting): string {
  const scope = paths.scope === 'system' ? ' --system' : ''
  return isOfService
    ? `The gateway reads the URL of rate_limit_settings.store when it starts. To use it, run: ${ownCommand(io.env)} systemd restart${scope}`
    : 'The gateway reads the URL of rate_limit_settings.store when it starts: restart it.'
}

/** How a running gateway comes to use what has changed. */
export function reloadHint({ isOfService, isWatched, parts: { paths } }: SecretSetting): string {
  if (isWatched) return 'A running gateway uses it within a few seconds (server.watch_config).'
  return isOfService
    ? `To use it, run: ${paths.systemctl} reload llm-gateway`
    : 'A running gateway uses it from its next reload on (SIGHUP).'
}
