// The text of a configuration file and what YAML makes of it, for all who read one.
import { readDocument, type ReadDocument } from './document.ts'
import { expandVariables } from './environment.ts'
import { maskedLines } from './masked-lines.ts'
import { located, type Problem } from './problems.ts'
import { type Accounts } from '../platform/ownership.ts'
import { readTrustedFile } from './trusted-file.ts'

export type ConfigFile =
  | { kind: 'read'; text: string; document: ReadDocument }
  /** Not there, or not to be trusted. */
  | { kind: 'refused'; problem: Problem }
  /** `lines` are the file's, with everything masked that may be a secret. */
  | { kind: 'invalid-yaml'; problems: Problem[]; lines: string[] }

const maxConfigBytes = 1024 * 1024

/** Reads and parses a configuration file, with `${NAME}` replaced from `env`. */
export function readConfigFile(file: string, env: NodeJS.ProcessEnv, accounts: Accounts): ConfigFile {
  const read = readTrustedFile(file, { maxBytes: maxConfigBytes, isSecret: false }, accounts)
  if (read.kind === 'absent') {
    return { kind: 'refused', problem: wholeFile(file, 'there is no such file', 'name one with --config') }
  }
  if (read.kind === 'refused') {
    return { kind: 'refused', problem: wholeFile(file, read.message, read.hint, read.line) }
  }
  return readConfigText(file, read.text, env)
}

/** Parses the text of a configuration file. @param file names it in problems. */
export function readConfigText(file: string, text: string, env: NodeJS.ProcessEnv): ConfigFile {
  const document = readDocument(text, (each, path) => expandVariables(each, path, env))
  if (document.kind === 'unreadable') {
    const problems = document.problems.map((problem) => located(problem, file, undefined))
    return { kind: 'invalid-yaml', problems, lines: maskedLines(text, 'unknown') }
  }
  return { kind: 'read', text, document }
}

/** @param line 0 for a problem that is in no line. */
function wholeFile(file: string, message: string, hint: string, line = 0): Problem {
  return { file, line, column: Math.min(line, 1), path: '', message, hint, severity: 'error' }
}
