// Notices as people read them, for services that show text: one in full, several in a list.
import { durationText } from '../../platform/duration.ts'
import { compareSeverity, type Severity } from './attention.ts'
import type { Notice } from './notice.ts'

/** Where messages come from. */
export interface Sender {
  /** Name of the machine. */
  readonly host: string
}

export interface Wording {
  readonly title: string
  /** Lines. The first one is about the first notice. */
  readonly lines: readonly string[]
  /** Of the most severe notice. */
  readonly severity: Severity
  /** Whether nothing in it is wrong any more. */
  readonly isRecovery: boolean
}

/** Beyond so many, each notice has one line. */
const maxInFull = 3
/** Beyond so many, their number is stated. */
const maxListed = 20

/** @param notices at least one. @param unshown how many more were given up. */
export function wordingOf(notices: readonly Notice[], unshown: number, { host }: Sender): Wording {
  const severity = notices.map((notice) => notice.severity).reduce(moreSevere)
  const isRecovery = notices.every(({ kind }) => kind === 'recovered')
  const [first] = notices
  const title =
    notices.length === 1 && unshown === 0
      ? `${headOf(first!)} (${host})`
      : `${notices.length + unshown} changes at the gateway of ${host}`
  const listed = notices.slice(0, maxListed)
  const rest = notices.length - listed.length + unshown
  const lines =
    notices.length === 1
      ? detailsOf(first!)
      : listed.flatMap((notice) =>
          notices.length <= maxInFull
            ? [headOf(notice), ...detailsOf(notice).map((line) => `  ${line}`)]
            : [`- ${headOf(notice)}`],
        )
  const more = rest === 0 ? [] : [`and ${rest} more, which llm-gateway doctor and the page /status show`]
  return { title, lines: [...lines, ...more], severity, isRecovery }
}

function moreSevere(one: Severity, other: Severity): Severity {
  return compareSeverity(one, other) >= 0 ? one : other
}

/** `Critical: The provider openai refuses the gateway's key.` */
export function headOf({ kind, severity, what }: Notice): string {
  switch (kind) {
    case 'firing':
      return `${severity === 'info' ? 'Info' : severity === 'warning' ? 'Warning' : 'Critical'}: ${what}`
    case 'repeated':
      return `Still: ${what}`
    case 'unsteady':
      return `Comes and goes: ${what}`
    case 'recovered':
      return `Over: ${what}`
    case 'message':
      return what
    default:
      return kind satisfies never
  }
}

function detailsOf({ kind, at, since, why, fix }: Notice): string[] {
  const lastsMs = Date.parse(at) - Date.parse(since)
  const held = kind === 'firing' || kind === 'repeated'
  const duration = held && lastsMs >= 1000 ? ` (for ${durationText(lastsMs)})` : ''
  const sinceLine = kind === 'message' ? [] : [`Since ${since.slice(0, 19)}Z${duration}.`]
  const unsteady = kind === 'unsteady' ? ['Further changes are not reported until it has ended.'] : []
  return [
    ...[why].filter((line) => line !== ''),
    ...sinceLine,
    ...unsteady,
    ...(fix === '' ? [] : [`To do: ${fix}`]),
  ]
}
