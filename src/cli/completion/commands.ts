// The commands of completion: `completion SHELL` for people, `complete KIND` for the scripts that it prints.
import { Argument, type Command } from 'commander'
import { describeCommand, nameKinds, type NameKind } from '../command-tree.ts'
import type { CommandIo } from '../output.ts'

const shells = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof shells)[number]

/** @param done receives the exit status of the command that ran. */
export function addCompletionCommands(program: Command, io: CommandIo, done: (status: number) => void): void {
  program
    .command('completion')
    .description('print a script with which your shell completes commands, options and names')
    .addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(shells))
    .action(async (shell: Shell) => {
      const { completionScript } = await import('./script.ts')
      io.stdout.write(completionScript(shell, describeCommand(program)))
      done(0)
    })
  program
    .command('complete', { hidden: true })
    .addArgument(new Argument('<kind>', 'of the names').choices(nameKinds))
    .option('-c, --config <file>', 'configuration file')
    .option('--user', "this user's service")
    .option('--system', 'the system-wide service')
    .action(async (kind: NameKind, options: { config?: string; user?: boolean; system?: boolean }) => {
      const { completableNames } = await import('./names.ts')
      for (const name of completableNames(kind, options, io.env)) io.stdout.write(`${name}\n`)
      done(0)
    })
}
