// `llm-gateway machines`: who shares limits with the running gateway.
import { isObject } from '../bytes/json/parse.ts'
import { printable } from '../platform/printable.ts'
import type { SharedStoreReport } from '../status/shared-store.ts'
import { machineCells, machineHeads, storeNotes, storeText } from '../status/shared-store-text.ts'
import { askControl, problemOf } from './control-client.ts'
import { type CommandIo, counted, Output } from './output.ts'
import { printTable } from './table.ts'

interface MachinesOptions {
  /** Asks only the gateway that was started with this file. */
  readonly config: string | undefined
}

/** @returns the exit status: 0, or 1 when no gateway answers, or one that shares nothing. */
export async function machinesListCommand(
  io: CommandIo,
  { config, json }: MachinesOptions & { readonly json: boolean },
): Promise<number> {
  const answer = await askControl(io.env, 'GET /-/machines', config)
  if (answer.kind !== 'answered') return fail(io, problemOf(answer))
  const { body } = answer
  if (!isObject(body) || !Array.isArray(body['machines']))
    return fail(io, 'the gateway is of another version; restart it')
  const out = new Output(io.stdout, io.env)
  if (json) {
    out.json(body)
    return 0
  }
  const report = body as unknown as SharedStoreReport
  const nowMs = Date.now()
  const rows = report.machines.map((machine) => machineCells(machine, nowMs).map((cell) => printable(cell)))
  if (rows.length > 0) {
    printTable(out, { head: machineHeads, rows })
    out.line()
  }
  out.line(printable(storeText(report)))
  for (const text of storeNotes(report)) out.line(printable(text))
  return 0
}

/** @returns the exit status: 0, or 1 when it was not forgotten. */
export async function machinesForgetCommand(
  io: CommandIo,
  name: string,
  { config }: MachinesOptions,
): Promise<number> {
  const answer = await askControl(io.env, 'POST /-/machines/forget', config, { name })
  if (answer.kind !== 'answered') return fail(io, problemOf(answer))
  const budgets = Number(answer.body['budgets'])
  const what =
    budgets === 0
      ? 'it held nothing of budgets'
      : `what it held of ${counted(budgets, 'budget')} is free again`
  new Output(io.stdout, io.env).line(printable(`${String(answer.body['name'])} is forgotten: ${what}`))
  return 0
}

function fail(io: CommandIo, problem: string): number {
  new Output(io.stderr, io.env).line(`error: ${problem}`)
  return 1
}
