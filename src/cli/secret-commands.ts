// The commands that keep secrets at rest: `secret …`.
import type { Command } from 'commander'
import { runProgram } from '../systemd/programs.ts'
import type { CredentialIo } from './credential-set.ts'
import { chosenPaths, type ScopeOptions } from './chosen-paths.ts'
import type { SecretParts } from './secret-setting.ts'

type SecretOptions = ScopeOptions & { readonly config?: string }

/** @param done receives the exit status of the command that ran. */
export function addSecretCommands(program: Command, io: CredentialIo, done: (status: number) => void): void {
  const secret = program
    .command('secret')
    .description('store keys of providers, encrypted, beside the configuration')
  const add = (name: string, description: string) =>
    secret
      .command(name)
      .description(description)
      .option('--user', "this user's service (default, except for root)")
      .option('--system', 'the system-wide service')
      .option('-c, --config <file>', 'configuration file (default: see llm-gateway --help)')
  const partsFor = (options: SecretOptions): SecretParts => ({
    io,
    paths: chosenPaths(options, io.env),
    config: options.config,
    run: runProgram,
  })

  add('set', 'store a secret, typed without echo or read from standard input')
    .argument('<name>', 'what { secret: NAME } in the configuration refers to')
    .option('--generate', 'store a random value of 256 bits')
    .action(async (name: string, options: SecretOptions & { generate?: boolean }) => {
      const { secretSetCommand } = await import('./secret-set.ts')
      done(await secretSetCommand(partsFor(options), name, { isGenerated: options.generate === true }))
    })
  add('list', 'list names and ages of the stored secrets, and whether they open, never the values').action(
    async (options: SecretOptions) => {
      const { secretListCommand } = await import('./secret-list.ts')
      done(await secretListCommand(partsFor(options), Date.now()))
    },
  )
  add('remove', 'remove a stored secret')
    .argument('<name>', 'the name of the secret')
    .action(async (name: string, options: SecretOptions) => {
      const { secretRemoveCommand } = await import('./secret-remove.ts')
      done(await secretRemoveCommand(partsFor(options), name))
    })
  add('verify', 'open every stored secret, and report those that do not open')
    .option('--recovery', 'with the recovery identity alone, typed or read from standard input')
    .action(async (options: SecretOptions & { recovery?: boolean }) => {
      const { secretVerifyCommand } = await import('./secret-list.ts')
      done(await secretVerifyCommand(partsFor(options), { isOfRecovery: options.recovery === true }))
    })
  add('rotate-identity', "replace this machine's identity, and encrypt every secret for the new one")
    .option('--from-recovery', 'open the secrets with the recovery identity: the other one is lost')
    .action(async (options: SecretOptions & { fromRecovery?: boolean }) => {
      const { secretRotateCommand } = await import('./secret-rotate.ts')
      done(await secretRotateCommand(partsFor(options), { isFromRecovery: options.fromRecovery === true }))
    })
  add('recovery', 'replace the recovery identity, and show the new one once').action(
    async (options: SecretOptions) => {
      const { secretRecoveryCommand } = await import('./secret-recovery.ts')
      done(await secretRecoveryCommand(partsFor(options)))
    },
  )
}
