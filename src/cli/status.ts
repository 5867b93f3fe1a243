// `llm-gateway status`: what the running gateway does, as its status page shows it.
import { printable } from '../platform/printable.ts'
import type { StatusReport } from '../status/status-report.ts'
import { statusText } from '../status/status-text.ts'
import { askControl, problemOf } from './control-client.ts'
import { type CommandIo, Output } from './output.ts'

interface StatusOptions {
  /** Asks only the gateway that was started with this file. */
  readonly config: string | undefined
  readonly json: boolean
}

/** @returns the exit status: 0, or 1 when no gateway answers. */
export async function statusCommand(io: CommandIo, { config, json }: StatusOptions): Promise<number> {
  const answer = await askControl(io.env, 'GET /-/status', config)
  if (answer.kind !== 'answered') {
    new Output(io.stderr, io.env).line(`error: ${problemOf(answer)}`)
    return 1
  }
  const out = new Output(io.stdout, io.env)
  if (json) {
    out.json(answer.body)
    return 0
  }
  if (!isReport(answer.body)) {
    new Output(io.stderr, io.env).line('error: the gateway is of another version; --json prints its report')
    return 1
  }
  for (const line of statusText(answer.body, Date.parse(answer.body.now))) out.line(printable(line))
  return 0
}

const lists = ['attention', 'calls', 'providers', 'limits', 'budgets', 'recent', 'failures'] as const

/** Members are added from version to version, and never removed. */
function isReport(body: object): body is StatusReport {
  const report = body as Partial<StatusReport>
  return typeof report.now === 'string' && lists.every((name) => Array.isArray(report[name]))
}
