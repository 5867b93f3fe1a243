// What the chaotic upstreams answer, byte by byte. The clients know it too: every piece names the call, who sent it and
// its place, so that what is missing, doubled or mixed shows.
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

export function contentEvents({ callId, tag }: Sender, { events, padding }: Shape): string[] {
  const event = (index: number) => ({
    id: callId,
    object: 'chat.completion.chunk',
    choices: [
      { index: 0, delta: { content: `${tag} ${index} ${'x'.repeat(padding)}` }, finish_reason: null },
    ],
  })
  return Array.from({ length: events }, (_, index) => encode(event(index)))
}

/** After the content; the event with the usage for those who asked for it. */
export function lastEvents({ callId, tag }: Sender, hasUsage: boolean): string[] {
  const finish = { id: callId, choices: [{ index: 0, delta: {}, finish_reason: 'stop', from: tag }] }
  return [encode(finish), ...(hasUsage ? [encode({ id: callId, choices: [], usage })] : []), doneEvent]
}

export function wholeResponse({ callId, tag }: Sender, { events, padding }: Shape): string {
  const content = `${tag} ${'x'.repeat(events * padding)}`
  const choices = [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }]
  return JSON.stringify({ id: callId, object: 'chat.completion', choices, usage })
}

/** A provider's own error, as a body. */
export function errorBody({ callId, tag }: Sender, code: string): string {
  const message = `${tag} will not answer ${callId}`
  return JSON.stringify({ error: { message, type: 'upstream_error', param: null, code } })
}

/** The same in a stream. */
export function errorEvent(sender: Sender): string {
  return `data: ${errorBody(sender, 'gave_up')}\n\n`
}

const usage = { prompt_tokens: 20, completion_tokens: 30, total_tokens: 50 }
const doneEvent = 'data: [DONE]\n\n'

function encode(event: object): string {
  return `data: ${JSON.stringify(event)}\n\n`
}
