// `llm-gateway secret rotate-identity`: another identity for this machine. The new one is added, every secret is encrypted for
// it and opened with it alone, and then the old one is removed. Wherever that is interrupted, every secret opens with what
// is there, and repeating the command completes it.
import { join } from 'node:path'
import { printable } from '../platform/printable.ts'
import { replaceFile } from '../platform/replace-file.ts'
import { serviceUnit } from '../systemd/scope.ts'
import { readUnitState } from '../systemd/unit-state.ts'
import { generateIdentity, recipientOf } from '../vault/age.ts'
import type { Identity } from '../vault/identities.ts'
import {
  type Recipient,
  recipientIn,
  recipientsFile,
  renderRecipients,
  withRecipient,
} from '../vault/recipients.ts'
import { examineSecrets, resealAll } from '../vault/reseal.ts'
import { recordAfterwards } from './audit-record.ts'
import { findSource, type IdentitySource, kindOfNewSource, storeIdentities } from './identity-source.ts'
import { ownCommand } from './invocation.ts'
import { counted, Output } from './output.ts'
import { readRecovery } from './secret-list.ts'
import {
  bytesReader,
  changing,
  findSetting,
  recipientsOf,
  restartHint,
  type SecretParts,
  type SecretSetting,
} from './secret-setting.ts'
import { systemdRestartCommand } from './systemd-restart.ts'

/**
 * @param options `isFromRecovery`: the recovery identity, read as a key is, opens the secrets: for a new machine, and after
 *   the loss of the identity.
 * @returns the exit status: 0 when all secrets open with the new identity, and no longer with the old one.
 */
export async function secretRotateCommand(
  parts: SecretParts,
  { isFromRecovery }: { readonly isFromRecovery: boolean },
): Promise<number> {
  const setting = findSetting(parts)
  if (setting === undefined) return 1
  const recovery = isFromRecovery ? await readRecovery(parts) : undefined
  if (isFromRecovery && recovery === undefined) return 1
  return changing(setting, async () => {
    const status = await rotate(setting, recovery?.identities[0])
    const event = { name: 'secret.identity_rotated', attributes: {} } as const
    if (status === 0) await recordAfterwards(parts.io, event, setting.audit)
    return status
  })
}

async function rotate(
  setting: SecretSetting,
  recovery: { readonly key: string; readonly recipient: string } | undefined,
): Promise<number> {
  const { io } = setting.parts
  const [out, err] = [new Output(io.stdout, io.env), new Output(io.stderr, io.env)]
  const known = await recipientsOf(setting)
  if (known === undefined) return 1
  if (known.length === 0 && recovery === undefined) {
    const file = printable(join(setting.places.directory, recipientsFile))
    err.line(`${file} is missing; ${ownCommand(io.env)} secret recovery writes it.`)
    return 1
  }
  const recipients =
    known.length > 0 || recovery === undefined ? known : withRecipient([], 'recovery', recovery.recipient)
  const source = await sourceOf(setting, recovery !== undefined)
  if (source === undefined) return 1
  const before = source.identities
  const opening = [...before.map(({ key }) => key), ...(recovery === undefined ? [] : [recovery.key])]
  if (!(await doAllOpen(setting, opening))) return 1

  const { identities, added } = await withNewIdentity(before, recipientIn(recipients, 'identity'))
  const where = storeIdentities(setting, source.kind, identities)
  out.line(`Added a new identity: ${printable(where)}.`)
  if (!(await isInUse(setting, source, recovery !== undefined))) {
    err.line('The service does not use the new identity yet. No secret has changed; repeat the command.')
    return 1
  }

  const next = withRecipient(recipients, 'identity', added.recipient)
  if (!(await resealFor(setting, next, { opening: [...opening, added.key], openers: [added.key] }))) return 1

  const kept = identities.filter(({ role }) => role !== 'old')
  storeIdentities(
    setting,
    source.kind,
    kept.map((identity) => ({ ...identity, role: 'kept' })),
  )
  const removed = identities.filter(({ role }) => role === 'old').map(({ recipient }) => recipient)
  if (removed.length > 0) out.line(`Removed the old identity ${removed.join(', ')}.`)
  if (recovery !== undefined && source.kind === 'credential') out.line(restartHint(setting))
  return 0
}

