// The commands that give clients keys: `key …`.
import type { Command } from 'commander'
import type { CredentialIo } from './credential-set.ts'
import type { TypedOptions } from './key-options.ts'

type Config = { readonly config?: string }
type Typed = TypedOptions & Config & { readonly to?: string }

/** @param done receives the exit status of the command that ran. */
export function addKeyCommands(program: Command, io: CredentialIo, done: (status: number) => void): void {
  const key = program
    .command('key')
    .description('give clients keys of their own: what each may use, and for how long')
  key.addHelpText('after', example)
  addNewKeys(key, io, done)
  addChanges(key, io, done)
  addReports(key, io, done)
  addMaster(key, io, done)
  addSharing(key, io, done)
}

const example = `
Example: a key for a colleague, for 90 days, and what to do when it has leaked
  llm-gateway key create ann --models "qwen*" --rpm 60 --expires 90d
  llm-gateway key rotate ann --grace 0

The keys are in keys.json beside the configuration, as digests. A key is shown once, when it is made.
Clients send it as Authorization: Bearer, x-api-key or api-key.

Exit status: 0 success, 1 nothing was changed, 2 invalid usage, or written but not in force.`

const configOption = ['-c, --config <file>', 'configuration file, beside which the keys are'] as const
const nameArgument = ['<name>', 'the name of the key'] as const
const toOption = [
  '--to <file>',
  'write the key to this new file (mode 0600) instead of standard output',
] as const
const lengthOption = ['--length <n>', 'characters of the secret part, 32 to 128 (default: 43)'] as const
const prefixOption = [
  '--prefix <prefix>',
  "with which the key begins (default: the configuration's keys.prefix)",
] as const
const graceOption = [
  '--grace <duration>',
  'how long the secret before stays valid: 24h, 7d, 0 (default: 24h)',
] as const

function withTermOptions(command: Command): Command {
  return command
    .option('--models <list>', 'models that it may use: a,b,openrouter/*; any for every model')
    .option('--rpm <n>', 'requests in any 60 seconds, or none')
    .option('--tpm <n>', 'tokens in any 60 seconds, or none')
    .option('--parallel <n>', 'calls at once, or none')
    .option(
      '--budget <amount>',
      'what it may spend: 5usd/day, 1000000tokens/total; repeatable; none for no budget',
      collect,
    )
    .option('--expires <when>', 'refuse it from then on: 90d, 2027-01-31 (UTC), never')
    .option('--not-before <when>', 'refuse it until then: 12h, 2027-01-31 (UTC), never')
    .option('--boundary <boundary>', 'what its calls may not leave: local, private; any for no boundary')
    .option('--routes', 'allow routes that are passed to a provider as they are')
    .option('--no-routes', 'do not allow them')
    .option('--note <text>', 'a note for people')
    .option(...configOption)
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}

async function loadParts() {
  const { systemParts } = await import('./key-command.ts')
  return systemParts()
}

function addNewKeys(key: Command, io: CredentialIo, done: (status: number) => void): void {
  withTermOptions(
    key.command('create').description('make a key for a person or a program, and print it once'),
  )
    .argument(...nameArgument)
    .option(...lengthOption)
    .option(...prefixOption)
    .option(...toOption)
    .action(async (name: string, options: Typed) => {
      const { keyCreateCommand } = await import('./key-create.ts')
      done(await keyCreateCommand(io, await loadParts(), name, options))
    })
  key
    .command('rotate')
    .description('give a key a new secret; the one before stays valid for a while')
    .argument(...nameArgument)
    .option(...graceOption)
    .option(...lengthOption)
    .option(...toOption)
    .option(...configOption)
    .action(async (name: string, options: Typed) => {
      const { keyRotateCommand } = await import('./key-rotate.ts')
      done(await keyRotateCommand(io, await loadParts(), name, options))
    })
}

