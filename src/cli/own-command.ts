// How this program is called here, so that commands that it shows can be typed as they stand.
import { realpathSync } from 'node:fs'
import { isAbsolute, join, relative } from 'node:path'
import { packagePath } from '../platform/package.ts'
import { shellWord } from '../platform/shell-word.ts'

const name = 'llm-gateway'

/** The name where the PATH leads to this very package, its path else: from the working directory if it lies below. */
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
