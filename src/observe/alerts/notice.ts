// What is sent about a condition, before it takes the form of a service.
import type { Severity } from './attention.ts'

/**
 * `repeated`: it still holds. `unsteady`: it comes and goes, and what follows is not reported until it has ended.
 * `message`: it is no condition, but a test or a report.
 */
export const noticeKinds = ['firing', 'repeated', 'unsteady', 'recovered', 'message'] as const

export interface Notice {
  readonly kind: (typeof noticeKinds)[number]
  /** As in `Attention`. */
  readonly rule: string
  readonly subject: string
  readonly severity: Severity
  /** When it was made. ISO 8601. */
  readonly at: string
  /** Since when the condition holds, or held. ISO 8601. */
  readonly since: string
  readonly what: string
  readonly why: string
  readonly fix: string
}

/** Of what a notice is about: a later one takes the place of an earlier one that was not sent. */
export function noticeKey({ rule, subject }: Pick<Notice, 'rule' | 'subject'>): string {
  return `${rule}\n${subject}`
}
