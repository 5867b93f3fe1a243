// What is wrong with a configuration, and where. Checks yield problems by path; `load.ts` locates them in the file.
import { formatPath } from '../platform/key-path.ts'

/** Steps from the root of the file: keys, and indexes of lists. */
export type Path = readonly (string | number)[]

/** One problem that a check found. Neither of its texts ever contains a secret. */
export interface PathProblem {
  readonly path: Path
  readonly message: string
  /** How to solve it. */
  readonly hint?: string
  /** Point at the key instead of its value. */
  readonly at?: 'key'
  /** Default: `error`. A warning does not keep the gateway from starting. */
  readonly severity?: Severity
  /** Where it is, if the path does not identify it: the second of two equal keys. */
  readonly position?: Position
}

export interface Position {
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 code units, as editors count. */
  readonly column: number
}

/** The position of a path, or of the nearest step towards it that exists. */
export type PositionOf = (path: Path, at: 'key' | 'value') => Position

type Severity = 'error' | 'warning'

/** True if a problem has been found at a path or below it. */
export type HasProblem = (path: Path) => boolean

/** Looks up problems by path, in constant time. `hasProblemAt` ignores those below a path. */
export function indexProblems(problems: readonly PathProblem[]): {
  hasProblem: HasProblem
  hasProblemAt: HasProblem
} {
  const id = (path: Path) => JSON.stringify(path)
  const exact = new Set(problems.map(({ path }) => id(path)))
  const above = new Set(problems.flatMap(({ path }) => path.map((_, index) => id(path.slice(0, index + 1)))))
  return { hasProblem: (path) => above.has(id(path)), hasProblemAt: (path) => exact.has(id(path)) }
}

/** A problem with its position in a file, for people and editors. */
export interface Problem {
  readonly file: string
  /** From 1; 0 if the problem is not at a position in the file. */
  readonly line: number
  /** From 1, in UTF-16 code units, as editors count; 0 if the problem is not at a position in the file. */
  readonly column: number
  /** `models["llama3.1:8b"].targets[0].provider`, `env LLM_GATEWAY_PORT`, or empty. */
  readonly path: string
  readonly message: string
  /** Empty if there is no advice. */
  readonly hint: string
  readonly severity: Severity
}

/** @param positionOf undefined if the file could not be parsed. */
export function located(problem: PathProblem, file: string, positionOf: PositionOf | undefined): Problem {
  const { path, message, hint = '', severity = 'error' } = problem
  const { line, column } = problem.position ??
    positionOf?.(path, problem.at ?? 'value') ?? { line: 0, column: 0 }
  return { file, line, column, path: formatPath(path), message, hint, severity }
}

/** Text from the file for a message: in double quotes, with control characters escaped, at most 60 characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text)
}
