// `llm-gateway secret recovery`: makes a new recovery identity in place of the previous one. Meanwhile every secret opens
// with the identity of this machine.
import { generateIdentity, recipientOf } from '../vault/age.ts'
import { type Recipient, recipientIn, withRecipient } from '../vault/recipients.ts'
import { examineSecrets } from '../vault/reseal.ts'
import { printable } from '../platform/printable.ts'
import { recordAfterwards } from './audit-record.ts'
import { findSource } from './identity-source.ts'
import { Output } from './output.ts'
import { resealFor } from './secret-rotate.ts'
import { printRecovery } from './secret-set.ts'
import {
  bytesReader,
  changing,
  findSetting,
  recipientsOf,
  type SecretParts,
  type SecretSetting,
} from './secret-setting.ts'

/** @returns the exit status: 0 when all secrets open with the identity that was printed. */
export async function secretRecoveryCommand(parts: SecretParts): Promise<number> {
  const setting = findSetting(parts)
  if (setting === undefined) return 1
  return changing(setting, async () => {
    const status = await replaceRecovery(setting)
    const event = { name: 'secret.recovery_replaced', attributes: {} } as const
    if (status === 0) await recordAfterwards(parts.io, event, setting.audit)
    return status
  })
}

async function replaceRecovery(setting: SecretSetting): Promise<number> {
  const { io } = setting.parts
  const [out, err] = [new Output(io.stdout, io.env), new Output(io.stderr, io.env)]
  const known = await recipientsOf(setting)
  if (known === undefined) return 1
  const found = await findSource(setting)
  if (found.kind !== 'found') {
    err.line(found.message)
    return 1
  }
  const { identities, name } = found.source
  const own =
    identities.find(({ recipient }) => recipient === recipientIn(known, 'identity')) ?? identities[0]!
  if (known.length > 0 && recipientIn(known, 'identity') !== own.recipient) {
    err.line(`The ${printable(name)} (${own.recipient}) is not the one that secrets are encrypted for.`)
    err.line(`wanted: ${recipientIn(known, 'identity') ?? 'none'}`)
    return 1
  }
  const opening = identities.map(({ key }) => key)
  const examined = await examineSecrets(setting.places.directory, opening, bytesReader(setting))
  const bad = examined.filter(({ fault }) => fault !== undefined)
  for (const { name: secret, fault } of bad) err.line(printable(`${secret}  unreadable: it ${fault}`))
  if (bad.length > 0) {
    err.line('Set these again, or remove them, and repeat the command; nothing was changed.')
    return 1
  }
  const recovery = await generateIdentity()
  printRecovery(out, recovery)
  const identity: Recipient = { recipient: own.recipient, role: 'identity' }
  const recipients = withRecipient(
    known.length === 0 ? [identity] : known,
    'recovery',
    (await recipientOf(recovery))!,
  )
  const openers = [own.key, recovery]
  if (!(await resealFor(setting, recipients, { opening, openers }))) {
    err.line('Until the command succeeds, keep the previous recovery identity as well.')
    return 1
  }
  out.line('The previous recovery identity no longer opens these secrets.')
  return 0
}
