// The command line of `audit`: each command is loaded only when it runs.
import { type Command, InvalidArgumentError } from 'commander'
import { systemClock } from '../platform/clock.ts'
import { parseDuration } from '../platform/duration.ts'
import type { CommandIo } from './output.ts'
import { chosenPaths, type ScopeOptions } from './chosen-paths.ts'

/** @param done receives the exit status of the command that ran. */
export function addAuditCommands(program: Command, io: CommandIo, done: (status: number) => void): void {
  const audit = program.command('audit').description('read and verify the log of security events')
  const command = (name: string, description: string) =>
    audit
      .command(name)
      .description(description)
      .option('--user', "the log of this user's gateway (default, except for root)")
      .option('--system', 'the log of the system-wide service')

  command('tail', 'print the last events')
    .option('-n, --lines <count>', 'how many (default: 20)', count)
    .option('--json', 'print the lines as they are written')
    .action(
      async ({ lines = 20, json = false, ...scope }: ScopeOptions & { lines?: number; json?: boolean }) => {
        const { auditTailCommand } = await import('./audit.ts')
        done(await auditTailCommand(io, chosenPaths(scope, io.env), { lines, isJson: json }))
      },
    )
  command('verify', 'check that no event was changed, removed or inserted')
    .option(
      '--anchor <seq:mac>',
      'a line that is known from elsewhere, as in audit_head of the journal',
      anchor,
    )
    .option('-c, --config <file>', 'configuration file, beside which the key of the log is stored')
    .option('--json', 'print the result as JSON')
    .action(
      async ({
        anchor: known,
        config,
        json = false,
        ...scope
      }: ScopeOptions & { anchor?: ReturnType<typeof anchor>; config?: string; json?: boolean }) => {
        const { auditVerifyCommand } = await import('./audit.ts')
        const anchors = known === undefined ? [] : [known]
        done(await auditVerifyCommand(io, chosenPaths(scope, io.env), { anchors, isJson: json, config }))
      },
    )
  command('export', 'print all events for another system, one JSON object in a line')
    .requiredOption(
      '--format <format>',
      'of the lines: otlp (OpenTelemetry logs) or ecs (Elastic Common Schema)',
      format,
    )
    .option('--since <duration>', 'events of the last 90m, 12h, 7d …', age)
    .action(async ({ format: form, since, ...scope }: ScopeOptions & { format: Format; since?: number }) => {
      const { auditExportCommand } = await import('./audit.ts')
      const sinceMs = since === undefined ? 0 : systemClock.wallNow() - since
      done(await auditExportCommand(io, chosenPaths(scope, io.env), { format: form, sinceMs }))
    })
  audit.addHelpText('after', helpEnd)
}

const helpEnd = `
The log is audit-YYYY-MM.jsonl in the state directory. Clients and users stand in it as numbers, whose
names are in audit-names.json beside it.

Examples:
  llm-gateway audit tail
  llm-gateway audit verify --anchor 812:5d41402a…
  llm-gateway audit export --format ecs --since 30d > audit.ndjson`

type Format = 'otlp' | 'ecs'

const maxLines = 100_000

function count(text: string): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= 1 && value <= maxLines) return value
  throw new InvalidArgumentError(`Expected a number from 1 to ${maxLines}.`)
}

function format(text: string): Format {
  if (text === 'otlp' || text === 'ecs') return text
  throw new InvalidArgumentError('Expected otlp or ecs.')
}

function anchor(text: string): { readonly seq: number; readonly mac: string } {
  const [, seq, mac] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  if (seq !== undefined && mac !== undefined) return { seq: Number(seq), mac }
  throw new InvalidArgumentError(
    'Expected the number of a line and its code of 64 hexadecimal digits: 812:5d41….',
  )
}

function age(text: string): number {
  const ms = parseDuration(text)
  if (ms !== undefined) return ms
  throw new InvalidArgumentError('Expected minutes, hours, days or weeks: 90m, 12h, 7d, 4w.')
}
