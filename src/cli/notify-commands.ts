// The command line of `notify`: each command is loaded only when it runs.
import type { Command } from 'commander'
import { systemClock } from '../platform/clock.ts'
import type { CommandIo } from './output.ts'

/** @param done receives the exit status of the command that ran. */
export function addNotifyCommands(program: Command, io: CommandIo, done: (status: number) => void): void {
  const notify = program.command('notify').description('send messages to the services of notify.sinks')
  const configOption = [
    '-c, --config <file>',
    'configuration file (default: see llm-gateway --help)',
  ] as const
  notify
    .command('test')
    .description('send a test message, and print what each service said')
    .argument('[sink]', 'only to this one')
    .option(...configOption)
    .action(async (name: string | undefined, { config }: { config?: string }) => {
      const { notifyTestCommand } = await import('./notify.ts')
      done(await notifyTestCommand(io, { config, name }, systemClock))
    })
  notify
    .command('unit-failed')
    .description('report that a unit has failed, for OnFailure= of systemd')
    .argument('<unit>', 'name of the unit')
    .option(...configOption)
    .action(async (unit: string, { config }: { config?: string }) => {
      const { notifyUnitFailedCommand } = await import('./notify.ts')
      done(await notifyUnitFailedCommand(io, { config, unit }, systemClock))
    })
}
