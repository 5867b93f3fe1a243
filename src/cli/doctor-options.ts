// The command line of `llm-gateway doctor`.
import { type Command, InvalidArgumentError } from 'commander'
import { programRunner } from '../systemd/programs.ts'
import type { CommandIo } from './output.ts'
import { chosenPlaces, type ScopeOptions } from './service-commands.ts'

/** `systemctl show` answers at once, or its manager hangs. */
const systemctlTimeoutMs = 5_000

interface Options extends ScopeOptions {
  readonly config?: string
  readonly json?: boolean
  readonly strict?: boolean
  readonly calls: boolean
  readonly timeout?: number
  readonly provider?: string[]
}

/** @param done gets the exit status of the command. */
export function addDoctorCommand(
  program: Command,
  io: CommandIo,
  version: string,
  done: (status: number) => void,
): void {
  program
    .command('doctor')
    .description('look at everything that calls need, and say how to mend what is wrong')
    .option('-c, --config <file>', 'configuration file (default: see llm-gateway --help)')
    .option('-p, --provider <name...>', 'ask these providers only')
    .option('--no-calls', 'ask providers for their models only: costs no token')
    .option(
      '--timeout <seconds>',
      'longest wait for an answer (default: 120 for a local provider, 30 else)',
      seconds,
    )
    .option('--json', 'print the findings as JSON')
    .option('--strict', 'warnings count as failures')
    .option('--user', 'look at the service of this user (the default, but for root)')
    .option('--system', 'look at the service of the machine')
    .addHelpText('after', helpEnd)
    .action(async (options: Options) => {
      const { config, json = false, strict = false, calls, timeout, provider = [] } = options
      const asked = {
        config,
        isJson: json,
        isStrict: strict,
        mayCall: calls,
        timeoutMs: timeout === undefined ? undefined : timeout * 1000,
        providers: provider,
      }
      const surroundings = {
        version,
        places: chosenPlaces(options, io.env),
        run: programRunner(systemctlTimeoutMs),
        now: () => performance.now(),
      }
      const { doctorCommand } = await import('./doctor/doctor.ts')
      done(await doctorCommand(io, asked, surroundings))
    })
}

const maxSeconds = 3_600

function seconds(text: string): number {
  const value = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && value > 0 && value <= maxSeconds) return value
  throw new InvalidArgumentError(`Give seconds, more than 0 and at most ${maxSeconds}.`)
}

const helpEnd = `
Looks at the runtime, the configuration, file modes, keys, the service, the port, and each
provider: can it be reached, does it take the key, has it the models, does it stream, does
it report usage, how soon does it begin. Changes nothing, and shows no key. Each provider
gets one call of at most 16 tokens, which costs a little where calls cost; --no-calls
leaves it out.

A local server that is not there, or not well, is a failure only where a model of yours
has no other target or fallback that works. Models that stand in the file as in the one
that the program ships are examples: their servers are warnings, also when none is there.

Examples:
  llm-gateway doctor
  llm-gateway doctor --provider ollama --timeout 300
  llm-gateway doctor --no-calls --json | jq '.checks[] | select(.state == "fail")'

Exit status: 0 nothing fails (there may be warnings, without --strict), 1 something fails,
2 the command line is wrong. systemd/examples/ has a weekly timer.`
