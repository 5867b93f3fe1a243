// The commands that set the gateway up as a service: `systemd …` and `credential …`.
import type { Command } from 'commander'
import { runProgram } from '../systemd/programs.ts'
import { chosenScope, type Places, placesOf } from '../systemd/scope.ts'
import type { CredentialIo } from './credential-set.ts'

export interface ScopeOptions {
  readonly user?: boolean
  readonly system?: boolean
}

/** Of the service that `--user` or `--system` asks for. */
export function chosenPlaces({ user, system }: ScopeOptions, env: NodeJS.ProcessEnv): Places {
  const asked = system === true ? 'system' : user === true ? 'user' : undefined
  return placesOf(chosenScope(asked, process.getuid?.() ?? 0), env)
}

/** @param done gets the exit status of the command that ran. */
export function addServiceCommands(program: Command, io: CredentialIo, done: (status: number) => void): void {
  const placesFor = (options: ScopeOptions) => chosenPlaces(options, io.env)
  const scoped = (parent: Command, name: string, description: string) =>
    parent
      .command(name)
      .description(description)
      .option('--user', 'the service of this user (the default, but for root)')
      .option('--system', 'the service of the machine')
  const configOption = ['-c, --config <file>', "configuration file (default: the service's own)"] as const
  const dryRunOption = ['--dry-run', 'say what would change, and change nothing'] as const

  const systemd = program.command('systemd').description('run the gateway as a systemd service')
  scoped(systemd, 'install', 'write the units, a configuration if there is none, and enable the socket')
    .option(...configOption)
    .option(...dryRunOption)
    .action(async (options: ScopeOptions & { config?: string; dryRun?: boolean }) => {
      const { config, dryRun } = options
      const places = placesFor(options)
      const { systemdInstallCommand } = await import('./systemd-install.ts')
      done(await systemdInstallCommand(io, places, { config, isDryRun: dryRun === true }, runProgram))
    })
  scoped(systemd, 'uninstall', 'remove the units; configuration and keys stay')
    .option(...dryRunOption)
    .action(async (options: ScopeOptions & { dryRun?: boolean }) => {
      const isDryRun = options.dryRun === true
      const { systemdUninstallCommand } = await import('./systemd-uninstall.ts')
      done(await systemdUninstallCommand(io, placesFor(options), { isDryRun }, runProgram))
    })
  scoped(systemd, 'status', 'say what is installed, whether it runs, and what it says of itself').action(
    async (options: ScopeOptions) => {
      const { systemdStatusCommand } = await import('./systemd-status.ts')
      done(await systemdStatusCommand(io, placesFor(options), runProgram))
    },
  )

  const credential = program.command('credential').description("keep providers' keys as systemd credentials")
  const kinds = [
    ['set', 'store the key of a provider, read from the terminal without echo, or from standard input'],
    ['rotate', 'the same, and restart the service through its socket, which loses no call'],
  ] as const
  for (const [name, description] of kinds) {
    scoped(credential, name, description)
      .argument('<provider>', 'as the configuration names it')
      .option(...configOption)
      .action(async (provider: string, options: ScopeOptions & { config?: string }) => {
        const asked = { provider, config: options.config, isRotation: name === 'rotate' }
        const { credentialSetCommand } = await import('./credential-set.ts')
        done(await credentialSetCommand(io, placesFor(options), asked, runProgram))
      })
  }
  scoped(credential, 'list', 'names and ages of the stored keys, never the keys')
    .option(...configOption)
    .action(async (options: ScopeOptions & { config?: string }) => {
      const { credentialListCommand } = await import('./credential-list.ts')
      done(await credentialListCommand(io, placesFor(options), options.config, Date.now()))
    })
}
