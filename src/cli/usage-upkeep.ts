// `llm-gateway usage verify`, `repair`, `backup`, `prune` and `erase`.
import { resolve } from 'node:path'
import { findConfigFile } from '../config/find.ts'
import { loadConfig } from '../config/load.ts'
import { holderOf, openReader } from '../ledger/reader.ts'
import { repairLedger } from '../ledger/repair.ts'
import { backUpLedger, eraseClient, pruneLedger } from '../ledger/upkeep.ts'
import { verifyLedger } from '../ledger/verify.ts'
import { printable } from '../platform/printable.ts'
import { reasonOf } from '../platform/thrown.ts'
import { eraseInAudit } from './audit-erase.ts'
import { namesHere, recordedName } from './record-keys.ts'
import { chosenConfig } from './secret-setting.ts'
import { findLedger, type LedgerPlace } from './ledger-place.ts'
import { type CommandIo, counted, Output } from './output.ts'
import { printProblems } from './validate-config.ts'

/** What a command does with the ledger at a path. @returns the exit status; what it throws is reported. */
type Work<Status extends number | Promise<number>> = (path: string, out: Output) => Status

const repairHint = 'run llm-gateway usage repair'

function fail(io: CommandIo, message: string): number {
  new Output(io.stderr, io.env).line(`error: ${printable(message)}`)
  return 1
}

function withLedger(io: CommandIo, place: LedgerPlace, work: Work<number>): number {
  const found = findLedger(place, io.env)
  if (found === undefined) return fail(io, 'there is no state directory; name the ledger with --db FILE')
  const { path, owner } = found
  const opened = openReader(path)
  if (opened.kind === 'absent') return fail(io, `there is no ledger at ${path}, ${owner}`)
  if (opened.kind === 'open') opened.database.close()
  try {
    return work(path, new Output(io.stdout, io.env))
  } catch (error) {
    return fail(io, `${path}: ${reasonOf(error)}`)
  }
}

/** @returns the exit status: 0 for a ledger that is whole, else 1. */
export function verifyCommand(io: CommandIo, place: LedgerPlace): number {
  return withLedger(io, place, (path, out) => {
    const opened = openReader(path)
    if (opened.kind !== 'open') {
      const reason = opened.kind === 'fault' ? opened.reason : 'it is gone'
      return fail(io, `${path} cannot be read: ${reason}; ${repairHint}`)
    }
    try {
      const { damages, wrongSums, wrongCosts, calls, lostRows, cutRuns } = verifyLedger(opened.database)
      for (const damage of damages) out.line(printable(damage))
      if (damages.length > 0) return fail(io, `${path} is damaged; ${repairHint}`)
      out.line(`${path}: whole, ${counted(calls, 'call')}`)
      if (lostRows > 0)
        out.line(`${counted(lostRows, 'row')} lost while nothing could be written; the sums count them`)
      if (cutRuns > 0) out.line(`${counted(cutRuns, 'run')} of the gateway did not end in order`)
      if (wrongCosts > 0)
        fail(
          io,
          `${counted(wrongCosts, 'cost')} ${wrongCosts === 1 ? 'is' : 'are'} not what the tokens of the call cost at its price; a backup may have the row as it was`,
        )
      if (wrongSums === 0) return wrongCosts === 0 ? 0 : 1
      return fail(io, `${counted(wrongSums, 'sum')} differ from their rows; ${repairHint}`)
    } finally {
      opened.database.close()
    }
  })
}

/** @returns the exit status: 0 when the ledger is whole afterwards. */
export function repairCommand(io: CommandIo, place: LedgerPlace, nowMs: number): number {
  return withLedger(io, place, (path, out) => {
    const pid = holderOf(path)
    if (pid !== undefined) return fail(io, `process ${pid} has ${path} open; stop the gateway first`)
    const repaired = repairLedger(path, nowMs)
    switch (repaired.kind) {
      case 'was_whole':
        out.line(`${path} is whole; nothing was changed`)
        return 0
      case 'recounted':
        out.line(`${counted(repaired.sums, 'sum')} made anew of the rows`)
        return 0
      case 'rescued':
        out.line(`${path} was damaged: ${printable(repaired.reason)}`)
        out.line(
          `${counted(repaired.calls, 'call')} could be read${repaired.unread > 0 ? '; some could not' : ''}`,
        )
        out.line(`the damaged file is now ${printable(repaired.file)}`)
        return 0
      case 'unusable':
        return fail(io, repaired.reason)
      default:
        return repaired satisfies never
    }
  })
}

