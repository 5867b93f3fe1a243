// The command lines of `llm-gateway deploy` and `llm-gateway tunnel`.
import type { Command } from 'commander'
import { runProgram } from '../systemd/programs.ts'
import type { CredentialIo } from './credential-set.ts'

interface DeployFlags {
  readonly system?: boolean
  readonly config?: string
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly rollback?: boolean
  readonly replaceKeys?: boolean
}

/** @param done receives the exit status of the command. */
export function addDeployCommands(
  program: Command,
  io: CredentialIo,
  version: string,
  done: (status: number) => void,
): void {
  program
    .command('deploy')
    .description('install the gateway on another machine over ssh, or update it there')
    .argument('<destination>', '[user@]host, as ssh knows it')
    .option('--system', 'the system-wide service, by sudo without a password (default for root)')
    .option('-c, --config <file>', "configuration to copy (default: the box's own, else this machine's)")
    .option('--replace-keys', 'also copy keys that the box has already')
    .option('--rollback', 'go back to the version and the configuration from before the last deploy')
    .option('--dry-run', 'show what would change, and change nothing')
    .option('-y, --yes', 'do not ask before anything is changed')
    .addHelpText('after', deployHelp)
    .action(async (destination: string, flags: DeployFlags) => {
      if (flags.rollback === true && (flags.config !== undefined || flags.replaceKeys === true)) {
        program.error('error: --rollback goes with neither --config nor --replace-keys')
      }
      const { deployCommand } = await import('./deploy/deploy.ts')
      const options = {
        isForSystem: flags.system === true,
        isDryRun: flags.dryRun === true,
        isAgreed: flags.yes === true,
        isRollback: flags.rollback === true,
        isReplacingKeys: flags.replaceKeys === true,
        config: flags.config,
      }
      done(await deployCommand(io, destination, options, { version, run: runProgram }))
    })
}

const deployHelp = `
Copies the program with its Node, the configuration, and the keys that it refers to as credentials
and that this machine has; installs the service, runs doctor there, and prints the line for a
tunnel. Shows all changes first and asks. Repeating it is safe. The connection is your own ssh:
its configuration, its host keys, its prompts. The box needs Linux with systemd, on x86_64 or
aarch64; deploy makes no changes to its firewall or its ssh server.

Identities of the vault, keys of clients and the ledger are never copied. Keys travel one by one,
through the standard input of a command on the box, which stores them as credentials.

Examples:
  llm-gateway deploy you@the-box --dry-run
  llm-gateway deploy you@the-box --config llm-gateway.yaml
  llm-gateway deploy you@the-box --rollback

Exit status: 0 the box runs it and its doctor finds no failure, 1 failure, 2 invalid usage`
