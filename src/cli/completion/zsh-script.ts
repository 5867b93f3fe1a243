// The completion script of zsh: one function for each command, in the words of _arguments(zshcompsys(1)).
import {
  type CommandEntry,
  type Completes,
  everyCommand,
  type OptionEntry,
  usableAt,
} from '../command-tree.ts'
import { unescaped } from './unescaped.ts'

export function zshScript(program: CommandEntry): string {
  const functions = [...everyCommand(program)].map((command) => functionOf(command)).join('\n')
  return unescaped(script).replace('@functions@', () => functions)
}

function functionOf(command: CommandEntry): string {
  const { options, operands } = usableAt(command)
  const lines = options.flatMap((option) => optionSpecs(option)).map((spec) => quoted(spec))
  // A subcommand stands where the first operand of the default command would, which is offered beside them.
  const { commands } = command
  if (commands.length === 0) {
    for (const { name, isRequired, isRepeated, completes } of operands) {
      const position = isRepeated ? '*' : isRequired ? '' : ':'
      lines.push(quoted(`${position}:${escaped(name)}:${action(completes)}`))
    }
    return `${nameOf(command)}() {\n  _arguments -s -S ${lines.join(' \\\n    ')}\n}`
  }
  const described = commands.map(({ path, description }) =>
    quoted(`${path.at(-1)!.replaceAll(':', String.raw`\:`)}:${description}`),
  )
  const [first] = command.defaultCommand === undefined ? [] : operands
  const beside = first === undefined ? '' : `\n      ${direct(first.completes)}`
  const cases = commands.map((each) => `        ${each.path.at(-1)!}) ${nameOf(each)} ;;`).join('\n')
  return `${nameOf(command)}() {
  local state line
  _arguments -s -S -C ${[...lines, "'1:command:->command'", "'*::argument:->argument'"].join(' \\\n    ')}
  case $state in
    command)
      local -a subcommands=(${described.join(' ')})
      _describe -t commands command subcommands${beside}
      ;;
    argument)
      case $line[1] in
${cases}
      esac
      ;;
  esac
}`
}

function nameOf({ path }: CommandEntry): string {
  return ['_llm-gateway', ...(path.length === 0 ? ['', 'program'] : path)].join('_')
}

function optionSpecs({ short, long, description, value }: OptionEntry): string[] {
  const flags = [short, long].filter((flag) => flag !== undefined)
  const others = flags.length > 1 && value?.isRepeated !== true ? `(${flags.join(' ')})` : ''
  const repeated = value?.isRepeated === true ? '*' : ''
  const text = `[${escaped(description)}]`
  return flags.map((flag) => {
    if (value === undefined) return `${others}${flag}${text}`
    const joined = flag.startsWith('--') ? '=' : '+'
    return `${others}${repeated}${flag}${joined}${text}:${escaped(value.name)}:${action(value.completes)}`
  })
}

function action(completes: Completes | undefined): string {
  if (completes === undefined) return ' '
  if (typeof completes !== 'string') return `(${completes.join(' ')})`
  // A blank before it: else _arguments inserts options of compadd before the kind.
  return isOfZsh(completes) ? direct(completes) : ` ${direct(completes)}`
}

/** Whether zsh has a function for it, which uses those options. */
function isOfZsh(completes: Completes): boolean {
  return completes === 'files' || completes === 'directories' || completes === 'users'
}

function direct(completes: Completes | undefined): string {
  if (completes === undefined) return ''
  if (typeof completes !== 'string') return `compadd -- ${completes.map((each) => quoted(each)).join(' ')}`
  if (completes === 'files') return '_files'
  if (completes === 'directories') return '_files -/'
  return completes === 'users' ? '_users' : `_llm-gateway-names ${completes}`
}

/** Within a spec of _arguments. */
function escaped(text: string): string {
  return text.replaceAll(/[\\:[\]]/g, String.raw`\$&`)
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}

const script = String.raw`#compdef llm-gateway
# Completion of llm-gateway for zsh, printed by: llm-gateway completion zsh

# Offers the names of the kind $1 in the configuration that the command line names, or the usual one.
_llm-gateway-names() {
  local -a places names
  local config=\${opt_args[--config]:-\${opt_args[-c]}}
  [[ -n $config ]] && places+=(--config \${\${(Q)config}/#\~\//$HOME/})
  (( \${+opt_args[--system]} )) && places+=(--system)
  (( \${+opt_args[--user]} )) && places+=(--user)
  names=(\${(f)"$($_llm_gateway_program complete $places $1 2>/dev/null)"})
  compadd -a names
}

@functions@

_llm-gateway() {
  local curcontext=$curcontext _llm_gateway_program=$words[1]
  typeset -A opt_args
  (( \${+commands[$_llm_gateway_program]} )) || [[ -x $_llm_gateway_program ]] || _llm_gateway_program=llm-gateway
  _llm-gateway__program
}

# As a file in $fpath, this is the body of the function at its first call; else it was sourced.
if [[ $funcstack[1] = _llm-gateway ]]; then
  _llm-gateway
else
  compdef _llm-gateway llm-gateway
fi
`
