// The commands of the first day and of the day of an update: `init`, `connect` and `migrate`.
import { type Command, InvalidArgumentError } from 'commander'
import type { EditIo } from './edited-file.ts'
import type { InitFlags } from './init.ts'
import type { SecretInput } from './read-secret.ts'

const configOption = ['-c, --config <file>', 'configuration file (default: see llm-gateway --help)'] as const

/** @param done receives the exit status of the command that ran. */
export function addSetUpCommands(
  program: Command,
  io: EditIo & { readonly stdin: SecretInput },
  done: (status: number) => void,
): void {
  program
    .command('init')
    .description('look for model servers and keys on this machine, and write a first configuration')
    .option('-c, --config <file>', "where to write it (default: the service's own)")
    .option('--user', "for this user's service (default, except for root)")
    .option('--system', 'for the system-wide service')
    .option('--port <number>', 'port of the gateway (default: 4000, or the next free one)', portNumber)
    .option('--no-service', 'do not install the systemd service')
    .option('--no-keys', 'do not store the keys that the environment has')
    .option('--yes', 'ask nothing: use what was found')
    .option('--dry-run', 'print the configuration, and change nothing')
    .action(async (options: InitFlags) => {
      const { initCommand } = await import('./init.ts')
      done(await initCommand(io, options))
    })
  program
    .command('connect')
    .description('lead a client to the gateway: print the lines for it, or change its settings')
    .argument('[client]', 'one of claude, codex, opencode, …; without one: list the clients')
    .option(...configOption)
    .option('--model <name>', "the client's model (default: the first of the configuration)")
    .option('--url <url>', "the gateway's address (default: that of the configuration)")
    .option('--print', 'print the lines (default)')
    .option('--write', "change the client's own file: shows what changes, asks, and keeps a copy")
    .option('--dry-run', 'with --write: show what would change, and change nothing')
    .option('--yes', 'with --write: write without asking')
    .option('--json', 'without a client: print the list as JSON')
    .action(async (client: string | undefined, flags: ConnectFlags) => {
      const { config, model, url, yes = false, dryRun = false, json = false } = flags
      if (flags.print === true && flags.write === true)
        program.error('error: use either --print or --write, not both')
      const where = { config, model, url }
      const { connectCommand, connectListCommand } = await import('./connect.ts')
      if (client === undefined) return done(await connectListCommand(io, { ...where, json }))
      const options = { ...where, isWritten: flags.write === true, isDryRun: dryRun, yes }
      done(await connectCommand(io, client, options, Date.now()))
    })
  program
    .command('migrate')
    .description('bring an older configuration to the current keys: shows what changes')
    .option(...configOption)
    .option('--proxy-user <user>', 'Unix user of the front proxy, where trusted_proxies lacks one')
    .option('--write', 'change the file: asks, and keeps a copy')
    .option('--yes', 'with --write: write without asking')
    .option('--json', 'print what would change as JSON, and change nothing')
    .action(async (flags: MigrateFlags) => {
      const { config, proxyUser, write = false, yes = false, json = false } = flags
      if (json && write) program.error('error: use either --json or --write, not both')
      const { migrateCommand } = await import('./migrate.ts')
      done(await migrateCommand(io, { config, proxyUser, isWritten: write, yes, json }, Date.now()))
    })
}

interface ConnectFlags {
  readonly config?: string
  readonly model?: string
  readonly url?: string
  readonly print?: boolean
  readonly write?: boolean
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly json?: boolean
}

interface MigrateFlags {
  readonly config?: string
  readonly proxyUser?: string
  readonly write?: boolean
  readonly yes?: boolean
  readonly json?: boolean
}

function portNumber(text: string): number {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : NaN
  if (port <= 65_535) return port
  throw new InvalidArgumentError('Expected a number from 1 to 65535.')
}
