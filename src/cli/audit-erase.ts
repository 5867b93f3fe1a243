// Erases a name in the audit log's list of names: through the gateway that writes it, else under its lock.
import { userInfo } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { findConfigFile } from '../config/find.ts'
import { AuditNames } from '../observe/audit/names.ts'
import { holdLock } from '../platform/process-lock.ts'
import { reasonOf } from '../platform/thrown.ts'
import { asOwnerOf, recordAfterwards } from './audit-record.ts'
import { askControl } from './control-client.ts'
import type { FoundLedger } from './ledger-place.ts'
import type { CommandIo } from './output.ts'

export type ErasedInAudit =
  /** @param as the name that stands in its place. */
  | { readonly kind: 'erased'; readonly as: string }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'failed'; readonly reason: string }

/**
 * @param names of one client: as it is called, then as it is recorded. The gateway itself knows how.
 * @param ledger in the state directory, where the names are too.
 */
export async function eraseInAudit(
  io: CommandIo,
  names: readonly string[],
  { path }: FoundLedger,
): Promise<ErasedInAudit> {
  const client = names[0]!
  const { env } = io
  const directory = resolve(dirname(path))
  const state = await askControl(env, 'GET /-/state', undefined)
  if (state.kind === 'answered' && state.body['state_directory'] === directory) {
    const actor = `user:${userInfo().username}`
    const answer = await askControl(env, 'POST /-/audit/erase', String(state.body['config']), {
      client,
      actor,
    })
    if (answer.kind === 'failed') return { kind: 'failed', reason: answer.message }
    if (answer.kind === 'answered' && answer.body['audited'] === true) {
      const as = answer.body['erased_as']
      return typeof as === 'string' ? { kind: 'erased', as } : { kind: 'unknown' }
    }
  }
  const erased = await asOwnerOf(directory, () => eraseAlone(directory, names))
  if (erased.kind !== 'erased') return erased
  const place = { env, configFile: findConfigFile(undefined, env), isAudited: true }
  await recordAfterwards(io, { name: 'usage.erased', client: erased.as, attributes: {} }, place)
  return erased
}

async function eraseAlone(directory: string, clients: readonly string[]): Promise<ErasedInAudit> {
  const known = AuditNames.read(directory, Date.now())
  if ('fault' in known) return { kind: 'failed', reason: known.fault }
  if (!clients.some((client) => known.has(client))) return { kind: 'unknown' }
  const held = holdLock(join(directory, 'audit.lock'))
  if (held.kind === 'taken')
    return { kind: 'failed', reason: `process ${held.pid} writes the audit log, and does not answer` }
  try {
    // Read anew: it may have changed before the lock was held.
    const names = AuditNames.read(directory, Date.now())
    if ('fault' in names) return { kind: 'failed', reason: names.fault }
    const as = names.erase(...clients)
    await names.save()
    return as === undefined ? { kind: 'unknown' } : { kind: 'erased', as }
  } catch (error) {
    return { kind: 'failed', reason: reasonOf(error) }
  } finally {
    if (held.kind === 'held') held.lock.release()
  }
}
