// The command line of `llm-gateway doctor`.
import { type Command, InvalidArgumentError } from 'commander'
import { systemClock } from '../platform/clock.ts'
import { programRunner } from '../systemd/programs.ts'
import type { CommandIo } from './output.ts'
import { chosenPaths, type ScopeOptions } from './chosen-paths.ts'

/** `systemctl show` responds at once unless the manager hangs. */
const systemctlTimeoutMs = 5_000

interface Options extends ScopeOptions {
  readonly config?: string
  readonly json?: boolean
  readonly strict?: boolean
  readonly calls: boolean
  readonly timeout?: number
  readonly provider?: string[]
}

/** @param done receives the exit status of the command. */
export function addDoctorCommand(
  program: Command,
  io: CommandIo,
  version: string,
  done: (status: number) => void,
): void {
  program
    .command('doctor')
    .description('check everything that calls need, and suggest how to fix what fails')
    .option('-c, --config <file>', 'configuration file (default: see llm-gateway --help)')
    .option('-p, --provider <name...>', 'check only these providers')
    .option('--no-calls', 'only list the models of providers, which costs no tokens; connect to local ones')
    .option(
      '--timeout <seconds>',
      'longest wait for a response (default: 120 for a local provider, else 30)',
      seconds,
    )
    .option('--json', 'print the findings as JSON')
    .option('--strict', 'treat warnings as failures')
    .option('--user', "check this user's service (default, except for root)")
    .option('--system', 'check the system-wide service')
    .addHelpText('after', helpEnd)
    .action(async (options: Options) => {
      const { config, json = false, strict = false, calls, timeout, provider = [] } = options
      const doctorOptions = {
        config,
        isJson: json,
        isStrict: strict,
        mayCall: calls,
        timeoutMs: timeout === undefined ? undefined : timeout * 1000,
        providers: provider,
      }
      const parts = {
        version,
        paths: chosenPaths(options, io.env),
        run: programRunner(systemctlTimeoutMs),
        clock: systemClock,
      }
      const { doctorCommand } = await import('./doctor/doctor.ts')
      done(await doctorCommand(io, doctorOptions, parts))
    })
}

const maxSeconds = 3_600

function seconds(text: string): number {
  const value = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && value > 0 && value <= maxSeconds) return value
  throw new InvalidArgumentError(`Expected seconds: more than 0, at most ${maxSeconds}.`)
}

const helpEnd = `
Checks the runtime, the configuration, file modes, keys, the service and the port, and for each
provider whether it can be reached, accepts the key, has the models, streams, reports usage, and
how soon its first byte arrives. Changes nothing and shows no key. Each provider receives one call
of at most 16 tokens, which may cost a little; --no-calls skips it, and only connects to a local
provider without discover_models and health_check, where any request may load a model. A server
that systemd starts for calls is not started: doctor examines its unit, and calls it if it runs.

A local server that cannot be reached or does not work is a failure only if one of your models
has no other target or fallback that works. Models that are unchanged from the packaged example
do not count as yours: a problem with their servers is at most a warning.

Examples:
  llm-gateway doctor
  llm-gateway doctor --provider ollama --timeout 300
  llm-gateway doctor --no-calls --json | jq '.checks[] | select(.state == "fail")'

Exit status: 0 no failures (warnings are possible without --strict), 1 failures, 2 invalid
usage. To run it once a week: llm-gateway systemd install --doctor-timer`
