// `llm-gateway usage repair --accept-loss`: nobody knows what was spent of budgets, and the operator lets them begin with
// what can be read of the ledger, or at 0.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beginBudgets, budgetsFileNames, hasReadableCopy } from '../admission/budgets-file.ts'
import { acceptSpend } from '../ledger/repair.ts'
import { findConfigFile } from '../config/find.ts'
import { readPartialConfig } from '../config/partial-config.ts'
import { lockHolder } from '../platform/process-lock.ts'
import { printable } from '../platform/printable.ts'
import { reasonOf } from '../platform/thrown.ts'
import { recordAfterwards } from './audit-record.ts'
import { findLedger, type LedgerPlace } from './ledger-place.ts'
import { type CommandIo, Output } from './output.ts'
import { repairCommand } from './usage-upkeep.ts'

/** @returns the exit status: 0 when the gateway can be started with budgets. */
export async function acceptLossCommand(io: CommandIo, place: LedgerPlace, nowMs: number): Promise<number> {
  const fail = (message: string) => {
    new Output(io.stderr, io.env).line(`error: ${printable(message)}`)
    return 1
  }
  const found = findLedger(place, io.env)
  if (found === undefined) return fail('there is no state directory; name the ledger with --db FILE')
  const { path } = found
  const directory = dirname(path)
  const pid = lockHolder(join(directory, budgetsFileNames.lock))
  if (pid !== undefined) return fail(`process ${pid} counts the budgets there; stop the gateway first`)
  const hasLedger = existsSync(path)
  if (hasLedger) {
    const status = repairCommand(io, place, nowMs)
    if (status !== 0) return status
  }
  const out = new Output(io.stdout, io.env)
  try {
    if (await hasReadableCopy(directory)) {
      out.line(`what was spent of budgets is known from ${printable(directory)}; nothing was changed`)
      return 0
    }
    const accepted = hasLedger ? acceptSpend(path, nowMs) : undefined
    if (accepted?.kind === 'unusable') return fail(accepted.reason)
    if (accepted?.kind === 'known') {
      out.line('what was spent of budgets is known from the ledger; nothing was changed')
      return 0
    }
    await beginBudgets(directory)
    if (place.file === undefined) await record(io, place)
    out.line(accepted === undefined ? 'budgets begin at 0' : 'budgets begin with what the ledger has of them')
    return 0
  } catch (error) {
    return fail(reasonOf(error))
  }
}

async function record(io: CommandIo, { paths }: LedgerPlace): Promise<void> {
  const { env } = io
  const configFile = findConfigFile(undefined, env)
  const read = readPartialConfig(configFile, env)
  const isAudited = read.kind !== 'unreadable' && read.config.isAudited
  await recordAfterwards(
    io,
    { name: 'usage.loss_accepted', attributes: {} },
    { env, configFile, paths, isAudited },
  )
}
