// The commands that set the gateway up as a service: `systemd …` and `credential …`.
import { existsSync } from 'node:fs'
import { type Command, InvalidArgumentError } from 'commander'
import { systemClock } from '../platform/clock.ts'
import { runProgram } from '../systemd/programs.ts'
import type { ServicePaths } from '../systemd/scope.ts'
import { chosenPaths, type ScopeOptions } from './chosen-paths.ts'
import type { CredentialIo } from './credential-set.ts'

/** @param done receives the exit status of the command that ran. */
export function addServiceCommands(program: Command, io: CredentialIo, done: (status: number) => void): void {
  const pathsFor = (options: ScopeOptions) => chosenPaths(options, io.env)
  const scoped = (parent: Command, name: string, description: string) =>
    parent
      .command(name)
      .description(description)
      .option('--user', "this user's service (default, except for root)")
      .option('--system', 'the system-wide service')
  const configOption = ['-c, --config <file>', "configuration file (default: the service's own)"] as const
  const dryRunOption = ['--dry-run', 'show what would change, and change nothing'] as const

  /** False: it cannot be that one, and the reason is printed. */
  const statusUserFor = async ({ scope, configFile }: ServicePaths, named: string | undefined) => {
    const fault = (text: string) => {
      io.stderr.write(`${text}\n`)
      return false as const
    }
    if (scope === 'user') {
      if (named === undefined) return undefined
      return fault('--status-user is for --system: your own service shows the page to you.')
    }
    const { chooseStatusUser } = await import('./status-user.ts')
    // An existing file says who sees the page.
    const isKept = named === undefined && existsSync(configFile)
    const chosen = isKept ? undefined : await chooseStatusUser(io, named)
    if (typeof chosen !== 'object') return chosen
    return fault(`There is no user ${JSON.stringify(chosen.unknown)} on this machine.`)
  }

  const systemd = program.command('systemd').description('run the gateway as a systemd service')
  scoped(systemd, 'install', 'write the units, and a configuration if there is none, and enable the socket')
    .option(...configOption)
    .option('--doctor-timer', 'also run doctor once a week')
    .option('--status-user <user>', 'with --system: who may see the status page')
    .option(...dryRunOption)
    .action(async (options: ScopeOptions & InstallFlags) => {
      const { config, doctorTimer = false, dryRun, statusUser: named } = options
      const paths = pathsFor(options)
      const statusUser = await statusUserFor(paths, named)
      if (statusUser === false) return done(1)
      const { systemdInstallCommand } = await import('./systemd-install.ts')
      done(
        await systemdInstallCommand(
          io,
          paths,
          {
            config,
            hasDoctorTimer: doctorTimer,
            isDryRun: dryRun === true,
            statusUser,
            isStatusUserNamed: named !== undefined,
          },
          runProgram,
        ),
      )
    })
  scoped(systemd, 'uninstall', 'remove the units; the configuration and the keys are kept')
    .option(...dryRunOption)
    .action(async (options: ScopeOptions & { dryRun?: boolean }) => {
      const isDryRun = options.dryRun === true
      const { systemdUninstallCommand } = await import('./systemd-uninstall.ts')
      done(await systemdUninstallCommand(io, pathsFor(options), { isDryRun }, runProgram))
    })
  scoped(systemd, 'status', 'show what is installed, whether it is running, and its own status').action(
    async (options: ScopeOptions) => {
      const { systemdStatusCommand } = await import('./systemd-status.ts')
      done(await systemdStatusCommand(io, pathsFor(options), runProgram))
    },
  )

  scoped(
    systemd,
    'restart',
    'check the configuration, then restart the service; new calls wait meanwhile',
  ).action(async (options: ScopeOptions) => {
    const { systemdRestartCommand } = await import('./systemd-restart.ts')
    done(await systemdRestartCommand(io, pathsFor(options), runProgram))
  })
  // For the units; people use systemctl.
  systemd
    .command('await-reload', { hidden: true })
    .argument('<pid>', "the gateway's process", positiveInteger)
    .action(async (pid: number) => {
      const { systemdReloadCommand } = await import('./systemd-reload.ts')
      const signal = (target: number) => process.kill(target, 'SIGHUP')
      done(await systemdReloadCommand(io, pid, { clock: systemClock, signal }))
    })

  const credential = program
    .command('credential')
    .description('store the keys of providers as systemd credentials')
  const kinds = [
    ['set', "store a provider's key, typed without echo or read from standard input"],
    ['rotate', 'like set, then restart the service; new calls wait in its socket meanwhile'],
  ] as const
  for (const [name, description] of kinds) {
    scoped(credential, name, description)
      .argument('<provider>', "the provider's name in the configuration")
      .option(...configOption)
      .action(async (provider: string, options: ScopeOptions & { config?: string }) => {
        const request = { provider, config: options.config, isRotation: name === 'rotate' }
        const { credentialSetCommand } = await import('./credential-set.ts')
        done(await credentialSetCommand(io, pathsFor(options), request, runProgram))
      })
  }
  scoped(credential, 'remove', 'remove a stored key')
    .argument('<provider>', "the provider's name in the configuration, or the name of the credential")
    .option(...configOption)
    .action(async (provider: string, options: ScopeOptions & { config?: string }) => {
      const { credentialRemoveCommand } = await import('./credential-remove.ts')
      const request = { provider, config: options.config }
      done(await credentialRemoveCommand(io, pathsFor(options), request, runProgram))
    })
  scoped(credential, 'list', 'list names and ages of the stored keys, never the keys')
    .option(...configOption)
    .action(async (options: ScopeOptions & { config?: string }) => {
      const { credentialListCommand } = await import('./credential-list.ts')
      done(await credentialListCommand(io, pathsFor(options), options.config, Date.now()))
    })
}

interface InstallFlags {
  readonly config?: string
  readonly doctorTimer?: boolean
  readonly dryRun?: boolean
  readonly statusUser?: string
}

function positiveInteger(text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Expected the number of a process.')
}
