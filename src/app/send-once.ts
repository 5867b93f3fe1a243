// One message to one service, from a command: a test, the end of a unit, a report.
import { hostname } from 'node:os'
import type { NotifySink } from '../config/observe-types.ts'
import type { Severity } from '../observe/alerts/attention.ts'
import { deliver } from '../observe/alerts/deliver.ts'
import { isStateful } from '../observe/alerts/forms.ts'
import { statusFault } from '../outbound/post.ts'
import { bounded } from '../platform/bounded-text.ts'

export interface OnceMessage {
  /** For services that keep states, in the place of a rule's name: `UnitFailed`. */
  readonly rule: string
  /** What it is about: the name of a unit. */
  readonly subject: string
  readonly severity: Severity
  /** One line. */
  readonly title: string
  /** Lines; each service cuts them to its bounds. */
  readonly text: string
  /** Ends what an earlier message with the same rule and subject has begun, where a service keeps states. Absent: it does not. */
  readonly isEnd?: true
}

export interface SentOnce {
  readonly isTaken: boolean
  /** What the service said, or why nothing came of it: printable, and without its URL and token. */
  readonly said: string
}

const maxSaid = 200

/** Whether a message to the service stays open until another one ends it. */
export function keepsStates({ kind }: NotifySink): boolean {
  return isStateful(kind)
}

/** Never rejects. @param nowMs since 1970. */
export async function sendOnce(sink: NotifySink, message: OnceMessage, nowMs: number): Promise<SentOnce> {
  const { rule, subject, severity, title, text, isEnd } = message
  const at = new Date(nowMs).toISOString()
  const notice = {
    kind: isEnd === true ? 'recovered' : 'message',
    rule,
    subject,
    severity,
    at,
    since: at,
    what: title,
    why: text,
    fix: '',
  } as const
  const outcome = await deliver(sink, { notices: [notice], unshown: 0 }, { host: hostname() }, nowMs)
  if (outcome.kind === 'failed') return { isTaken: false, said: outcome.fault }
  const isTaken = outcome.kind === 'taken'
  const status = isTaken ? `status ${outcome.status}` : statusFault(outcome.status)
  const body = bounded(withoutSecrets(outcome.text.trim().replaceAll(/\s+/g, ' '), sink), maxSaid)
  return { isTaken, said: body === '' ? status : `${status}: ${body}` }
}

/** A service may repeat what it was asked. */
function withoutSecrets(text: string, { url, token }: NotifySink): string {
  const { href, pathname, search, searchParams } = new URL(typeof url === 'string' ? url : url.reveal())
  const pieces = [...pathname.split('/'), ...search.slice(1).split(/[&=]/), ...searchParams.values()]
  const parts = [href, pathname, search, ...pieces, ...pieces.map(decoded), token?.reveal() ?? '']
  return parts
    .filter((part) => part.length >= 6)
    .toSorted((one, other) => other.length - one.length)
    .reduce((shown, part) => shown.replaceAll(part, '[secret]'), text)
}

/** As a service reads a piece of a URL. */
function decoded(piece: string): string {
  try {
    return decodeURIComponent(piece)
  } catch {
    return piece
  }
}
