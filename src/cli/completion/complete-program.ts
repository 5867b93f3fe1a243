// `llm-gateway complete KIND`, which the completion scripts run: prints the names of a kind, a line each. It is a program of its
// own (dist/complete.cjs), because a shell waits for it at each Tab, and the other commands would take most of the time.
import { Argument, Command, CommanderError } from 'commander'
import { nameKinds, type NameKind } from '../command-tree.ts'
import type { CommandIo } from '../output.ts'
import { withoutKeys } from '../without-keys.ts'
import { completableNames, type CompleteOptions } from './names.ts'

/** @returns a program whose `run` resolves to the exit status: 0, or 2 for invalid usage. */
export function createProgram(io: CommandIo): { run(args: readonly string[]): Promise<number> } {
  const program = new Command('llm-gateway').exitOverride().configureOutput({
    writeOut: (text) => io.stdout.write(text),
    writeErr: (text) => io.stderr.write(text),
    outputError: (text, write) => write(withoutKeys(text)),
  })
  program
    .command('complete')
    .addArgument(new Argument('<kind>', 'of the names').choices(nameKinds))
    .option('-c, --config <file>', 'configuration file')
    .option('--user', "this user's service")
    .option('--system', 'the system-wide service')
    .action((kind: NameKind, options: CompleteOptions) => {
      for (const name of completableNames(kind, options, io.env)) io.stdout.write(`${name}\n`)
    })
  return {
    async run(args) {
      try {
        await program.parseAsync(args, { from: 'user' })
        return 0
      } catch (error) {
        if (!(error instanceof CommanderError)) throw error
        return error.exitCode === 0 ? 0 : 2
      }
    },
  }
}