/** @returns the exit status. */
export async function backupCommand(io: CommandIo, place: LedgerPlace, file: string): Promise<number> {
  const found = findLedger(place, io.env)
  const opened = found === undefined ? undefined : openReader(found.path)
  if (opened?.kind !== 'open') {
    const reason = opened?.kind === 'fault' ? opened.reason : 'there is none'
    return fail(io, `the ledger${found === undefined ? '' : ` ${found.path}`} cannot be read: ${reason}`)
  }
  try {
    await backUpLedger(opened.database, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      return fail(io, `${file} exists already; choose another name`)
    return fail(io, `${file} cannot be written: ${reasonOf(error)}`)
  } finally {
    opened.database.close()
  }
  new Output(io.stdout, io.env).line(`${printable(file)} is a copy of ${printable(found!.path)}`)
  return 0
}

export interface PruneOptions {
  readonly config?: string
  readonly calls?: number
  readonly hours?: number
}

/** @returns the exit status. */
export function pruneCommand(
  io: CommandIo,
  place: LedgerPlace,
  { config, calls, hours }: PruneOptions,
  nowMs: number,
): number {
  const loaded = loadConfig(findConfigFile(config, io.env), { env: io.env, withoutSecrets: true })
  if (!loaded.ok && (calls === undefined || hours === undefined)) {
    printProblems(io, loaded.problems, loaded.lines)
    return 1
  }
  const usage = loaded.ok ? loaded.config.usage : undefined
  return withLedger(io, place, (path, out) => {
    const pruned = pruneLedger(path, {
      keepCallsDays: calls ?? usage!.keepCallsDays,
      keepHoursDays: hours ?? usage!.keepHoursDays,
      nowMs,
    })
    if (pruned.kind === 'unusable') return fail(io, pruned.reason)
    out.line(`removed ${counted(pruned.calls, 'row')} of calls and ${counted(pruned.sums, 'sum')}`)
    return 0
  })
}

/**
 * Erases the name in the ledger, and in the names of the audit log beside it unless the command line names a ledger.
 * @returns the exit status: 1 also for a client that neither has.
 */
export async function eraseCommand(
  io: CommandIo,
  place: LedgerPlace,
  client: string,
  nowMs: number,
): Promise<number> {
  const found = place.file === undefined ? findLedger(place, io.env) : undefined
  const recordedAs = await namesHere({
    env: io.env,
    paths: place.paths,
    configFile: resolve(chosenConfig({ io, paths: place.paths, config: undefined })),
  })
  if (recordedAs.kind === 'refused')
    return fail(io, `nothing was erased: clients have pseudonyms, and ${recordedAs.message}`)
  const pseudonym = recordedName(recordedAs, client)
  // It may have been recorded before there were pseudonyms.
  const names = pseudonym === undefined || pseudonym === client ? [client] : [client, pseudonym]
  const inAudit = found === undefined ? undefined : await eraseInAudit(io, names, found)
  const out = new Output(io.stdout, io.env)
  if (inAudit?.kind === 'erased') out.line(`${printable(client)} is now ${inAudit.as} in the audit log`)
  const isInAudit = inAudit?.kind === 'erased'
  // Calls need not have been recorded where there is an audit log.
  if (isInAudit && openReader(found!.path).kind === 'absent') return 0
  const status = withLedger(io, place, (path) => {
    const erased = eraseClient(path, names, nowMs)
    if (erased.kind === 'unusable') return fail(io, erased.reason)
    if (erased.kind === 'unknown' && isInAudit) return 0
    if (erased.kind === 'unknown') return fail(io, `the ledger has no client ${JSON.stringify(client)}`)
    out.line(
      `${printable(client)} is now ${erased.as.join(', ')} in all rows; the log and backups may still have the name`,
    )
    return 0
  })
  if (inAudit?.kind !== 'failed') return status
  return fail(io, `the audit log still has the name: ${inAudit.reason}`)
}
