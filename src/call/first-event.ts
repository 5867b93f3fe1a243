// The first event of a stream: until it is known, an error in it can still become another attempt.
import type { AnswerHead } from '../upstream/provider.ts'

const doneMark = Buffer.from('[DONE]')

/** Whether an event's data is the mark after the last event. A stream that begins with it says nothing. */
export function isDone(data: Buffer): boolean {
  return data.equals(doneMark)
}

interface Code {
  readonly code?: unknown
  readonly status?: unknown
}

/** What may stand in an event that reports an error. */
interface ErrorEvent extends Code {
  readonly error?: Code | string | null
  readonly type?: unknown
  readonly object?: unknown
}

/** The head of the error answer that an event's data could have been the body of; undefined when it is no error. */
export function errorHeadOf(data: Buffer): AnswerHead | undefined {
  const event = data.includes('error') ? parse(data) : undefined
  if (event === undefined) return undefined
  // Some write `null` or nothing into the `error` of every event. A whole response of the Responses API that has failed
  // is an answer: it tells of that by itself, with what was used.
  const hasError = Boolean(event.error) && event.object !== 'response'
  // vLLM's older form has `object`, the Responses API has `type`.
  if (!hasError && event.type !== 'error' && event.object !== 'error') return undefined
  return { status: statusOf(event), headers: { 'content-type': 'application/json' } }
}

/** Some servers give the HTTP status that they would have sent as the error's code. */
function statusOf(event: ErrorEvent): number {
  const { code, status } = typeof event.error === 'object' && event.error !== null ? event.error : event
  const isError = (value: number) => Number.isInteger(value) && value >= 400 && value <= 599
  return [code, status].map(Number).find(isError) ?? 500
}

function parse(data: Buffer): ErrorEvent | undefined {
  try {
    const event: unknown = JSON.parse(data.toString())
    return typeof event === 'object' && event !== null ? event : undefined
  } catch {
    // Not JSON: no error that a client would understand either.
    return undefined
  }
}
