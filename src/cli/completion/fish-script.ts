// The completion script of fish.
import {
  type CommandEntry,
  type Completes,
  everyCommand,
  usableAt,
  type ValueEntry,
} from '../command-tree.ts'

export function fishScript(program: CommandEntry): string {
  const commands = [...everyCommand(program)]
  const paths = commands
    .filter(({ path }) => path.length > 0)
    .map(({ path }) => quoted(path.join(' ')))
    .join(' ')
  const lines = commands.flatMap((command) => linesOf(command)).join('\n')
  return script.replace('@paths@', () => paths).replace('@lines@', () => lines)
}

function linesOf(command: CommandEntry): string[] {
  const { options, operands } = usableAt(command)
  const at = `complete -c llm-gateway -n ${quoted(`__llm_gateway_at ${quoted(command.path.join(' '))}`)}`
  const subcommands = command.commands.map(
    ({ path, description }) => `${at} -a ${quoted(path.at(-1)!)} -d ${quoted(description)}`,
  )
  const flags = options.map(({ short, long, description, value }) => {
    const names = [
      short === undefined ? '' : ` -s ${short.slice(1)}`,
      long === undefined ? '' : ` -l ${long.slice(2)}`,
    ]
    const offered = value === undefined ? '' : ` -r${offer(value) || ' -f'}`
    return `${at}${names.join('')}${offered} -d ${quoted(description)}`
  })
  const values = new Set(operands.map((operand) => offer(operand)).filter((each) => each !== ''))
  return [...subcommands, ...flags, ...[...values].map((each) => at + each)]
}

function offer({ completes }: ValueEntry): string {
  return completes === undefined ? '' : completes === 'files' ? ' -F' : ` -f -a ${quoted(listOf(completes))}`
}

function listOf(completes: Completes): string {
  if (typeof completes !== 'string') return completes.join(' ')
  if (completes === 'directories') return '(__fish_complete_directories)'
  return completes === 'users' ? '(__fish_complete_users)' : `(__llm_gateway_names ${completes})`
}

function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, String.raw`\$&`)}'`
}

const script = String.raw`# Completion of llm-gateway for fish, printed by: llm-gateway completion fish

set -g __llm_gateway_paths @paths@

# Whether the command that was typed so far is $argv[1].
function __llm_gateway_at
    set -l path
    for word in (commandline -opc)[2..-1]
        string match -q -- '-*' $word; and continue
        set -l longer (string join ' ' $path $word)
        contains -- $longer $__llm_gateway_paths; and set path $longer
    end
    test "$path" = "$argv[1]"
end

# Prints the names of the kind $argv[1] in the configuration that the command line names, or the usual one.
function __llm_gateway_names
    set -l words (commandline -opc)
    set -l program $words[1]
    command -q $program; or set program llm-gateway
    set -l places
    set -l before
    for word in $words[2..-1]
        if contains -- "$before" -c --config
            set -a places --config (string replace -r '^~/' "$HOME/" -- $word)
        else if string match -q -- '--config=*' $word; or contains -- $word --system --user
            set -a places $word
        end
        set before $word
    end
    command $program complete $places $argv[1] 2>/dev/null
end

complete -c llm-gateway -f
@lines@
`
