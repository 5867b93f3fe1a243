// What a check found, and how to fix it.

/** `skipped`: it could not be checked, for the reason that `detail` gives. */
export type State = 'ok' | 'warn' | 'fail' | 'skipped'

export interface Finding {
  /** What was checked. */
  readonly subject: string
  readonly state: State
  /** What was found. Contains no secret. */
  readonly detail: string
  /** A command to run or a change to make. */
  readonly fix?: string | undefined
  /** Of the journal, as they were logged: text of other programs. */
  readonly lines?: readonly string[]
  /** Facts for programs: milliseconds (`…Ms`), counts, names. */
  readonly figures?: Readonly<Record<string, string | number>>
}

export interface Check extends Finding {
  readonly area:
    | 'runtime'
    | 'config'
    | 'files'
    | 'credentials'
    | 'service'
    | 'port'
    | 'store'
    | 'identity'
    | 'tracing'
    | 'notify'
    | 'provider'
}

/** Untrusted text on one line of at most `maxLength` UTF-16 code units. */
export function shortened(text: string, maxLength = 160): string {
  const line = text.trim().replaceAll(/\s+/g, ' ')
  return line.length > maxLength ? `${line.slice(0, maxLength - 1)}…` : line
}
