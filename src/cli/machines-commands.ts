// The commands about machines that share limits: `machines …`.
import type { Command } from 'commander'
import type { CommandIo } from './output.ts'

const configOption = [
  '-c, --config <file>',
  'ask the gateway that runs with this configuration file',
] as const

/** @param done receives the exit status of the command that ran. */
export function addMachinesCommands(program: Command, io: CommandIo, done: (status: number) => void): void {
  const machines = program
    .command('machines')
    .description(
      'show the machines that share limits with the running gateway, and forget those that are gone',
    )
  machines
    .command('list', { isDefault: true })
    .description('show each with its version, since when it is there, and what it uses of shared limits')
    .option(...configOption)
    .option('--json', 'print the list as JSON')
    .action(async ({ config, json = false }: { config?: string; json?: boolean }) => {
      const { machinesListCommand } = await import('./machines.ts')
      done(await machinesListCommand(io, { config, json }))
    })
  machines
    .command('forget')
    .description('give up what a machine that is gone for good holds of budgets and has not spent')
    .argument('<name>', 'its name in the list, or its id')
    .option(...configOption)
    .action(async (name: string, { config }: { config?: string }) => {
      const { machinesForgetCommand } = await import('./machines.ts')
      done(await machinesForgetCommand(io, name, { config }))
    })
}
