// The completion scripts of all shells.
import type { CommandEntry } from '../command-tree.ts'
import { bashScript } from './bash-script.ts'
import { fishScript } from './fish-script.ts'
import { zshScript } from './zsh-script.ts'

const writers = { bash: bashScript, fish: fishScript, zsh: zshScript }

export function completionScript(shell: keyof typeof writers, program: CommandEntry): string {
  return writers[shell](program)
}
