// The commands about model servers that are started when they are called: `services …`.
import { type Command, InvalidArgumentError } from 'commander'
import { programRunner } from '../systemd/programs.ts'
import type { CommandIo } from './output.ts'

interface Options {
  readonly config?: string
  readonly json?: boolean
}

const configOption = [
  '-c, --config <file>',
  'ask the gateway that runs with this configuration file',
] as const

const configFileOption = [
  '-c, --config <file>',
  'configuration file (default: see llm-gateway --help)',
] as const

/** journalctl reads files; only a broken journal takes so long. */
const journalTimeoutMs = 20_000

/** @param done receives the exit status of the command that ran. */
export function addServicesCommands(program: Command, io: CommandIo, done: (status: number) => void): void {
  const services = program
    .command('services')
    .description('show the model servers that the running gateway starts, and start or stop them')
  const run = programRunner(journalTimeoutMs)
  services
    .command('list', { isDefault: true })
    .description('show each with its state, calls, memory and last start, and why one has failed')
    .argument('[name]', 'only this one, in detail: the name of its provider')
    .option(...configOption)
    .option('--lines <count>', 'lines of the journal (default: 10, of one in detail 50)', lineCount)
    .option('--json', 'print the list as JSON, with the lines of the journal')
    .action(
      async (
        name: string | undefined,
        { config, json = false, lines }: Options & { readonly lines?: number },
      ) => {
        const { servicesListCommand } = await import('./services-list.ts')
        done(await servicesListCommand(io, name, { config, json, lines, run }))
      },
    )
  services
    .command('polkit-rule')
    .description('print the rule of polkit that lets the system service start and stop these servers')
    .option(...configFileOption)
    .action(async ({ config }: { config?: string }) => {
      const { servicesPolkitRuleCommand } = await import('./services-polkit-rule.ts')
      done(await servicesPolkitRuleCommand(io, config))
    })
  // For the unit llm-gateway-services.service.
  services
    .command('run', { hidden: true })
    .option(...configFileOption)
    .option('--socket <path>', 'listen here, in place of the socket that systemd passes')
    .action(async (options: { config?: string; socket?: string }) => {
      const { config, socket } = options
      const { servicesRunCommand } = await import('./services-run.ts')
      done(await servicesRunCommand(io, { config, socket }))
    })
  for (const verb of ['start', 'stop'] as const) {
    services
      .command(verb)
      .description(
        verb === 'start'
          ? 'start one as a call would, and wait until it is ready'
          : 'stop one as soon as its calls have ended; the next call starts it again',
      )
      .argument('<name>', 'the name of its provider')
      .option(...configOption)
      .option('--no-wait', 'do not wait for it')
      .action(async (name: string, { config, wait }: { config?: string; wait: boolean }) => {
        const { servicesSteerCommand } = await import('./services-steer.ts')
        done(await servicesSteerCommand(io, verb, name, { config, isWaiting: wait, run }))
      })
  }
}

const maxLines = 1_000

/** @throws InvalidArgumentError, which commander reports. */
function lineCount(text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : NaN
  if (count <= maxLines) return count
  throw new InvalidArgumentError(`Use a whole number from 0 to ${maxLines}.`)
}
