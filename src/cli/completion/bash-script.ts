// The completion script of bash: what may follow each command stands in it, so that only names of the configuration need a
// process. It needs nothing of the package bash-completion, and works with bash 4.
import { type CommandEntry, type Completes, everyCommand, usableAt } from '../command-tree.ts'
import { unescaped } from './unescaped.ts'
import { shellWord } from '../../platform/shell-word.ts'

export function bashScript(program: CommandEntry): string {
  const cases = [...everyCommand(program)].map((command) => caseOf(command)).join('\n')
  return unescaped(script).replace('@cases@', () => cases)
}

function caseOf(command: CommandEntry): string {
  const { options, operands } = usableAt(command)
  const names = command.commands.map(({ path }) => path.at(-1)!)
  const flags = options.flatMap(({ short, long, value }) =>
    [short, long]
      .filter((flag) => flag !== undefined)
      .map((flag) => (value === undefined ? flag : `${flag}=${kindWord(value.completes)}`)),
  )
  const kinds = operands.map(({ completes, isRepeated }) => kindWord(completes) + (isRepeated ? '+' : ''))
  const lists = [names, flags, kinds].map((list) => list.map((word) => shellWord(word)).join(' '))
  return `    ${shellWord(command.path.join(' ')) || "''"}) commands=(${lists[0]}) options=(${lists[1]}) operands=(${lists[2]}) ;;`
}

/** One word: `-` for any text, `one,of,these` for a choice. */
function kindWord(completes: Completes | undefined): string {
  if (completes === undefined) return '-'
  return typeof completes === 'string' ? completes : `(${completes.join(',')})`
}

/** With the shell's `${` as `\\${`: see `unescaped`. */
const script = String.raw`# Completion of llm-gateway for bash, printed by: llm-gateway completion bash

# Sets the commands, options (--name, --name=KIND with a value) and operands that may follow the command $1.
_llm_gateway_at() {
  commands=() options=() operands=()
  case $1 in
@cases@
  esac
}

# Sets the kind of the value of option $1: empty if it has none.
_llm_gateway_kind() {
  local option
  kind=
  for option in "\${options[@]}"; do
    [[ $option == "$1="* ]] && kind=\${option#*=}
  done
}

# Offers the lines of standard input that begin with $current. Names are data: the shell must not expand them later.
_llm_gateway_offer() {
  local line
  while IFS= read -r line; do
    [[ -n $line && $line == "$current"* ]] || continue
    [[ $line == *[![:alnum:]._:/=@%+,-]* ]] && printf -v line %q "$line"
    COMPREPLY+=("$prefix$line")
  done
}

# Offers values of the kind $1.
_llm_gateway_values() {
  local value
  case $1 in
    - | '') ;;
    files | directories)
      compopt -o filenames 2>/dev/null
      while IFS= read -r value; do COMPREPLY+=("$prefix$value"); done < <(compgen "-\${1:0:1}" -- "$current")
      ;;
    users) _llm_gateway_offer < <(compgen -u) ;;
    \(*\))
      value=\${1#\(}
      _llm_gateway_offer < <(IFS=,; printf '%s\n' \${value%\)})
      ;;
    *) _llm_gateway_offer < <("$program" complete "\${places[@]}" "$1" 2>/dev/null) ;;
  esac
}

_llm_gateway() {
  local line=\${COMP_LINE:0:COMP_POINT} program current= prefix= path= pending= kind= flag= word
  local -a words commands options operands places=()
  local -i count=0 last
  program=$(type -P -- "$1") || program=llm-gateway
  # Without -r: what was completed has backslashes before special characters.
  read -a words <<<"$line"
  if [[ $line != *[[:space:]] ]]; then
    last=\${#words[@]}-1
    current=\${words[last]}
    unset 'words[last]'
  fi
  _llm_gateway_at ''
  for word in "\${words[@]:1}"; do
    if [[ -n $pending ]]; then
      [[ $flag == -c || $flag == --config ]] && places+=(--config "\${word/#\~\//$HOME/}")
      pending=
    elif [[ $word == -* ]]; then
      flag=\${word%%=*}
      [[ $flag == --user || $flag == --system ]] && places+=("$flag")
      [[ $word == --config=* ]] && places+=("$word")
      _llm_gateway_kind "$flag"
      [[ $word == *=* ]] || pending=$kind
    elif ((count == 0)) && [[ " \${commands[*]} " == *" $word "* ]]; then
      path+=\${path:+ }$word
      _llm_gateway_at "$path"
    else
      count+=1
    fi
  done

  COMPREPLY=()
  if [[ -n $pending ]]; then
    _llm_gateway_values "$pending"
  elif [[ $current == --*=* ]]; then
    prefix=\${current%%=*}=
    _llm_gateway_kind "\${current%%=*}"
    current=\${current#*=}
    _llm_gateway_values "$kind"
  elif [[ $current == -* ]]; then
    _llm_gateway_offer < <(printf '%s\n' "\${options[@]%%=*}")
  else
    ((count == 0)) && _llm_gateway_offer < <(printf '%s\n' "\${commands[@]}")
    last=\${#operands[@]}-1
    if ((last >= 0)); then
      if ((count < last)); then last=count; fi
      kind=\${operands[last]}
      if ((last == count)) || [[ $kind == *+ ]]; then _llm_gateway_values "\${kind%+}"; fi
    fi
  fi

  # Readline replaces only what follows the last of its separators.
  flag=\${COMP_WORDBREAKS//[^:=]/}
  if [[ -n $flag ]]; then
    word=$prefix$current
    COMPREPLY=("\${COMPREPLY[@]#"\${word%"\${word##*[$flag]}"}"}")
  fi
}

complete -F _llm_gateway llm-gateway
`
