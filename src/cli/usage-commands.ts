// The commands about the ledger: `usage` and `usage …`.
import { type Command, InvalidArgumentError } from 'commander'
import { systemClock } from '../platform/clock.ts'
import type { CommandIo } from './output.ts'
import { chosenPaths, type ScopeOptions } from './chosen-paths.ts'
import type { LedgerPlace } from './ledger-place.ts'
import { type UsageFormat, usageFormats } from './usage-format.ts'

interface PlaceOptions extends ScopeOptions {
  readonly db?: string
}

/** @param done receives the exit status of the command that ran. */
export function addUsageCommands(program: Command, io: CommandIo, done: (status: number) => void): void {
  const place = ({ db, ...scope }: PlaceOptions): LedgerPlace => ({
    file: db,
    paths: chosenPaths(scope, io.env),
  })
  const located = (command: Command) =>
    command
      .option('--user', "the ledger of this user's service (default, except for root)")
      .option('--system', 'the ledger of the system-wide service')
      .option('--db <file>', 'the ledger, where it is elsewhere')
  const nowMs = systemClock.wallNow

  const usage = located(program.command('usage'))
    .description('show what calls used and cost')
    .option(
      '--by <list>',
      'one line for each key, client, model, provider, secret, target, …, hour, day or month; with --all, machine',
    )
    .option('--since <time>', 'from then on: 90m, 24h, 7d, 4w ago, a day or an instant (default: 7d)')
    .option('--until <time>', 'up to then (default: now)')
    .option('--all', 'of all machines that share limits with this one, which the running gateway asks')
    .option('--client <name>', 'only calls of this client: user:ann, key:ci, …')
    .option('--zone <name>', "time zone of days and hours (default: this machine's)")
    .option('--format <name>', `one of ${usageFormats.join(', ')}`, readFormat, 'table')
    .action(
      async ({
        format,
        client,
        all = false,
        ...options
      }: PlaceOptions & {
        all?: boolean
        by?: string
        since?: string
        until?: string
        zone?: string
        client?: string
        format: UsageFormat
      }) => {
        const asked = { written: options, client, format, nowMs: nowMs() }
        if (all) {
          const { usageOfAllCommand } = await import('./usage-all.ts')
          return done(await usageOfAllCommand(io, asked, options.db))
        }
        const { usageCommand } = await import('./usage.ts')
        done(await usageCommand(io, place(options), asked))
      },
    )
  located(usage.command('verify'))
    .description('check the whole ledger: its pages, and its sums against its rows')
    .action(async (_: unknown, command: Command) => {
      const { verifyCommand } = await import('./usage-upkeep.ts')
      done(verifyCommand(io, place(command.optsWithGlobals())))
    })
  located(usage.command('repair'))
    .description('take what can be read of a damaged ledger into a new one; the gateway must not run')
    .option('--accept-loss', 'where nobody knows what was spent of budgets: begin with what the ledger has')
    .action(async (_: unknown, command: Command) => {
      const { acceptLoss, ...options } = command.optsWithGlobals<PlaceOptions & { acceptLoss?: true }>()
      if (acceptLoss === true) {
        const { acceptLossCommand } = await import('./accept-loss.ts')
        return done(await acceptLossCommand(io, place(options), nowMs()))
      }
      const { repairCommand } = await import('./usage-upkeep.ts')
      done(repairCommand(io, place(options), nowMs()))
    })
  located(usage.command('backup'))
    .description('write a copy of the ledger, also while the gateway runs')
    .argument('<file>', 'the copy; must not exist')
    .action(async (file: string, _: unknown, command: Command) => {
      const { backupCommand } = await import('./usage-upkeep.ts')
      done(await backupCommand(io, place(command.optsWithGlobals()), file))
    })
  located(usage.command('prune'))
    .description('remove what is older than the configuration keeps it, now')
    .option('-c, --config <file>', 'configuration file (default: see llm-gateway --help)')
    .option('--calls <days>', 'keep rows of calls so long instead', wholeDays)
    .option('--hours <days>', 'keep sums so long instead', wholeDays)
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<
        PlaceOptions & { config?: string; calls?: number; hours?: number }
      >()
      const { pruneCommand } = await import('./usage-upkeep.ts')
      done(pruneCommand(io, place(options), options, nowMs()))
    })
  located(usage.command('erase'))
    .description('overwrite the name of a client, also in the audit log; its calls stay in all sums')
    .argument('<client>', 'its name, as in user:ann, also where the ledger has pseudonyms')
    .action(async (client: string, _: unknown, command: Command) => {
      const { eraseCommand } = await import('./usage-upkeep.ts')
      done(await eraseCommand(io, place(command.optsWithGlobals()), client, nowMs()))
    })
}

function readFormat(text: string): UsageFormat {
  const format = usageFormats.find((each) => each === text)
  if (format === undefined) throw new InvalidArgumentError(`Write ${usageFormats.join(', ')}.`)
  return format
}

function wholeDays(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError('write a whole number of days.')
  return Number(text)
}
