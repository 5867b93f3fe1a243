// The two forms of a response, as translations between them: events that become a whole body, and a body that becomes events.
import { encodeEvent, eventData } from '../../../bytes/sse.ts'
import { GatewayError } from '../../../errors.ts'
import type { ResponseTranslation } from '../../translator.ts'
import { isEndMark } from '../chat-stream.ts'
import { errorHeadOf } from '../errors.ts'

/** An event to be written. */
export interface OutgoingEvent {
  readonly event?: string
  readonly data: string
}

export const doneEvent: OutgoingEvent = { data: '[DONE]' }

/** Collects the events of one stream. */
interface Collector {
  /**
   * @param data valid during the call.
   * @returns `over` if nothing of the response follows, and an error if no more of it is kept.
   */
  add(data: Buffer): 'over' | GatewayError | undefined
  /** The body that they amount to, as JSON or its value; undefined if they amount to none. */
  result(): Buffer | object | undefined
}

const nothing = Buffer.alloc(0)

export function assembledBy(
  collector: Collector,
): ResponseTranslation & { end: () => Buffer | GatewayError } {
  return {
    head: () => 'application/json',
    event(event) {
      const data = eventData(event)
      if (data === undefined) return undefined
      if (isEndMark(data)) return 'over'
      if (errorHeadOf(data) !== undefined) return 'failed'
      return collector.add(data)
    },
    end() {
      const result = collector.result()
      if (result === undefined) {
        return new GatewayError('provider_bad_response', "The provider's stream has no output.")
      }
      return Buffer.isBuffer(result) ? result : Buffer.from(JSON.stringify(result))
    },
    whole: (body) => body,
    error: (_, body) => body,
    heartbeat: () => nothing,
  }
}

export function splitInto(events: readonly OutgoingEvent[]): ResponseTranslation {
  return {
    head: () => 'text/event-stream; charset=utf-8',
    event(event, write) {
      write(event)
      return undefined
    },
    end: () => undefined,
    whole(_body, _value, write) {
      for (const event of events) write(encodeEvent(event))
      return undefined
    },
    error: (_, body) => body,
    heartbeat: () => nothing,
  }
}
