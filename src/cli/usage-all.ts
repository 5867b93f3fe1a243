// `llm-gateway usage --all`: what calls used and cost on all machines that share limits. The running gateway asks the others.
import type { MachineUsageJson, UsageOfAllJson } from '../app/machines/usage-command.ts'
import { isObject } from '../bytes/json/parse.ts'
import { readQuestion } from '../ledger/question.ts'
import type { MergedDimension } from '../ledger/report.ts'
import { printable } from '../platform/printable.ts'
import { ownTimeZone } from '../platform/time-zone.ts'
import { askControl, problemOf } from './control-client.ts'
import { type CommandIo, counted, Output } from './output.ts'
import { printCsv, printReport } from './usage-print.ts'
import type { UsageOptions } from './usage.ts'

/** The gateway waits 5 s for the others, and reads its own ledger. */
const waitMs = 20_000
/** The sum lacks what a machine has recorded. */
const incompleteStatus = 3

/**
 * @param file a ledger that was named, which no running gateway has to have.
 * @returns the exit status: 0; 1 when no gateway answers; 2 for a question that has no answer; 3 when a machine that is there has not
 * answered, or two have the same ledger.
 */
export async function usageOfAllCommand(
  io: CommandIo,
  { written, client, format, nowMs }: UsageOptions,
  file: string | undefined,
): Promise<number> {
  const errors = new Output(io.stderr, io.env)
  const fail = (message: string, status = 1) => {
    errors.line(`error: ${printable(message)}`)
    return status
  }
  if (file !== undefined) return fail('use either --all or --db: the gateways read their own ledgers', 2)
  const names = (written.by ?? '').split(',')
  const own = names.filter((name) => name !== 'machine').join(',')
  const read = readQuestion({ ...written, by: own }, { nowMs, defaultZone: ownTimeZone() })
  if (read.kind === 'fault') return fail(`--${read.param}: ${read.message}`, 2)
  const by = [...new Set(names)].filter((name) => name !== '') as MergedDimension[]
  const { sinceMs, untilMs, zone } = read.question
  const question = { by: read.question.by, since_ms: sinceMs, until_ms: untilMs, zone, client }
  const answer = await askControl(io.env, 'POST /-/usage', undefined, { question, by }, waitMs)
  if (answer.kind !== 'answered') return fail(problemOf(answer))
  if (!isObject(answer.body) || !Array.isArray(answer.body['machines']))
    return fail('the gateway is of another version; restart it')
  const found = answer.body as unknown as UsageOfAllJson
  const report = {
    rows: found.data,
    total: found.total,
    isCut: found.is_cut === true,
    zone: found.zone,
    sinceMs: Date.parse(found.since),
    untilMs: Date.parse(found.until),
  }
  const out = new Output(io.stdout, io.env)
  if (format === 'json') out.json(found)
  else if (format === 'csv') printCsv(io, by, report)
  else {
    printReport(out, by, report)
    const summed = found.machines.filter(({ state }) => state === 'counted')
    out.line(
      `of ${counted(summed.length, 'machine')}: ${summed.map(({ name }) => printable(name)).join(', ')}`,
    )
  }
  const notes = found.machines.flatMap((machine) => noteOf(machine) ?? [])
  for (const { text, isWarning } of notes)
    errors.line(`${isWarning ? 'warning' : 'note'}: ${printable(text)}`)
  return notes.some(({ isWarning }) => isWarning) ? incompleteStatus : 0
}

/** Why the sum may lack something of a machine. Undefined: it does not. */
function noteOf({
  name,
  state,
  reason,
  last_seen: lastSeen,
}: MachineUsageJson): { readonly text: string; readonly isWarning: boolean } | undefined {
  switch (state) {
    case 'counted':
      return undefined
    case 'silent':
      return { text: `${name} has not answered; what it has recorded is missing`, isWarning: true }
    case 'failed':
      return { text: `${name} has answered that ${reason}; what it has recorded is missing`, isWarning: true }
    case 'same_ledger': {
      const text = `${name} has the ledger of ${reason}, which is counted once: its state directory was copied. Give it a ledger of its own: stop its gateway, and move usage.db and machine away`
      return { text, isWarning: true }
    }
    case 'away':
      return {
        text: `${name} is not there since ${lastSeen}; what it has recorded is missing`,
        isWarning: false,
      }
    default:
      return state satisfies never
  }
}
