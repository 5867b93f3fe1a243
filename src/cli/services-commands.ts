// The command line of `services`: each command is loaded only when it runs.
import type { Command } from 'commander'
import type { CommandIo } from './output.ts'

/** @param done receives the exit status of the command that ran. */
export function addServicesCommands(program: Command, io: CommandIo, done: (status: number) => void): void {
  const services = program.command('services').description('model servers that systemd starts')
  const configOption = [
    '-c, --config <file>',
    'configuration file (default: see llm-gateway --help)',
  ] as const
  services
    .command('polkit-rule')
    .description('print the rule of polkit that lets the system service start and stop these servers')
    .option(...configOption)
    .action(async ({ config }: { config?: string }) => {
      const { servicesPolkitRuleCommand } = await import('./services-polkit-rule.ts')
      done(await servicesPolkitRuleCommand(io, config))
    })
  // For the unit llm-gateway-services.service.
  services
    .command('run', { hidden: true })
    .option(...configOption)
    .option('--socket <path>', 'listen here, in place of the socket that systemd passes')
    .action(async (options: { config?: string; socket?: string }) => {
      const { config, socket } = options
      const { servicesRunCommand } = await import('./services-run.ts')
      done(await servicesRunCommand(io, { config, socket }))
    })
}
