// The command line of `import`.
import type { Command } from 'commander'
import type { CommandIo } from '../output.ts'

/** @param done receives the exit status of the command. */
export function addImportCommand(program: Command, io: CommandIo, done: (status: number) => void): void {
  program
    .command('import')
    .description(
      'write a configuration from that of LiteLLM, llama-swap, Olla, llm-router or claude-code-router',
    )
    .argument('<file>', "the other gateway's configuration file")
    .option(
      '--from <name>',
      'which gateway it belongs to: litellm, llama-swap, olla, llm-router, claude-code-router (default: by its shape)',
    )
    .option('-o, --out <file>', 'write to this file (default: the configuration file of this user)')
    .option('--check', 'report what would be written, and write nothing')
    .option('--stdout', 'write the configuration to standard output, and the report to standard error')
    .option('--with-commands', 'take over commands that start servers; without it they are comments')
    .option('--force', 'replace a file that exists, and keep a copy of it')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', helpEnd)
    .action(async (file: string, options: ImportFlags) => {
      if (options.check === true && options.stdout === true) {
        program.error('error: use either --check or --stdout, not both')
      }
      const { check = false, stdout = false, withCommands = false, force = false, json = false } = options
      const { importCommand } = await import('./import-command.ts')
      const { from, out } = options
      done(importCommand(io, file, { from, out, check, stdout, withCommands, force, json }))
    })
}

interface ImportFlags {
  readonly from?: string
  readonly out?: string
  readonly check?: boolean
  readonly stdout?: boolean
  readonly withCommands?: boolean
  readonly force?: boolean
  readonly json?: boolean
}

const helpEnd = `
The written file has a comment for each thing that was carried, changed or left out. Keys that stand
in the other file are never copied: the report names the command that stores each of them. Variables
that addresses refer to have to be set. See docs/from-other-gateways.md.

Example: look first, then write
  llm-gateway import ~/litellm/config.yaml --check
  llm-gateway import ~/litellm/config.yaml --out llm-gateway.yaml

Exit status: 0 success, 1 nothing could be written, 2 invalid usage.`
