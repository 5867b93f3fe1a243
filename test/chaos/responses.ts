// What a call's response consists of, in whatever format it is written. Upstreams and clients draw it alike.
import type { Random } from '../support/random.ts'

/** How large a call's response is, whoever gives it. */
export interface Shape {
  /** Events with content in a stream. */
  readonly events: number
  /** Further bytes in each of them. */
  readonly padding: number
}

/**
 * Of a few: whole responses stay small enough for the gateway to hold them until they are whole (256 KiB), so that none may
 * ever break off.
 */
export function shapeOf(random: Random): Shape {
  if (random.has(0.03)) return { events: 60, padding: 3_500 }
  return { events: 1 + random.below(25), padding: random.below(40) }
}

/** Which start of which upstream was asked for which time: `a.2.1`. Every attempt's response differs from all others. */
export type Tag = `${string}.${number}.${number}`

export const tagForm = /[a-z]+\.\d+\.\d+/

export interface Sender {
  readonly callId: string
  readonly tag: Tag
}

/** What the model says in each event with content. */
export function piecesOf({ tag }: Sender, { events, padding }: Shape): string[] {
  return Array.from({ length: events }, (_, index) => `${tag} ${index} ${'x'.repeat(padding)}`)
}

/** The message of an upstream's error, which no format and no translation changes. */
export function refusalOf({ callId, tag }: Sender, code: string): string {
  return `${tag} will not answer ${callId}: ${code}`
}

/** The code in such a message. */
export function codeOfRefusal(sender: Sender, message: string): string | undefined {
  const at = message.indexOf(refusalOf(sender, ''))
  return at < 0 ? undefined : message.slice(at + refusalOf(sender, '').length)
}
