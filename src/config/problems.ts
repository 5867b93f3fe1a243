// What is wrong with a configuration, and where. Checks yield findings by path; `load.ts` gives them their place.

/** Steps from the root of the file: keys, and indexes of lists. */
export type Path = readonly (string | number)[]

/** One thing that a check found. Neither text ever holds a secret. */
export interface Finding {
  readonly path: Path
  readonly message: string
  /** What to do about it. */
  readonly hint?: string
  /** Point at the key in place of its value. */
  readonly at?: 'key'
  /** `error` unless said otherwise. A warning does not keep the gateway from starting. */
  readonly severity?: Severity
  /** Where it is, when the path does not tell: the second of two equal keys. */
  readonly place?: Place
}

export interface Place {
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 code units, as editors count. */
  readonly column: number
}

type Severity = 'error' | 'warning'

/** Tells whether a fault was found already at a path or within it. */
export type HasFault = (path: Path) => boolean

/** The paths of findings, for looking up in constant time. `hasFaultAt` leaves out what is within a path. */
export function indexFaults(findings: readonly Finding[]): { hasFault: HasFault; hasFaultAt: HasFault } {
  const id = (path: Path) => JSON.stringify(path)
  const exact = new Set(findings.map(({ path }) => id(path)))
  const around = new Set(findings.flatMap(({ path }) => path.map((_, index) => id(path.slice(0, index + 1)))))
  return { hasFault: (path) => around.has(id(path)), hasFaultAt: (path) => exact.has(id(path)) }
}

/** A finding with its place, for people and editors. */
export interface Problem {
  readonly file: string
  /** From 1; 0 when the problem is not at a place in the file. */
  readonly line: number
  /** From 1, in UTF-16 code units, as editors count; 0 when the problem is not at a place in the file. */
  readonly column: number
  /** `models["llama3.1:8b"].targets[0].provider`, `env LLM_GATEWAY_PORT`, or empty. */
  readonly path: string
  readonly message: string
  /** Empty when there is no advice. */
  readonly hint: string
  readonly severity: Severity
}

/** A path as people write it. */
export function formatPath(path: Path): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (!/^[A-Za-z_][\w-]*$/.test(step)) text += `[${JSON.stringify(step)}]`
    else text += text === '' ? step : `.${step}`
  }
  return text
}

/** Text from the file for a message: in double quotes, control characters escaped, not too long. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text)
}
