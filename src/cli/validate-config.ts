// `llm-gateway validate-config`: reports every problem of a configuration file, each with its line.
import { findConfigFile } from '../config/find.ts'
import { type LoadedConfig, openConfig } from '../config/load.ts'
import type { Problem } from '../config/problems.ts'
import type { Config } from '../config/types.ts'
import { type CommandIo, counted, displayWidth, Output } from './output.ts'
import { printable } from '../platform/printable.ts'
import { storedCredentialNames } from './stored-credentials.ts'

/** @returns the exit status: 0 when the configuration is valid, else 1. */
export async function validateConfigCommand(
  io: CommandIo,
  file: string | undefined,
  options: { json: boolean; withoutSecrets?: boolean },
): Promise<number> {
  const path = findConfigFile(file, io.env)
  const loaded = await openConfig(path, {
    env: io.env,
    withoutSecrets: options.withoutSecrets === true,
    storedCredentials: storedCredentialNames(io.env),
  })
  const problems = problemsOf(loaded)
  if (options.json) {
    new Output(io.stdout, io.env).json({ file: path, valid: loaded.ok, problems })
    return loaded.ok ? 0 : 1
  }
  printProblems(io, problems, loaded.lines)
  const out = new Output(loaded.ok ? io.stdout : io.stderr, io.env)
  if (loaded.ok) {
    out.line(`${printable(path)} is ${out.styled('green', 'valid')}: ${contents(loaded.config)}`)
    return 0
  }
  const errors = problems.filter((problem) => problem.severity === 'error').length
  out.line(`${printable(path)} is ${out.styled('red', 'not valid')}: ${counted(errors, 'problem')}`)
  return 1
}

/** Prints problems to `stderr`, each with its line and a caret. @param lines as `loadConfig` returns them. */
export function printProblems(io: CommandIo, problems: readonly Problem[], lines: readonly string[]): void {
  const out = new Output(io.stderr, io.env)
  for (const problem of problems) {
    const [style, word] =
      problem.severity === 'error' ? (['red', ''] as const) : (['yellow', 'warning: '] as const)
    const position = problem.line > 0 ? `:${problem.line}:${problem.column}` : ''
    const isInFile = !problem.path.startsWith('env ')
    const where = isInFile ? `${problem.file}${position}${problem.path && ' '}${problem.path}` : problem.path
    const hint = problem.hint === '' ? '' : ` ${out.styled('dim', `(${printable(problem.hint)})`)}`
    out.line(
      `${out.styled('bold', printable(where))}: ${out.styled(style, word)}${printable(problem.message)}${hint}`,
    )
    const line = problem.line > 0 ? lines[problem.line - 1] : undefined
    if (line === undefined) continue
    const excerpt = excerptOf(line, problem.column)
    out.line(`  ${excerpt.text}`)
    out.line(`  ${out.styled(style, excerpt.caret)}`)
  }
}

const maxExcerptWidth = 120

/** The part of a line around a column (from 1), and a line with a caret below that column. */
function excerptOf(line: string, column: number): { text: string; caret: string } {
  const start = column <= maxExcerptWidth - 20 ? 0 : column - 1 - 40
  const visible = (text: string) => printable(text).replaceAll('\t', '  ')
  const before = (start > 0 ? '…' : '') + visible(line.slice(start, column - 1))
  const rest = visible(line.slice(column - 1, start + maxExcerptWidth))
  const after = line.length > start + maxExcerptWidth ? '…' : ''
  return { text: before + rest + after, caret: `${' '.repeat(displayWidth(before))}^` }
}

function problemsOf(loaded: LoadedConfig): readonly Problem[] {
  return loaded.ok ? loaded.warnings : loaded.problems
}

function contents(config: Config): string {
  return `${counted(config.models.size, 'model')}, ${counted(config.providers.size, 'provider')}`
}
