// The command line: commands, options and the exit status (0: success; 1: a check or the command failed; 2: invalid usage).
// Each command is loaded only when it runs, which keeps the start of the gateway short.
import { Command, CommanderError } from 'commander'
import { addAuditCommands } from './audit-commands.ts'
import { addCallsCommands } from './calls-commands.ts'
import { addCompletionCommands } from './completion/commands.ts'
import { addDeployCommands } from './deploy-commands.ts'
import { addDoctorCommand } from './doctor.ts'
import { addReportCommand } from './report-command.ts'
import { addImportCommand } from './import/import-program.ts'
import { addSecretCommands } from './secret-commands.ts'
import { errorStream, readVersion } from './program-io.ts'
import type { ServeProgramIo } from './serve-program.ts'
import { addPricesCommands } from './prices-commands.ts'
import { addKeyCommands } from './key-commands.ts'
import { addMachinesCommands } from './machines-commands.ts'
import { addNotifyCommands } from './notify-commands.ts'
import { addSetUpCommands } from './set-up-commands.ts'
import { addServiceCommands } from './service-commands.ts'
import { addServicesCommands } from './services-commands.ts'
import { addUsageCommands } from './usage-commands.ts'
import type { CredentialIo } from './credential-set.ts'
import type { CommandIo } from './output.ts'
import { withoutKeys } from './without-keys.ts'

const usageErrorStatus = 2

/** @returns a program whose `run` resolves to the exit status. */
export function createProgram(given: ServeProgramIo & Partial<Pick<CredentialIo, 'stdin'>>): {
  run(args: readonly string[]): Promise<number>
  /** For what is generated from the commands. */
  readonly command: Command
} {
  const { stdout, env } = given
  const io = { stdout, stderr: errorStream(given), env }
  const version = readVersion()
  let status = 0
  const program = new Command('llm-gateway')
    .description('One OpenAI-compatible endpoint on loopback in front of every model you use.')
    .version(version, '-V, --version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(usageError(text)),
    })
    .showSuggestionAfterError()
    .showHelpAfterError('(run llm-gateway --help for commands and options)')

  const done = (result: number) => {
    status = result
  }
  addServeCommand(program, given, done)
  addGatewayCommands(program, io, done)
  addImportCommand(program, io, done)
  addDoctorCommand(program, io, version, done)
  addAuditCommands(program, io, done)
  // Node makes the stream when it is asked for, which takes 2 to 5 ms.
  const ioWithInput = {
    ...io,
    get stdin() {
      return given.stdin ?? process.stdin
    },
  }
  addSetUpCommands(program, ioWithInput, done)
  addCallsCommands(program, ioWithInput, done)
  addDeployCommands(program, ioWithInput, version, done)
  addServiceCommands(program, ioWithInput, done)
  addServicesCommands(program, io, done)
  addPricesCommands(program, ioWithInput, done)
  addSecretCommands(program, ioWithInput, done)
  addKeyCommands(program, ioWithInput, done)
  addUsageCommands(program, io, done)
  addMachinesCommands(program, io, done)
  addNotifyCommands(program, io, done)
  addReportCommand(program, ioWithInput, version, done)
  addCompletionCommands(program, io, done)
  program.addHelpText('after', helpEnd)

  return {
    command: program,
    async run(args) {
      try {
        await program.parseAsync(args, { from: 'user' })
      } catch (error) {
        if (!(error instanceof CommanderError)) throw error
        return error.exitCode === 0 ? 0 : usageErrorStatus
      }
      return status
    },
  }
}

const configOption = ['-c, --config <file>', 'configuration file (default: see llm-gateway --help)'] as const

/** @param done receives the exit status of the command that ran. */
function addServeCommand(program: Command, io: ServeProgramIo, done: (status: number) => void): void {
  program
    .command('serve')
    .description('run the gateway until SIGTERM or SIGINT')
    .option(...configOption)
    .action(async ({ config }: { config?: string }) => {
      const { serve } = await import('./serve-program.ts')
      done(await serve(io, config))
    })
}

