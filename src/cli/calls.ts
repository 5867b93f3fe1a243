// `llm-gateway calls`: shows the calls under way in a running gateway, and ends them.
import { userInfo } from 'node:os'
import { printable } from '../platform/printable.ts'
import { askControl, type ControlAnswer, problemOf } from './control-client.ts'
import { type CommandIo, counted, Output } from './output.ts'
import {
  callCells,
  callsHead,
  callsNumbersFrom,
  readCalls,
  shortIds,
  type ShownCall,
} from './running-calls.ts'
import { printTable } from './table.ts'

interface CallsOptions {
  /** Asks only the gateway that was started with this file. */
  readonly config: string | undefined
  readonly json: boolean
}

/** @returns the exit status: 0, or 1 when no gateway answers. */
export async function callsListCommand(io: CommandIo, { config, json }: CallsOptions): Promise<number> {
  const answer = await askControl(io.env, 'GET /-/calls', config)
  if (answer.kind !== 'answered') return fail(io, answer)
  const out = new Output(io.stdout, io.env)
  if (json) out.json(answer.body)
  else printCalls(out, readCalls(answer.body['calls']))
  return 0
}

/**
 * @param wanted ids of calls, or their beginnings.
 * @returns the exit status: 0, or 1 when one of them could not be cancelled; the others are.
 */
export async function callsCancelCommand(
  io: CommandIo,
  wanted: readonly string[],
  { config, json }: CallsOptions,
): Promise<number> {
  const answer = await askControl(io.env, 'GET /-/calls', config)
  if (answer.kind !== 'answered') return fail(io, answer)
  const calls = readCalls(answer.body['calls'])
  const cancelled: string[] = []
  const problems: string[] = []
  for (const text of new Set(wanted)) {
    const found = findCall(text, calls)
    if ('problem' in found) {
      problems.push(found.problem)
      continue
    }
    const ended = await cancelCall(io.env, found.id, config)
    if (ended.kind !== 'cancelled') problems.push(ended.problem)
    else cancelled.push(found.id)
  }
  const out = new Output(io.stdout, io.env)
  if (json) out.json({ cancelled, problems })
  else for (const id of cancelled) out.line(`cancelled ${id}`)
  if (problems.length === 0) return 0
  const errors = new Output(io.stderr, io.env)
  for (const problem of problems) errors.line(`error: ${problem}`)
  if (!json && cancelled.length === 0) printCalls(errors, calls)
  return 1
}

type Cancelled = { readonly kind: 'cancelled' } | { readonly kind: 'failed'; readonly problem: string }

/** @param id the whole id. The problem is printable. */
export async function cancelCall(
  env: NodeJS.ProcessEnv,
  id: string,
  config: string | undefined,
): Promise<Cancelled> {
  const actor = `user:${userInfo().username}`
  const answer = await askControl(env, 'POST /-/calls/cancel', config, { id, actor })
  if (answer.kind !== 'answered') return { kind: 'failed', problem: problemOf(answer) }
  if (answer.body['cancelled'] === true) return { kind: 'cancelled' }
  return { kind: 'failed', problem: `the call ${printable(id)} has ended already` }
}

type Found = { readonly id: string } | { readonly problem: string }

function findCall(text: string, calls: readonly ShownCall[]): Found {
  const ids = [...new Set(calls.map(({ id }) => id))]
  if (ids.includes(text)) return { id: text }
  const begun = text === '' ? [] : ids.filter((id) => id.startsWith(text))
  const [only] = begun
  const shown = JSON.stringify(printable(text))
  if (only === undefined) return { problem: `no call under way has an id that begins with ${shown}` }
  if (begun.length === 1) return { id: only }
  return { problem: `${shown} is the beginning of ${counted(begun.length, 'id')}: ${begun.join(', ')}` }
}

function fail(io: CommandIo, answer: Exclude<ControlAnswer, { kind: 'answered' }>): number {
  new Output(io.stderr, io.env).line(`error: ${problemOf(answer)}`)
  return 1
}

function printCalls(out: Output, calls: readonly ShownCall[]): void {
  if (calls.length === 0) return out.line('No call is under way.')
  const ids = shortIds(calls.map(({ id }) => id))
  const rows = calls.map((call, index) => callCells(call, ids[index]!))
  printTable(out, { head: callsHead, rows, numbersFrom: callsNumbersFrom })
}