function addChanges(key: Command, io: CredentialIo, done: (status: number) => void): void {
  withTermOptions(key.command('set').description('change what a key may use; what is not mentioned stays'))
    .argument(...nameArgument)
    .action(async (name: string, options: Typed) => {
      const { keySetCommand } = await import('./key-set.ts')
      done(await keySetCommand(io, await loadParts(), name, options))
    })
  const switches = [
    ['disable', 'refuse new calls with a key; running ones end as they would', true],
    ['enable', 'accept a disabled key again', false],
  ] as const
  for (const [name, description, isDisabled] of switches) {
    key
      .command(name)
      .description(description)
      .argument(...nameArgument)
      .option(...configOption)
      .action(async (name: string, { config }: Config) => {
        const { keyDisableCommand } = await import('./key-disable.ts')
        done(await keyDisableCommand(io, await loadParts(), name, { config, isDisabled }))
      })
  }
  key
    .command('revoke')
    .description('refuse the secrets of a key for good, and cut their streams; key rotate makes a new one')
    .argument(...nameArgument)
    .option('--secret <id>', 'one of two secrets (default: all)')
    .option(...configOption)
    .action(async (name: string, options: Config & { readonly secret?: string }) => {
      const { keyRevokeCommand } = await import('./key-revoke.ts')
      done(await keyRevokeCommand(io, await loadParts(), name, options))
    })
  key
    .command('delete')
    .description('remove a key with its limits')
    .argument(...nameArgument)
    .option(...configOption)
    .action(async (name: string, { config }: Config) => {
      const { keyDeleteCommand } = await import('./key-delete.ts')
      done(await keyDeleteCommand(io, await loadParts(), name, config))
    })
}

function addReports(key: Command, io: CredentialIo, done: (status: number) => void): void {
  const jsonOption = ['--json', 'print the result as JSON'] as const
  key
    .command('list')
    .description('list the keys: what each may use, its state, when it ends')
    .option(...configOption)
    .option(...jsonOption)
    .action(async ({ config, json = false }: Config & { readonly json?: boolean }) => {
      const { keyListCommand } = await import('./key-list.ts')
      done(await keyListCommand(io, await loadParts(), { config, json }))
    })
  key
    .command('show')
    .description('show one key with its secrets')
    .argument(...nameArgument)
    .option(...configOption)
    .option(...jsonOption)
    .action(async (name: string, { config, json = false }: Config & { readonly json?: boolean }) => {
      const { keyShowCommand } = await import('./key-list.ts')
      done(await keyShowCommand(io, await loadParts(), name, { config, json }))
    })
  key
    .command('check')
    .description(
      'show whose a key is and whether it is valid; it is typed without echo, or read from standard input',
    )
    .option(...configOption)
    .option(...jsonOption)
    .action(async ({ config, json = false }: Config & { readonly json?: boolean }) => {
      const { keyCheckCommand } = await import('./key-check.ts')
      done(await keyCheckCommand(io, await loadParts(), { config, json }))
    })
}

function addSharing(key: Command, io: CredentialIo, done: (status: number) => void): void {
  key
    .command('publish')
    .description('sign the keys of this machine, and put them in force on all that share them')
    .option(...configOption)
    .action(async ({ config }: Config) => {
      const { keyPublishCommand } = await import('./key-publish.ts')
      done(await keyPublishCommand(io, await loadParts(), config))
    })
  const publisher = key
    .command('publisher')
    .description('the machine that signs the keys of several (rate_limit_settings.store)')
  publisher
    .command('create')
    .description('make the pair of keys that it signs with, and print what to write into the configurations')
    .option(
      '--to <file>',
      'write the private key to this new file (default: keys-signer.key beside the configuration)',
    )
    .option(...configOption)
    .action(async (options: Config & { readonly to?: string }) => {
      const { keyPublisherCreateCommand } = await import('./key-publisher-create.ts')
      done(await keyPublisherCreateCommand(io, options))
    })
}

function addMaster(key: Command, io: CredentialIo, done: (status: number) => void): void {
  const master = key.command('master').description('the one key that may see what all clients use')
  master
    .command('set')
    .description('replace the master key by one that is typed, read from standard input, or generated')
    .option('--generate', 'make a key, and print it once')
    .option(...lengthOption)
    .option(...prefixOption)
    .option(...toOption)
    .option(...configOption)
    .action(async (options: Typed & { readonly generate?: boolean }) => {
      const { keyMasterSetCommand } = await import('./key-master-set.ts')
      done(await keyMasterSetCommand(io, await loadParts(), options))
    })
  master
    .command('rotate')
    .description('give the master key a new secret; the one before stays valid for a while')
    .option(...graceOption)
    .option(...lengthOption)
    .option(...toOption)
    .option(...configOption)
    .action(async (options: Typed) => {
      const [{ keyRotateCommand }, { masterName }] = await Promise.all([
        import('./key-rotate.ts'),
        import('./key-master-set.ts'),
      ])
      done(await keyRotateCommand(io, await loadParts(), masterName, options))
    })
}
