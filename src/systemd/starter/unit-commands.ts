// What the starter runs for a service, as arguments: no shell reads them, and nothing in them comes from the gateway but the
// choice of the service. systemctl(1), systemd-run(1).
import type { TransientUnit } from '../../config/service-types.ts'
import type { Scope } from '../scope.ts'
import { scopeOptions } from '../scope.ts'

/** A service of the configuration, as far as the starter needs it. */
export interface ConfiguredService {
  /** The provider's name. */
  readonly service: string
  readonly unit: string
  /** Absent: the manager knows the unit. */
  readonly run?: TransientUnit
}

export interface UnitCommand {
  readonly program: 'systemctl' | 'systemd-run'
  readonly args: readonly string[]
  /** Besides what leads to the manager. Other users can read arguments, but not the environment. */
  readonly environment?: ReadonlyMap<string, string>
}

/** What `readReports` reads. */
const properties = [
  'Id',
  'Names',
  'LoadState',
  'ActiveState',
  'SubState',
  'Result',
  'ExecMainCode',
  'ExecMainStatus',
  'NRestarts',
  'InvocationID',
  'ActiveEnterTimestampMonotonic',
  'MemoryCurrent',
  'UID',
  'User',
]

/** Reports all units in one run. */
export function showCommand(manager: Scope, units: readonly string[]): UnitCommand {
  return systemctl(manager, 'show', [`--property=${properties.join(',')}`], units)
}

/** Forgets failures and the count of starts, either of which would make the manager refuse another start. */
export function resetCommand(manager: Scope, { unit }: ConfiguredService): UnitCommand {
  return systemctl(manager, 'reset-failed', [], [unit])
}

/** Asks the manager to start it, and does not wait for that. */
export function startCommand(manager: Scope, service: ConfiguredService): UnitCommand {
  const { unit, run } = service
  if (run === undefined) return systemctl(manager, 'start', ['--no-block', '--no-ask-password'], [unit])
  const { command, environment, workingDirectory, memoryMax } = run
  const [program = '', ...rest] = command
  return {
    program: 'systemd-run',
    environment: new Map([...environment].filter(([name]) => !concernsProgram.test(name))),
    args: [
      ...scopeOptions(manager),
      '--quiet',
      '--no-block',
      '--no-ask-password',
      `--unit=${unit}`,
      `--description=Model server of the provider ${service.service} of llm-gateway`,
      // The start fails visibly if the program cannot be executed.
      '--service-type=exec',
      ...sandbox.map((property) => `--property=${property}`),
      `--property=SyslogIdentifier=${service.service}`,
      ...(memoryMax === undefined ? [] : [`--property=MemoryMax=${memoryMax}`]),
      // Without a value, it takes that of its own environment.
      ...[...environment].map(([name, value]) =>
        concernsProgram.test(name) ? `--setenv=${name}=${value}` : `--setenv=${name}`,
      ),
      ...(workingDirectory === undefined ? [] : [`--working-directory=${workingDirectory}`]),
      '--',
      program,
      // The manager replaces `$NAME` in arguments, but not in the program's path: systemd.service(5), COMMAND LINES.
      ...rest.map((word) => word.replaceAll('$', () => '$$')),
    ],
  }
}

/** What would change how systemd-run itself works; these are arguments with their values, and hold no secrets. */
const concernsProgram =
  /^(?:DBUS_|GLIBC_|LANG|LC_|LD_|MALLOC_|SYSTEMD_|(?:GCONV_PATH|LOCPATH|NLSPATH|XDG_RUNTIME_DIR)$)/

/** Asks the manager to stop it, and does not wait for that. */
export function stopCommand(manager: Scope, { unit }: ConfiguredService): UnitCommand {
  return systemctl(manager, 'stop', ['--no-block', '--no-ask-password'], [unit])
}

function systemctl(
  manager: Scope,
  verb: string,
  options: readonly string[],
  units: readonly string[],
): UnitCommand {
  return { program: 'systemctl', args: [...scopeOptions(manager), verb, ...options, '--', ...units] }
}

/**
 * Of transient units. A model server needs its GPU's devices, shared memory and compiled kernels, and may keep a cache in the home
 * directory, so devices and files stay as the user has them. A unit file can be stricter (systemd/examples).
 */
const sandbox = [
  'NoNewPrivileges=yes',
  'RestrictSUIDSGID=yes',
  'RestrictNamespaces=yes',
  'LockPersonality=yes',
  'KeyringMode=private',
  'SystemCallArchitectures=native',
  'UMask=0077',
  // Prompts are in its memory, and a dump of a model would fill the disk.
  'LimitCORE=0',
  // A server that has lost a process to the kernel must not seem to run.
  'OOMPolicy=stop',
  // It has nothing to save. One that ignores SIGTERM would keep the GPU for the manager's 90 s.
  'TimeoutStopSec=30',
]
