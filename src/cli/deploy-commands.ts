// The command lines of `llm-gateway deploy` and `llm-gateway tunnel`.
import { type Command, InvalidArgumentError } from 'commander'
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
  program
    .command('tunnel')
    .description('keep an ssh tunnel to the gateway of another machine up, as a user unit')
    .argument('<destination>', '[user@]host, as ssh knows it')
    .argument('[action]', 'only report whether it is up: status')
    .option('--port <port>', 'port of this machine (default: 4000)', portNumber)
    .option('--to <port>', 'port of the gateway there (default: 4000)', portNumber)
    .option('--print', 'print the unit, and change nothing')
    .option('--remove', 'end the tunnel, and remove the unit')
    .addHelpText('after', tunnelHelp)
    .action(async (destination: string, action: string | undefined, flags: TunnelFlags) => {
      const chosen = [
        ...(action === undefined ? [] : [action]),
        ...(flags.print === true ? ['print'] : []),
        ...(flags.remove === true ? ['remove'] : []),
      ]
      if (action !== undefined && action !== 'status') program.error('error: the only action is: status')
      if (chosen.length > 1) program.error('error: use one of: status, --print, --remove')
      const { tunnelCommandLine } = await import('./tunnel.ts')
      const options = {
        action: (chosen[0] ?? 'install') as 'install' | 'print' | 'remove' | 'status',
        port: flags.port,
        remotePort: flags.to,
      }
      done(await tunnelCommandLine(io, destination, options, runProgram))
    })
}

interface TunnelFlags {
  readonly port?: number
  readonly to?: number
  readonly print?: boolean
  readonly remove?: boolean
}

function portNumber(text: string): number {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port > 0 && port < 65_536) return port
  throw new InvalidArgumentError('Expected a port: 1 to 65535.')
}

const tunnelHelp = `
The unit runs ssh -N -L with your own ssh configuration and host keys. It cannot ask for a
passphrase: use an agent that the user manager knows, or a key that may do nothing else there.
It starts with your session; when the connection is lost, systemd connects again.

Examples:
  llm-gateway tunnel you@the-box
  llm-gateway tunnel you@the-box status
  llm-gateway tunnel you@the-box --port 4001
  llm-gateway tunnel you@the-box --remove

Exit status: 0 it is up, or what was asked for is done, 1 failure, 2 invalid usage`

const deployHelp = `
Copies the program with its Node, the configuration, and the keys that it refers to and that this
machine has; installs the service, runs doctor there, and prints the line for a
tunnel. Shows all changes first and asks. Repeating it is safe. The connection is your own ssh:
its configuration, its host keys, its prompts. The box needs Linux with systemd, on x86_64 or
aarch64; deploy makes no changes to its firewall or its ssh server.

Identities of the vault, keys of clients and the ledger are never copied. Keys travel one by one,
through the standard input of a command on the box, which stores them as credentials; the box's
copy of the configuration names those of variables, files and stored secrets as well.

Examples:
  llm-gateway deploy you@the-box --dry-run
  llm-gateway deploy you@the-box --config llm-gateway.yaml
  llm-gateway deploy you@the-box --rollback

Exit status: 0 the box runs it and its doctor finds no failure, 1 failure, 2 invalid usage`
