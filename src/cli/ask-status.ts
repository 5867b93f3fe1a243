// Asks the running gateway for the report of its status page.
import type { StatusReport } from '../status/status-report.ts'
import { askControl, problemOf } from './control-client.ts'
import { type CommandIo, Output } from './output.ts'

export interface StatusOptions {
  /** Asks only the gateway that was started with this file. */
  readonly config: string | undefined
  readonly json: boolean
}

/** @returns undefined after it has written what is wrong: no gateway answers, or one of another version. */
export async function askStatus(
  io: CommandIo,
  config: string | undefined,
): Promise<StatusReport | undefined> {
  const answer = await askControl(io.env, 'GET /-/status', config)
  if (answer.kind === 'answered' && isReport(answer.body)) return answer.body
  const problem =
    answer.kind === 'answered' ? 'the gateway is of another version; restart it' : problemOf(answer)
  new Output(io.stderr, io.env).line(`error: ${problem}`)
  return undefined
}

const lists = ['attention', 'calls', 'providers', 'limits', 'budgets', 'recent', 'failures'] as const

/** Members are added from version to version, and never removed. */
function isReport(body: object): body is StatusReport {
  const report = body as Partial<StatusReport>
  return typeof report.now === 'string' && lists.every((name) => Array.isArray(report[name]))
}
