// The completion scripts of all shells.
import type { CommandEntry } from '../command-tree.ts'
import { bashScript } from './bash-script.ts'
import { fishScript } from './fish-script.ts'
import { zshScript } from './zsh-script.ts'

const writers = { bash: bashScript, fish: fishScript, zsh: zshScript }

export function completionScript(shell: keyof typeof writers, program: CommandEntry): string {
  return writers[shell](withHelp(program))
}

/** `help COMMAND`, which the tree leaves out because it repeats every command. */
function withHelp(program: CommandEntry): CommandEntry {
  const completes = program.commands.map(({ path }) => path.join(' '))
  const operand = { name: 'command', description: '', isRequired: false, isRepeated: false, completes }
  const help = {
    path: ['help'],
    description: 'show the help of a command',
    options: [],
    operands: [operand],
    commands: [],
    defaultCommand: undefined,
  }
  return { ...program, commands: [...program.commands, help] }
}
