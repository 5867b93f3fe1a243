// `llm-gateway services`: the model servers that the running gateway starts, and why one has failed.
import { printable } from '../platform/printable.ts'
import {
  failureText,
  isInJournal,
  serviceCells,
  serviceFacts,
  serviceHeads,
} from '../status/services-text.ts'
import type { ServiceRow } from '../status/status-report.ts'
import type { RunProgram } from '../systemd/programs.ts'
import { type CommandIo, Output } from './output.ts'
import { ownCommand } from './invocation.ts'
import { askServices, findService, none, type RunningServices, starterFaultText } from './running-services.ts'
import { historyJson, printHistory, type ServiceHistory, serviceHistory } from './service-history.ts'
import { journalText, readServiceJournal } from './service-journal.ts'
import { printTable } from './table.ts'

interface ServicesOptions {
  /** Asks only the gateway that was started with this file. */
  readonly config: string | undefined
  readonly json: boolean
  /** Of the journal. Undefined: as many as usual. */
  readonly lines: number | undefined
  readonly run: RunProgram
}

const [usualLines, linesInDetail] = [10, 50]

/**
 * @param name of the only service to print, in detail; undefined: all.
 * @returns the exit status: 0, or 1 when no gateway answers or it has no such service.
 */
export async function servicesListCommand(
  io: CommandIo,
  name: string | undefined,
  options: ServicesOptions,
): Promise<number> {
  const fail = (problem: string) => {
    new Output(io.stderr, io.env).line(printable(`error: ${problem}`))
    return 1
  }
  const asked = await askServices(io.env, options.config)
  if (typeof asked === 'string') return fail(asked)
  const running =
    asked.starterFault === undefined ? asked : { ...asked, services: asked.services.map(asUnknown) }
  const { starterFault, scope } = running
  if (starterFault !== undefined && running.services.length > 0) {
    const text = starterFaultText(starterFault, scope, ownCommand(io.env))
    new Output(io.stderr, io.env).line(printable(`warning: ${text}`))
  }
  if (name === undefined) {
    printAll(io, running, options)
    return 0
  }
  const service = findService(running.services, name)
  if (typeof service === 'string') return fail(service)
  const history = await serviceHistory(io.env, options.config, service.provider)
  printOne(io, service, running, { ...options, history })
  return 0
}

/** One that takes calls does so by its own answers; whether another one runs is not known. */
function asUnknown(row: ServiceRow): ServiceRow {
  return row.state === 'stopped' || row.state === 'failed' ? { ...row, state: 'unknown' } : row
}

function printAll(io: CommandIo, running: RunningServices, options: ServicesOptions): void {
  const out = new Output(io.stdout, io.env)
  const { services, scope } = running
  const { json, lines = usualLines, run } = options
  const nowMs = Date.now()
  const failed = services.filter(({ failure }) => failure !== null)
  const ofRuns = failed.filter(({ failure }) => isInJournal(failure!))
  const journals = new Map(ofRuns.map(({ unit }) => [unit, readServiceJournal(run, scope, unit, lines)]))
  if (json) {
    return out.json(services.map((each) => ({ ...each, journal: journals.get(each.unit)?.lines ?? null })))
  }
  if (services.length === 0) return out.line(`${none[0]!.toUpperCase()}${none.slice(1)}.`)
  const rows = services.map((each) => serviceCells(each, nowMs).map((cell) => printable(cell)))
  printTable(out, { head: serviceHeads, rows })
  for (const service of failed) {
    out.line()
    out.line(out.styled('red', printable(`${service.provider} failed: ${failureText(service, nowMs)}`)))
    const journal = journals.get(service.unit)
    for (const line of journal === undefined ? [] : journalText(service.unit, journal)) out.line(line)
  }
}

function printOne(
  io: CommandIo,
  service: ServiceRow,
  { scope }: RunningServices,
  { json, lines = linesInDetail, run, history }: ServicesOptions & { readonly history: ServiceHistory },
): void {
  const out = new Output(io.stdout, io.env)
  const journal = readServiceJournal(run, scope, service.unit, lines)
  if (json) return out.json({ ...service, history: historyJson(history), journal: journal.lines })
  const facts = serviceFacts(service, Date.now())
  const width = Math.max(...facts.map(([fact]) => fact.length))
  for (const [fact, value] of facts) out.line(`${fact.padEnd(width)}  ${printable(value)}`)
  out.line()
  out.line(out.styled('bold', 'last starts and stops'))
  printHistory(out, history)
  out.line()
  out.line(out.styled('bold', printable(`journal of ${service.unit}`)))
  for (const line of journalText(service.unit, journal)) out.line(line)
}
