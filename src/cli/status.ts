// `llm-gateway status`: what the running gateway does, as its status page shows it.
import { printable } from '../platform/printable.ts'
import { statusText } from '../status/status-text.ts'
import { askStatus, type StatusOptions } from './ask-status.ts'
import { type CommandIo, Output } from './output.ts'

/** @returns the exit status: 0, or 1 when no gateway answers. */
export async function statusCommand(io: CommandIo, { config, json }: StatusOptions): Promise<number> {
  const report = await askStatus(io, config)
  if (report === undefined) return 1
  const out = new Output(io.stdout, io.env)
  if (json) out.json(report)
  else for (const line of statusText(report, Date.parse(report.now))) out.line(printable(line))
  return 0
}