/** Where the identity is, or is to be if a recovery identity stands in for it. */
async function sourceOf(setting: SecretSetting, mayBeAbsent: boolean): Promise<IdentitySource | undefined> {
  const { io } = setting.parts
  const err = new Output(io.stderr, io.env)
  const found = await findSource(setting)
  if (found.kind === 'found') return found.source
  if (mayBeAbsent && found.kind !== 'refused') {
    // A credential that the machine cannot decrypt any more is in the way of nothing; a file may be another program's.
    const kind = found.kind === 'unusable' ? 'credential' : kindOfNewSource(setting)
    if (kind !== undefined) return { kind, name: 'new identity', identities: [] }
  }
  err.line(found.message)
  if (found.kind !== 'refused') err.line('With the recovery identity: secret rotate-identity --from-recovery')
  return undefined
}

/** Secrets that no identity opens would be lost for good with the old identity. */
async function doAllOpen(setting: SecretSetting, identities: readonly string[]): Promise<boolean> {
  const { io } = setting.parts
  const err = new Output(io.stderr, io.env)
  const examined = await examineSecrets(setting.places.directory, identities, bytesReader(setting))
  const bad = examined.filter(({ fault }) => fault !== undefined)
  for (const { name, fault } of bad) err.line(printable(`${name}  unreadable: it ${fault}`))
  if (bad.length > 0)
    err.line('Set these again, or remove them, and repeat the command; nothing was changed.')
  return bad.length === 0
}

/**
 * The identities with a new one before them, or as they are if an interrupted command has added one.
 * @param current what the recipients name: the one to be replaced.
 */
async function withNewIdentity(
  before: readonly Identity[],
  current: string | undefined,
): Promise<{ identities: readonly Identity[]; added: Identity }> {
  const begun = before.find(({ role }) => role === 'new')
  if (begun !== undefined) return { identities: before, added: begun }
  const key = await generateIdentity()
  const added: Identity = { key, recipient: (await recipientOf(key))!, role: 'new' }
  const others = before.map((identity): Identity =>
    identity.recipient === current ? { ...identity, role: 'old' } : identity,
  )
  return { identities: [added, ...others], added }
}

/** A service receives its credentials when it starts: before secrets need the new one, it must have it. */
async function isInUse(
  setting: SecretSetting,
  source: IdentitySource,
  isFromRecovery: boolean,
): Promise<boolean> {
  const { io, paths, run } = setting.parts
  // With neither identity the service would not start again before the secrets are encrypted anew.
  if (source.kind === 'file' || isFromRecovery) return true
  const { ActiveState: state } = readUnitState(serviceUnit, ['ActiveState'], paths.scope, run)
  if (state !== 'active') return true
  return (await systemdRestartCommand(io, paths, run)) === 0
}

/** Encrypts everything for these recipients, present and future. */
export async function resealFor(
  setting: SecretSetting,
  recipients: readonly Recipient[],
  { opening, openers }: { readonly opening: readonly string[]; readonly openers: readonly string[] },
): Promise<boolean> {
  const { places, access, parts } = setting
  const { io } = parts
  const file = join(places.directory, recipientsFile)
  replaceFile(file, renderRecipients(recipients), { mode: access.file })
  const result = await resealAll({
    directory: places.directory,
    mode: access.file,
    identities: opening,
    recipients: recipients.map(({ recipient }) => recipient),
    openers,
    read: bytesReader(setting),
  })
  if (result.kind === 'stopped') {
    const message = `${result.name} ${result.message}. All secrets open as before; repeat the command.`
    new Output(io.stderr, io.env).line(printable(message))
    return false
  }
  new Output(io.stdout, io.env).line(`Encrypted ${counted(result.count, 'secret')} anew, and opened each.`)
  return true
}
