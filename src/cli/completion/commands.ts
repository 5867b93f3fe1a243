// The command `completion SHELL`. What its scripts run is in complete-program.ts.
import { Argument, type Command } from 'commander'
import { describeCommand } from '../command-tree.ts'
import type { CommandIo } from '../output.ts'

const shells = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof shells)[number]

/** @param done receives the exit status of the command that ran. */
export function addCompletionCommands(program: Command, io: CommandIo, done: (status: number) => void): void {
  program
    .command('completion')
    .description('print a script with which your shell completes commands, options and names')
    .addArgument(new Argument('<shell>', 'your shell').choices(shells))
    .action(async (shell: Shell) => {
      const { completionScript } = await import('./script.ts')
      io.stdout.write(completionScript(shell, describeCommand(program)))
      done(0)
    })
}