/** @param done receives the exit status of the command that ran. */
function addGatewayCommands(program: Command, io: CommandIo, done: (status: number) => void): void {
  program
    .command('validate-config')
    .description('check a configuration file: report every problem, with line and column')
    .argument('[file]', 'configuration file')
    .option(...configOption)
    .option('--json', 'print the problems as JSON')
    .option('--without-secrets', 'do not check that keys can be found, for users who may not read them')
    .action(
      async (
        file: string | undefined,
        options: { config?: string; json?: boolean; withoutSecrets?: boolean },
      ) => {
        if (file !== undefined && options.config !== undefined)
          program.error('error: use either FILE or --config, not both')
        const { json = false, withoutSecrets = false } = options
        const { validateConfigCommand } = await import('./validate-config.ts')
        done(await validateConfigCommand(io, file ?? options.config, { json, withoutSecrets }))
      },
    )
  program
    .command('explain')
    .description('show how a call for a model is routed: rule, targets, limits, sources of keys')
    .argument('<model>', 'model name, as a client would send it')
    .option(...configOption)
    .option('--dialect <name>', 'also show the way of calls in this format: chat, messages, responses')
    .option('--members', 'with --dialect: list every member of the format, and how it is carried')
    .option('--json', 'print the result as JSON')
    .action(
      async (
        model: string,
        {
          json = false,
          ...options
        }: { config?: string; dialect?: string; members?: boolean; json?: boolean },
      ) => {
        const { explainCommand } = await import('./explain.ts')
        done(await explainCommand(io, model, { ...options, json }))
      },
    )
  program
    .command('status')
    .description('show what the running gateway does: calls, providers, limits, failures, usage')
    .option(...configOption)
    .option('--json', 'print the report as JSON')
    .action(async ({ config, json = false }: { config?: string; json?: boolean }) => {
      const { statusCommand } = await import('./status.ts')
      done(await statusCommand(io, { config, json }))
    })
  program
    .command('providers')
    .description('show the servers behind the running gateway: slots, line, cache, speeds, models')
    .argument('[name]', 'only this one')
    .option(...configOption)
    .option('--json', 'print the list as JSON')
    .action(
      async (name: string | undefined, { config, json = false }: { config?: string; json?: boolean }) => {
        const { providersCommand } = await import('./providers.ts')
        done(await providersCommand(io, name, { config, json }))
      },
    )
  program
    .command('limits')
    .description('show how the limits of the running gateway stand')
    .option(...configOption)
    .option('--json', 'print the report as JSON')
    .action(async ({ config, json = false }: { config?: string; json?: boolean }) => {
      const { limitsCommand } = await import('./limits.ts')
      done(await limitsCommand(io, { config, json }))
    })
  program
    .command('metrics')
    .description('print what the running gateway has counted, as Prometheus reads it')
    .option('-c, --config <file>', 'ask the gateway that runs with this configuration file')
    .option(
      '--textfile <file>',
      'replace this file instead, for the textfile collector of node_exporter: NAME.prom',
    )
    .action(async ({ config, textfile }: { config?: string; textfile?: string }) => {
      const { metricsCommand } = await import('./metrics.ts')
      done(await metricsCommand(io, { config, textfile }))
    })
}

/** Ends `--help`, and stands in the manual page. */
export const helpEnd = `
The configuration file is the first of: --config, $LLM_GATEWAY_CONFIG,
~/.config/llm-gateway/llm-gateway.yaml, /etc/llm-gateway/llm-gateway.yaml,
and the packaged example.

Exit status: 0 success, 1 failure (the reasons are printed), 2 invalid usage.`

/** Without the values that commander repeats, because one may be a key, and with the way that the command reads them. */
function usageError(typed: string): string {
  const text = withoutKeys(typed)
  const unknownOption = /^(error: unknown option '[^'=]*)=.*'/s.exec(text)?.[1]
  if (unknownOption !== undefined) return `${unknownOption}'\n`
  const [, excess, command = ''] = /^(error: too many arguments for '([^']*)')/.exec(text) ?? []
  if (excess === undefined) return text
  return `${excess}${excessHints[command] ?? ''}\n`
}

const asOption = '; name a configuration file with --config FILE'
const asInput = '; a key is typed when the command asks for it, or read from standard input'

const excessHints: Readonly<Record<string, string>> = {
  serve: asOption,
  explain: asOption,
  limits: asOption,
  doctor: asOption,
  check: asInput,
  set: asInput,
  rotate: asInput,
}
