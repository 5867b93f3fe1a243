// The commands as data, for the completions of shells and the manual page: what `--help` shows, in the same words.
import type { Argument, Command, Option } from 'commander'
import { clientNames, sourceNames } from './known-names.ts'

export interface CommandEntry {
  /** Without the name of the program, whose own path is empty. */
  readonly path: readonly string[]
  readonly description: string
  readonly options: readonly OptionEntry[]
  readonly operands: readonly OperandEntry[]
  /** Those that `--help` lists. */
  readonly commands: readonly CommandEntry[]
  /** Of `commands`, the one that runs where none is named. */
  readonly defaultCommand: CommandEntry | undefined
}

export interface OptionEntry {
  /** As it is typed: `-c, --config <file>`. */
  readonly flags: string
  readonly short: string | undefined
  readonly long: string | undefined
  /** With its default. */
  readonly description: string
  /** Undefined: it has none. */
  readonly value: ValueEntry | undefined
}

export interface OperandEntry extends ValueEntry {
  readonly description: string
  readonly isRequired: boolean
}

export interface ValueEntry {
  /** As `--help` has it: `file`. */
  readonly name: string
  readonly isRepeated: boolean
  /** Undefined: any text. */
  readonly completes: Completes | undefined
}

/** What a shell may offer for a value. */
export type Completes = NameKind | 'directories' | 'files' | 'users' | readonly string[]

/** Names that `llm-gateway complete KIND` prints. */
export type NameKind = (typeof nameKinds)[number]

export const nameKinds = [
  'credentials',
  'keys',
  'models',
  'providers',
  'secrets',
  'services',
  'sinks',
  'units',
] as const

export function describeCommand(command: Command, path: readonly string[] = []): CommandEntry {
  const help = command.createHelp()
  const commands = help
    .visibleCommands(command)
    // `help COMMAND`, which repeats all of them.
    .filter((each) => each.name() !== 'help')
    .map((each) => describeCommand(each, [...path, each.name()]))
  const options = help
    .visibleOptions(command)
    .map((option) => describeOption(option, help.optionDescription(option), path))
  const operands = help
    .visibleArguments(command)
    .map((operand) => describeOperand(operand, help.argumentDescription(operand), path))
  // commander keeps the name to itself.
  const { _defaultCommandName: name } = command as { readonly _defaultCommandName?: string | null }
  const defaultCommand = commands.find((each) => each.path.at(-1) === name)
  return { path, description: command.description(), options, operands, commands, defaultCommand }
}

function describeOption(option: Option, description: string, path: readonly string[]): OptionEntry {
  const { flags, short, long, variadic, argChoices } = option
  const name = /[<[]([^>\].]+)/.exec(flags)?.[1]
  const value =
    name === undefined
      ? undefined
      : { name, isRepeated: variadic, completes: argChoices ?? completesOption(long, name, path) }
  return { flags, short, long, description, value }
}

function describeOperand(operand: Argument, description: string, path: readonly string[]): OperandEntry {
  const { argChoices, required: isRequired, variadic: isRepeated } = operand
  const name = operand.name()
  return { name, description, isRequired, isRepeated, completes: argChoices ?? completesOperand(name, path) }
}

const byName: Readonly<Record<string, Completes>> = {
  directory: 'directories',
  file: 'files',
  folder: 'directories',
  model: 'models',
  path: 'files',
  provider: 'providers',
  sink: 'sinks',
  unit: 'units',
  user: 'users',
}

/** Of an operand that is called `name`, by the command or its group. */
const byCommand: Readonly<Record<string, Completes>> = {
  'credential remove': 'credentials',
  key: 'keys',
  providers: 'providers',
  secret: 'secrets',
  services: 'services',
}

/** Of an operand or option's value that only this command has. */
const ofCommand: Readonly<Record<string, Completes>> = {
  'connect client': clientNames,
  'import --from': sourceNames,
  'tunnel action': ['status'],
}

/** A new name. */
const isNew: ReadonlySet<string> = new Set(['key create'])

function completesOperand(name: string, path: readonly string[]): Completes | undefined {
  const command = path.join(' ')
  if (isNew.has(command)) return undefined
  const own = byCommand[command] ?? (name === 'name' ? byCommand[path[0] ?? ''] : undefined)
  return ofCommand[`${command} ${name}`] ?? own ?? byName[name]
}

function completesOption(
  long: string | undefined,
  name: string,
  path: readonly string[],
): Completes | undefined {
  const own = long === '--provider' ? 'providers' : ofCommand[`${path.join(' ')} ${long}`]
  return own ?? (path.length > 0 ? byName[name] : undefined)
}

/** The program, and every command below it. */
export function* everyCommand(command: CommandEntry): Generator<CommandEntry> {
  yield command
  for (const each of command.commands) yield* everyCommand(each)
}

/** What may follow the name of a command, that of its default command included. */
export function usableAt(command: CommandEntry): Pick<CommandEntry, 'options' | 'operands'> {
  const { options, operands, defaultCommand } = command
  if (defaultCommand === undefined) return { options, operands }
  const own = new Set(options.map(({ flags }) => flags))
  const further = defaultCommand.options.filter(({ flags }) => !own.has(flags))
  return { options: [...options, ...further], operands: defaultCommand.operands }
}
