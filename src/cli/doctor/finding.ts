// What an examination finds, and what to do about it.

/** `skipped`: it could not be looked at; the detail says why. */
export type State = 'ok' | 'warn' | 'fail' | 'skipped'

export interface Finding {
  /** What was looked at. */
  readonly subject: string
  readonly state: State
  /** What was seen. No secret is in it. */
  readonly detail: string
  /** A command to type or a change to make. */
  readonly fix?: string | undefined
  /** For programs: milliseconds (`…Ms`), counts, names. */
  readonly figures?: Readonly<Record<string, string | number>>
}

export interface Check extends Finding {
  readonly area: 'runtime' | 'config' | 'files' | 'credentials' | 'service' | 'port' | 'provider'
}

/** Text of others on one line, not too long. */
export function shortened(text: string, maxLength = 160): string {
  const line = text.trim().replaceAll(/\s+/g, ' ')
  return line.length > maxLength ? `${line.slice(0, maxLength - 1)}…` : line
}

export function shownMs(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}
