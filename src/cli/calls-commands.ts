// The commands about calls under way: `calls …` and `top`.
import type { Command } from 'commander'
import type { TopIo } from './top/top.ts'

interface Options {
  readonly config?: string
  readonly json?: boolean
}

const configOption = [
  '-c, --config <file>',
  'ask the gateway that runs with this configuration file',
] as const

/** @param done receives the exit status of the command that ran. */
export function addCallsCommands(program: Command, io: TopIo, done: (status: number) => void): void {
  const calls = program
    .command('calls')
    .description('show the calls under way in the running gateway, and end them')
  calls
    .command('list', { isDefault: true })
    .description('show each call with its model, client, phase, tokens and speed')
    .option(...configOption)
    .option('--json', 'print the report as JSON')
    .action(async ({ config, json = false }: Options) => {
      const { callsListCommand } = await import('./calls.ts')
      done(await callsListCommand(io, { config, json }))
    })
  calls
    .command('cancel')
    .description('end calls: their clients get an error, and their providers’ slots are free at once')
    .argument('<id...>', 'ids as `calls list` shows them, or as many characters as tell them apart')
    .option(...configOption)
    .option('--json', 'print the result as JSON')
    .action(async (ids: string[], { config, json = false }: Options) => {
      const { callsCancelCommand } = await import('./calls.ts')
      done(await callsCancelCommand(io, ids, { config, json }))
    })
  program
    .command('top')
    .description('show live what needs attention, the calls under way and the providers; cancel calls')
    .option(...configOption)
    .option('--once', 'print it once, as is done where the output is not a terminal')
    .option('--json', 'print the report once, as JSON')
    .action(async ({ config, json = false, once = false }: Options & { readonly once?: boolean }) => {
      const { topCommand } = await import('./top/top.ts')
      done(await topCommand(io, { config, json, once }))
    })
}
