// What commands add to the audit log: through the gateway that writes it, else themselves while none does.
import { statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { AuditLog } from '../observe/audit/audit-log.ts'
import { auditEventOf, type CommandEvent } from '../observe/audit/command-events.ts'
import { AuditNames } from '../observe/audit/names.ts'
import { printable } from '../platform/printable.ts'
import { reasonOf } from '../platform/thrown.ts'
import { namesHere, openAuditKeyHere, recordedName } from './record-keys.ts'
import type { AuditPlace } from './audit-place.ts'
import { chosenPaths } from './chosen-paths.ts'
import { askControl } from './control-client.ts'
import { type CommandIo, Output } from './output.ts'
import { stateDirectoryOf } from './state-directory.ts'

export type Recorded =
  | { readonly kind: 'recorded' }
  | { readonly kind: 'off' }
  /** The reason is for people. */
  | { readonly kind: 'failed'; readonly reason: string }

export type ReportedEvent = Omit<CommandEvent, 'actor' | 'outcome'> & Partial<Pick<CommandEvent, 'outcome'>>

/**
 * @param isRequired the command does nothing without the record; else the gateway may write it later.
 */
export async function recordInAudit(
  { name, outcome = 'success', client, attributes }: ReportedEvent,
  place: AuditPlace,
  isRequired: boolean,
): Promise<Recorded> {
  const actor = `user:${userInfo().username}`
  const event = { name, outcome, actor, ...(client !== undefined && { client }), attributes }
  const { env, configFile, isAudited } = place
  const answer = await askControl(env, 'POST /-/audit/append', configFile, { ...event, required: isRequired })
  if (answer.kind === 'failed') return failed(answer.message)
  if (answer.kind === 'answered' && answer.body['recorded'] === true) return { kind: 'recorded' }
  return isAudited ? recordAlone(event, place) : { kind: 'off' }
}

function failed(reason: string): Recorded {
  return { kind: 'failed', reason }
}

/** No gateway writes it, or one that was started before the configuration had the log. */
async function recordAlone(event: CommandEvent, { env, configFile, paths }: AuditPlace): Promise<Recorded> {
  const scope = paths ?? chosenPaths({}, env)
  const directory = stateDirectoryOf(undefined, scope, env)?.path
  if (directory === undefined) return failed('there is no state directory: set STATE_DIRECTORY or HOME')
  const opened = await openAuditKeyHere(env, scope, configFile)
  if (opened.kind === 'refused') return failed(opened.message)
  const key = opened.kind === 'opened' ? opened.key : undefined
  const recordedAs = await namesHere({ env, paths: scope, configFile })
  if (recordedAs.kind === 'refused' && recordedAs.isStored) return failed(recordedAs.message)
  // Before the key is stored, which is recorded too, nobody has a pseudonym.
  const nameOf = (id: string) => recordedName(recordedAs, id) ?? 'unnamed'
  try {
    return await asOwnerOf(directory, () => append(event, { directory, key, nameOf }))
  } catch (error) {
    return failed(reasonOf(error))
  }
}

interface LogHere {
  readonly directory: string
  readonly key: Buffer | undefined
  /** How a client or user is named in the log. */
  readonly nameOf: (id: string) => string
}

async function append(event: CommandEvent, { directory, key, nameOf }: LogHere): Promise<Recorded> {
  let names: AuditNames | undefined
  const log = await AuditLog.open({
    directory,
    key,
    wallNow: () => Date.now(),
    prepare: async () => names?.save(),
    onFault: () => {},
  })
  if (!(log instanceof AuditLog))
    return failed(
      `process ${log.pid} writes it, and takes no events at a control socket of this configuration`,
    )
  try {
    const read = AuditNames.read(directory, Date.now())
    if ('fault' in read) return failed(read.fault)
    names = read
    await log.addAndWait(auditEventOf(event, (id) => read.numberOf(nameOf(id))))
    return { kind: 'recorded' }
  } finally {
    await log.close()
  }
}

/** Runs `work` as the owner of a directory: root's files would be unreadable for the gateway's user. */
export async function asOwnerOf<Result>(directory: string, work: () => Promise<Result>): Promise<Result> {
  const { uid, gid } = statSync(directory, { throwIfNoEntry: false }) ?? { uid: 0, gid: 0 }
  if (process.geteuid?.() !== 0 || uid === 0) return work()
  process.setegid?.(gid)
  process.seteuid?.(uid)
  try {
    return await work()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
}

/** Records what is done already. A failure is reported on standard error, and changes nothing. */
export async function recordAfterwards(
  io: CommandIo,
  event: ReportedEvent,
  place: AuditPlace,
): Promise<void> {
  const recorded = await recordInAudit(event, place, false)
  if (recorded.kind !== 'failed') return
  const message = `warning: it is not in the audit log: ${printable(recorded.reason)}`
  new Output(io.stderr, io.env).line(message)
}

/** Why a command that needs a record does nothing. */
export function notRecorded(reason: string): string {
  return `the audit log cannot be written (${reason}); nothing was changed`
}
