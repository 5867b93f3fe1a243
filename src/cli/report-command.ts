// The command line of `report`.
import { type Command, InvalidArgumentError } from 'commander'
import { systemClock } from '../platform/clock.ts'
import { chosenPaths, type ScopeOptions } from './chosen-paths.ts'
import type { CommandIo } from './output.ts'
import { type PeriodName, periodNames } from './report/period.ts'

interface Options extends ScopeOptions {
  readonly period?: PeriodName
  readonly since?: string
  readonly until?: string
  readonly zone?: string
  readonly by?: string
  readonly file?: string
  readonly db?: string
  readonly config?: string
  readonly json?: true
  readonly check?: true
  readonly notify?: string
}

/** @param done receives the exit status of the command that ran. */
export function addReportCommand(
  program: Command,
  io: CommandIo & { readonly stdin: AsyncIterable<Buffer | string> },
  version: string,
  done: (status: number) => void,
): void {
  program
    .command('report')
    .description('report what happened: failures, limits, refusals, usage, changes, keys that are due')
    .option('--period <name>', 'the last whole day, week or month: daily, weekly, monthly', periodName)
    .option('--since <time>', 'from then on: 90m, 24h, 7d ago, a day or an instant (default: 1d)')
    .option('--until <time>', 'up to then (default: now)')
    .option(
      '--by <list>',
      'what usage is shown by: client, model, provider, key, day … (default: model, client)',
    )
    .option('--zone <name>', "time zone of days (default: this machine's)")
    .option('--file <path>', "the gateway's lines, in place of the journal; - is standard input")
    .option('--check', 'exit with 1 when a threshold was crossed, with 2 when data is missing')
    .option('--notify <sink>', 'send a summary to this service of notify.sinks')
    .option('--json', 'print the report as JSON')
    .option('--user', "of this user's service (default, except for root)")
    .option('--system', 'of the system-wide service')
    .option('--db <file>', 'the ledger, where it is elsewhere; the audit log is beside it')
    .option('-c, --config <file>', 'configuration file, beside which keys are stored')
    .action(async ({ db, json, check, ...options }: Options) => {
      const { reportCommand } = await import('./report.ts')
      const place = { file: db, paths: chosenPaths(options, io.env) }
      done(
        await reportCommand(io, place, {
          ...options,
          isJson: json === true,
          isCheck: check === true,
          nowMs: systemClock.wallNow(),
          version,
        }),
      )
    })
}

function periodName(text: string): PeriodName {
  const name = periodNames.find((each) => each === text)
  if (name === undefined) throw new InvalidArgumentError(`Write ${periodNames.join(', ')}.`)
  return name
}
