// How to call this program from the current shell, so that suggested commands can be pasted as they are.
import { realpathSync } from 'node:fs'
import { isAbsolute, join, relative } from 'node:path'
import { packagePath } from '../platform/package.ts'
import { shellWord } from '../platform/shell-word.ts'

const name = 'llm-gateway'

/** The name if the PATH leads to this package, else its path: relative if it is below the working directory. */
export function ownCommand(
  { PATH: path = '' }: NodeJS.ProcessEnv,
  workingDirectory = process.cwd(),
  launcher = packagePath('bin/llm-gateway'),
): string {
  const folders = path.split(':').filter(isAbsolute)
  const found = folders.map((folder) => realPathOf(join(folder, name))).find((file) => file !== undefined)
  if (found !== undefined && found === realPathOf(launcher)) return name
  const below = relative(workingDirectory, launcher)
  if (below.startsWith('..')) return shellWord(launcher)
  return shellWord(below.includes('/') ? below : `./${below}`)
}

function realPathOf(file: string): string | undefined {
  try {
    return realpathSync(file)
  } catch {
    return undefined
  }
}
